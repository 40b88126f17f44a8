"""runs/data: the samples that the options of a training name, the names of their classes, and how many of each."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from nablac.data.balance import balance
from nablac.data.read import is_heavy
from nablac.data.read import read as read_all
from nablac.runs.options import OptionError

UNEVEN, SHOWN = 1.5, 12
"""The table is shown where one class has so many times the rows of another, and there are not more classes."""


def read(module: ModuleType, options: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """The training data, and for validation a fraction, a list of arrays, or None."""
    if module.INPUTS and not options.data:
        remedy = "say in the spec's data where it is, as in data: {train: FILE}, or give --data FILE"
        raise OptionError(
            "there is nothing to train on", found=f"no data for {', '.join(module.INPUTS)}", remedy=remedy
        )
    data = _read(module, options.data, options.target)
    if not options.val:
        return data, None
    try:
        return data, float(" ".join(options.val))
    except ValueError:
        held_out = _read(module, options.val, options.target)
        return data, [held_out.get(name) for name in module.BATCHED or module.READS["forward"]]


def _read(module: ModuleType, sources: Sequence[str], target: str | None) -> dict[str, Any]:
    """By the module itself, unless there is something that only the compiler's package can read."""
    if any(is_heavy(source) for source in sources):
        return read_all(module, *sources, target=target)
    data: dict[str, Any] = module.load(*sources, target=target)
    return data


def class_names(module: ModuleType, sources: Sequence[str]) -> tuple[str, ...]:
    """What the classes of the label are called: by the spec's categories, or by folders of images; else nothing."""
    labels = [name for name in module.BATCHED if name in module.LABELS]
    categories = getattr(module, "CATEGORIES", {})
    names: Sequence[str] = next((categories[n] for n in (module.TARGET, *labels) if n in categories), ())
    if not names and len(sources) == 1 and os.path.isdir(sources[0]):
        names = sorted(entry.name for entry in Path(sources[0]).iterdir() if entry.is_dir() and entry.name[0] != ".")
    return tuple(names) if labels and len(names) == module.LABELS[labels[-1]] else ()


def balance_lines(module: ModuleType, data: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """How many rows each class has: a line, or a table where they are few and differ much."""
    for label in [name for name in module.BATCHED if name in module.LABELS and name in data]:
        found = balance(data[label], names if len(names) == module.LABELS[label] else module.LABELS[label])
        least, most = min(found.counts), max(found.counts)
        if most <= UNEVEN * least or len(found.counts) > SHOWN:
            each = f"each {least:,}" if least == most else f"with {least:,} to {most:,}"
            yield f"classes of {label}: {len(found.counts)}, {each} of {sum(found.counts):,} rows"
        else:
            yield from (f"classes of {label}", *str(found).splitlines())
