"""frontend/frozen: parameters that no gradient changes, and parameters that are another's.

A parameter is frozen because the user says so, because an equation replaces it after each step of training (a
statistic, such as a running mean), or because it is measured on the training rows before the first one (fitted).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nablac.errors import NameError_, Place, ShapeError, SpecError
from nablac.frontend.definition import Definition, did_you_mean, shown
from nablac.ir.tensor import Kind, Role, Tensor

FOLLOWS = {"statistics": "replaces it after a step", "fitted": "is averaged over the training rows"}
"""Why an equation stands beside a parameter."""


@dataclass
class Followed:
    """For each frozen parameter that is no constant, the tensor whose value it takes on."""

    statistics: dict[str, str] = field(default_factory=dict)
    fitted: dict[str, str] = field(default_factory=dict)

    def layer(self, definition: Definition, learned: Mapping[str, Tensor], name: str) -> None:
        """Note those of a layer that stands in the model as ``name``."""
        for kind in FOLLOWS:
            for formal, target in getattr(definition, kind):
                made = name if target == definition.gives else f"{name}.{target}"
                getattr(self, kind)[learned[formal].name] = made

    def add(self, kind: str, tensors: Mapping[str, Tensor], name: str, target: str, where: Place | None) -> None:
        """Note that a parameter follows a tensor; refuse what cannot."""
        parameter, source = _parameter(tensors, name, where), tensors.get(target)
        if source is None or source.role is not Role.RESULT:
            known = [n for n, t in tensors.items() if t.role is Role.RESULT and "." not in n]
            raise NameError_(
                f"no equation defines '{target[:60]}', which '{name}' shall follow",
                where=where,
                remedy=did_you_mean(target, known),
            )
        if source.shape != parameter.shape or source.kind is not Kind.REAL:
            raise ShapeError(
                f"'{name}' cannot become '{target}'", found=shown(source), expected=shown(parameter), where=where
            )
        if name in {**self.statistics, **self.fitted}:
            raise SpecError(f"'{name}' follows two equations", where=where, remedy="keep one of them")
        getattr(self, kind)[name] = target

    def rename(self, names: Mapping[str, str]) -> None:
        """Keep up with results that get other names."""
        for follows in (self.statistics, self.fitted):
            follows |= {name: names.get(target, target) for name, target in follows.items()}


def freeze(
    tensors: dict[str, Tensor], layers: Mapping[str, Mapping[str, Tensor]], name: str, where: Place | None
) -> None:
    """Freeze a parameter, or all that a layer learns itself."""
    own = [t.name for t in layers.get(name, {}).values() if t.name.startswith(f"{name}.") and t.role is Role.PARAM]
    if name in layers and not own:
        raise SpecError(f"'{name}' has nothing to freeze", found="a layer without weights of its own", where=where)
    for parameter in own or [_parameter(tensors, name, where, list(layers)).name]:
        tensors[parameter] = replace(tensors[parameter], frozen=True)


def _parameter(
    tensors: Mapping[str, Tensor], name: str, where: Place | None, layers: list[str] | None = None
) -> Tensor:
    found = tensors.get(name)
    if found is None or found.role is not Role.PARAM:
        known = [*(layers or []), *(n for n, t in tensors.items() if t.role is Role.PARAM)]
        raise NameError_(
            f"there is no parameter '{name[:60]}'" + (", and no layer" if layers is not None else ""),
            found=None if found is None else f"{found.role.value} {shown(found)}",
            expected="one of " + ", ".join(known) if 0 < len(known) <= 12 else None,
            where=where,
            remedy=did_you_mean(name, known),
        )
    return found


def source_of(tie: str) -> tuple[str, bool]:
    """The tensor that a tie names, and whether its axes are reversed.

    >>> source_of("code.W.T"), source_of("code.W")
    (('code.W', True), ('code.W', False))
    """
    return re.sub(r"\.T$", "", tie), tie.endswith(".T")


def transposed(target: str, source: Tensor) -> str:
    """The equation of a tensor with its axes reversed."""
    letters = "ijklmpqr"[: len(source.shape)]
    if len(source.shape) < 2:
        return f"{target}[i] = {source.name}[i]" if source.shape else f"{target} = {source.name}"
    return f"{target}[{', '.join(letters)}] = {source.name}[{', '.join(reversed(letters))}]"


def check_tie(parameter: Tensor, source: Tensor, tie: str, where: Place | None) -> None:
    """Refuse a tensor whose shape is not that of the parameter it stands for."""
    shape = source.shape[::-1] if source_of(tie)[1] else source.shape
    if shape != parameter.shape or source.kind is not Kind.REAL:
        axes = ", ".join(map(str, shape))
        raise ShapeError(
            f"'{parameter.name}' cannot be '{tie}'",
            found=f"{tie}: {source.kind.value}[{axes}]",
            expected=shown(parameter),
            where=where,
            remedy=f"did you mean '{tie}.T'?" if shape[::-1] == parameter.shape and not tie.endswith(".T") else None,
        )
