"""network: a compiled model in Python: its equations, its gradients, its generated module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from nablac import __version__
from nablac.emit.module import module_text
from nablac.emit.write import import_file, write
from nablac.errors import NameError_
from nablac.frontend.load import load_model
from nablac.frontend.model import Model, Optimizer
from nablac.ir.equation import Equation
from nablac.ir.text import print_equation
from nablac.pipeline import Compiled, compile_model
from nablac.report.latex import latex_equation


@dataclass(frozen=True)
class Formula:
    """Some numbered equations; a notebook shows them as LaTeX."""

    equations: tuple[tuple[int, Equation], ...]

    def __iter__(self) -> Iterator[tuple[int, Equation]]:
        return iter(self.equations)

    def __str__(self) -> str:
        width = max((len(str(number)) for number, _ in self.equations), default=1)
        return "\n".join(f"({number:>{width}}) {print_equation(equation)}" for number, equation in self.equations)

    def __repr__(self) -> str:
        return str(self)

    def latex(self) -> str:
        """An aligned block of LaTeX."""
        rows = [f"{latex_equation(e).replace(' = ', ' &= ', 1)} \\tag{{{n}}}" for n, e in self.equations]
        return "\\begin{align}\n" + " \\\\\n".join(rows) + "\n\\end{align}"

    def _repr_latex_(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Network:
    """A model after the compiler: what was derived, and the module that it is printed as."""

    compiled: Compiled

    @property
    def equations(self) -> Formula:
        """The forward pass."""
        return self._formula(e for e in self.compiled.programs["gradient"].equations if not _is_derived(e))

    def gradient(self, parameter: str) -> Formula:
        """The equations of the loss's gradient with respect to a parameter: its own and those it needs of the rest.

        Raises ``NameError`` (nablac's own) for a name that is no parameter.
        """
        gradients = self.compiled.gradients
        if parameter not in gradients:
            raise NameError_(
                f"no parameter is called '{parameter}'",
                expected=", ".join(gradients) or "none",
                remedy="name one of these",
            )
        program = self.compiled.programs["gradient"]
        needed = {gradients[parameter]}
        for equation in reversed(program.equations):
            if equation.target in needed and _is_derived(equation):
                needed.update(equation.sources)
        return self._formula(e for e in program.equations if e.target in needed and _is_derived(e))

    def _formula(self, equations: Any) -> Formula:
        return Formula(tuple((self.compiled.number(e), e) for e in equations))

    @cached_property
    def source(self) -> str:
        """The text of the generated module."""
        return module_text(self.compiled, __version__)

    def write(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the generated module, whole or not at all; a file that nablac did not make is kept unless forced."""
        write(self.source, path, force)
        return Path(path)

    @cached_property
    def module(self) -> ModuleType:
        """The generated module, imported from a temporary file."""
        folder = Path(tempfile.mkdtemp(prefix="nablac_"))
        return import_file(self.write(folder / f"{self.compiled.model.name}.py"))


def compile(source: Model | str | Path | Any, optimizer: Optimizer | Any = None, dtype: str | None = None) -> Network:  # noqa: A001
    """Compile a traced model, a spec's path or a ``file.py:function``.

    An optimizer or a dtype that is given replaces the model's own.
    """
    return Network(compile_model(load_model(source, optimizer=optimizer, dtype=dtype)))


def load(path: str | Path) -> ModuleType:
    """Import a generated module by its path."""
    return import_file(Path(path))


def _is_derived(equation: Equation) -> bool:
    return equation.origin.rule == "reverse"
