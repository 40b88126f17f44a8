"""emit/module: a compiled model -> the text of its module; the stages of ``emit`` in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nablac.emit import header
from nablac.emit.code import Code, Programs, emit_code
from nablac.emit.lower import lower
from nablac.emit.render import render
from nablac.frontend.model import Model
from nablac.ir.equation import Program


class Compiled(Protocol):
    """What ``pipeline`` hands down."""

    @property
    def model(self) -> Model:
        """The model."""

    @property
    def programs(self) -> Mapping[str, Program]:
        """predict, evaluate, forward, gradient and update."""

    @property
    def gradients(self) -> Mapping[str, str]:
        """Parameter -> its gradient."""

    @property
    def numbers(self) -> Mapping[str, int]:
        """The number of each equation's text."""


def native_code(compiled: Compiled) -> Code:
    """The module's native functions."""
    return emit_code(native_programs(compiled), compiled.numbers)


def module_text(compiled: Compiled, version: str, code: Code | None = None) -> str:
    """The generated module; ``code`` is its ``native_code``, if that is known already."""
    model, programs = compiled.model, compiled.programs
    code = code or native_code(compiled)
    formulas = header.formulas(programs, code.numbers)
    return render(lower(model, programs, code, version, formulas))


def native_programs(compiled: Compiled) -> Programs:
    """The programs of the module's native functions, and what of theirs has a place in the module."""
    model, programs = compiled.model, compiled.programs
    return Programs(
        predict=programs["predict"],
        evaluate=programs["evaluate"],
        gradient=programs["gradient"],
        update=None if model.optimizer.search else programs["update"],
        loss=model.loss,
        metrics=tuple(tensor for _, tensor in model.metrics),
        updates=model.optimizer.updates,
        gradients={**compiled.gradients, **dict(model.statistics)},
    )
