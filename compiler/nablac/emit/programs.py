"""emit/programs: what the native functions of a module compute: its four programs and the names of their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nablac.ir.equation import Program


@dataclass(frozen=True)
class Programs:
    """What a module computes.  ``loss`` and ``metrics`` name 0-d results; ``updates`` pairs a tensor with the next."""

    predict: Program
    evaluate: Program | None = None
    gradient: Program | None = None
    update: Program | None = None
    loss: str = "loss"
    metrics: tuple[str, ...] = ()
    updates: tuple[tuple[str, str], ...] = ()
    gradients: Mapping[str, str] = field(default_factory=dict)
    """Parameter -> the result that holds its gradient (``d_<parameter>`` where it is not named), or the next value of a
    frozen one that follows the data."""

    def items(self) -> tuple[tuple[str, Program], ...]:
        """The programs there are, in the order in which equations are numbered."""
        named = {"predict": self.predict, "gradient": self.gradient, "evaluate": self.evaluate, "update": self.update}
        return tuple((name, program) for name, program in named.items() if program is not None)

    def gradient_of(self, parameter: str) -> str:
        """The name of a parameter's gradient."""
        return self.gradients.get(parameter, f"d_{parameter}")
