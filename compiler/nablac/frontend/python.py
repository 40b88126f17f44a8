"""frontend/python: every name of the Python front-end, as ``import nablac as nc`` gives them."""

from __future__ import annotations

from typing import Any

from nablac.frontend.model import Data, Module, Training
from nablac.frontend.rules import OPTIMIZERS, OwnOptimizer
from nablac.frontend.trace import Int, Label, Outputs, Real, model
from nablac.frontend.traced import TRAINING
from nablac.frontend.vocabulary import VOCABULARY

_MODEL = {"model": model, "Outputs": Outputs, "Real": Real, "Label": Label, "Int": Int, "training": TRAINING}
_SETTINGS = {"Training": Training, "Data": Data, "Module": Module}
_RULES = {**OPTIMIZERS, "OwnOptimizer": OwnOptimizer}

NAMES: dict[str, Any] = {**VOCABULARY, **_MODEL, **_SETTINGS, **_RULES}
"""Every name; those of layers, losses and functions are the library's rows and the language's functions."""


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return NAMES[name]
    raise AttributeError(f"nablac has no '{name}'")


def __dir__() -> list[str]:
    return sorted(NAMES)
