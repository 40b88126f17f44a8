"""network: a compiled model in Python: its equations, its gradients, its generated module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nablac import __version__
from nablac.emit.code import Code
from nablac.emit.module import module_text, native_code
from nablac.emit.write import checked_path, import_file, write
from nablac.errors import NameError_
from nablac.frontend.load import load_model
from nablac.frontend.model import Model, Optimizer
from nablac.ir.equation import Equation
from nablac.ir.text import print_equation
from nablac.pipeline import Compiled, compile_model

if TYPE_CHECKING:
    from nablac.lint.finding import Finding
    from nablac.report.document import Document
    from nablac.report.formulas.notation import Notation


@dataclass(frozen=True)
class Formula:
    """Some numbered equations; a notebook shows them as LaTeX."""

    equations: tuple[tuple[int, Equation], ...]
    notation: Notation

    def __iter__(self) -> Iterator[tuple[int, Equation]]:
        return iter(self.equations)

    def __str__(self) -> str:
        width = max((len(str(number)) for number, _ in self.equations), default=1)
        return "\n".join(f"({number:>{width}}) {print_equation(equation)}" for number, equation in self.equations)

    def __repr__(self) -> str:
        return str(self)

    def latex(self) -> str:
        """An aligned block of LaTeX."""
        from nablac.report.formulas.formula import index_form
        from nablac.report.formulas.latex import latex_rows

        rows = latex_rows((number, index_form(equation, self.notation)) for number, equation in self.equations)
        return f"\\begin{{align}}\n{rows}\n\\end{{align}}"

    def _repr_latex_(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Network:
    """A model after the compiler: what was derived, and the module that it is printed as."""

    compiled: Compiled

    @property
    def equations(self) -> Formula:
        """The forward pass."""
        return self._formula(e for e in self.compiled.programs["gradient"].equations if not e.is_derived)

    def gradient(self, parameter: str) -> Formula:
        """The equations of the loss's gradient with respect to a parameter: its own and those it needs of the rest.

        Raises ``NameError`` (nablac's own) for a name that is no parameter.
        """
        gradients = self.compiled.gradients
        if not isinstance(parameter, str) or parameter not in gradients:
            raise NameError_(
                f"no parameter is called '{parameter}'",
                expected=", ".join(gradients) or "none",
                remedy="name one of these",
            )
        program = self.compiled.programs["gradient"]
        needed = {gradients[parameter]}
        for equation in reversed(program.equations):
            if equation.target in needed and equation.is_derived:
                needed.update(equation.sources)
        return self._formula(e for e in program.equations if e.target in needed and e.is_derived)

    def _formula(self, equations: Iterable[Equation]) -> Formula:
        return Formula(tuple((self.compiled.number(e), e) for e in equations), self._notation)

    @cached_property
    def _notation(self) -> Notation:
        from nablac.report.formulas.notation import Notation

        compiled = self.compiled
        return Notation.of(compiled.programs["gradient"], compiled.gradients, *compiled.every_program)

    def report(
        self,
        of: str | None = None,
        wrt: Sequence[str] | None = None,
        at: str | None = None,
        *,
        differences: bool = False,
        taylor: bool = False,
        seed: int = 0,
    ) -> Document:
        """The derivation of every gradient; a notebook shows it as a page.

        ``of`` is a scalar, the loss if it is not given; ``wrt`` are tensors, the parameters if they are not.  ``at``
        is a point (``x=-2,y=5``, ``random`` or a ``.npz`` file): the report then has the values there, and, if it is
        asked for, numerical gradients beside the derived ones (``differences``) and the expansion of the loss along
        the negative gradient (``taylor``).  Raises ``NameError`` (nablac's own) for a name that the model has not.
        """
        from nablac.report.inspection import Asked, inspection

        asked = Asked(of, tuple(wrt) if wrt is not None else None, at, differences, taylor, seed)
        schedule = self._code.schedules["gradient"]
        return inspection(
            self.compiled, self.source, asked, lambda s: self.module.unpack(self.module.init(s)), schedule
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is likely a mistake in the model; nothing where nothing is found."""
        from nablac.lint.rules import lint

        return lint(self.compiled)

    @cached_property
    def source(self) -> str:
        """The text of the generated module."""
        return module_text(self.compiled, __version__, self._code)

    @cached_property
    def _code(self) -> Code:
        return native_code(self.compiled)

    def write(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the generated module, whole or not at all; a file that nablac did not make is kept unless forced."""
        write(self.source, path, force)
        return Path(path)

    @cached_property
    def module(self) -> ModuleType:
        """The generated module, imported from a temporary file."""
        folder = Path(tempfile.mkdtemp(prefix="nablac_"))
        return import_file(self.write(folder / f"{self.compiled.model.name}.py"))


def compile(  # noqa: A001
    source: Model | str | Path | Any,
    optimizer: Optimizer | Any = None,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Network:
    """Compile a traced model, a spec's path or a ``file.py:function``.

    An optimizer or a dtype that is given replaces the model's own; ``sizes`` are numbers for extents that it names.
    """
    return Network(compile_model(load_model(source, optimizer=optimizer, dtype=dtype, sizes=sizes)))


def load(path: str | Path) -> ModuleType:
    """Import a generated module by its path."""
    return import_file(checked_path(path))
