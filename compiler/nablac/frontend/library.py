"""frontend/library: the layers, activations, losses and metrics that come with nablac, by name.

Each is a row of equation text, written as in a textbook.  Stable spellings, gradients and kernels are the compiler's
to find.
"""

from __future__ import annotations

from nablac.frontend.activations import ACTIVATIONS
from nablac.frontend.definition import Definition
from nablac.frontend.layers import LAYERS
from nablac.frontend.losses import LOSSES, PENALTIES
from nablac.frontend.metrics import METRICS


def rows(*tables: tuple[Definition, ...]) -> dict[str, tuple[Definition, ...]]:
    """The rows of tables by name."""
    found: dict[str, tuple[Definition, ...]] = {}
    for table in tables:
        for row in table:
            found[row.name] = (*found.get(row.name, ()), row)
    return found


NODES = rows(LAYERS, ACTIVATIONS)
"""What may stand in a network."""

MEASURES = rows(LOSSES, PENALTIES, METRICS)
"""What may be measured; the losses among them may be learned from."""

LOSS_NAMES = tuple(rows(LOSSES, PENALTIES))

PENALTY_NAMES = tuple(rows(PENALTIES))
"""Losses of weights alone: of several tensors the sum, and of all weights where none is named."""
