"""lint/study: what the rules look at: the model as written, and its equations as they were differentiated."""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import cached_property

from nablac.errors import Place
from nablac.ir.equation import Equation, Program
from nablac.ir.tensor import Kind, Role
from nablac.lint.interval import Interval
from nablac.lint.ranges import Ranges
from nablac.pipeline import Compiled

MODERATE = Interval(-1.0, 1.0)
MANY = 1e3


class Study:
    """A compiled model, and what several rules ask of it, found once."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled, self.model = compiled, compiled.model
        self.written = compiled.model.program
        names = [record.name for record in compiled.records["gradient"]]
        before = names.index("differentiate") - 1
        self.plain: Program = compiled.records["gradient"][before].program
        """The loss's equations, at rest under the stable laws, before differentiation."""
        self.measured: Program = compiled.records["forward"][before].program
        """The same of the outputs, the loss and the metrics together."""

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """What is learned."""
        return tuple(t.name for t in self.written.having(Role.PARAM))

    @cached_property
    def active(self) -> Set[str]:
        """The real tensors that depend on a parameter."""
        return downstream(self.plain, self.parameters)

    @cached_property
    def sends(self) -> Set[tuple[str, str]]:
        """(equation's target, tensor it reads) wherever the chain rule found a derivative."""
        terms = (term for terms in self.compiled.terms.values() for term in terms)
        return {(t.derivation.equation.target, t.derivation.access.tensor) for t in terms}

    @cached_property
    def ranges(self) -> Ranges:
        """Where the values lie in the equations that were differentiated."""
        return Ranges(self.plain)

    @cached_property
    def moderate(self) -> Ranges:
        """The same for inputs of moderate size, which tells what is bounded by itself."""
        return Ranges(self.plain, MODERATE, MANY)

    def needed(self, results: Iterable[str]) -> Set[str]:
        """What some results need of the model as written, themselves among it."""
        found = set(results)
        for equation in reversed(self.written.equations):
            if equation.target in found:
                found.update(equation.sources)
        return found

    def name(self, target: str) -> str:
        """A tensor under a name that the user knows: without what was added for its sums and means."""
        while "." in target and target not in self._own:
            target = target.rpartition(".")[0]
        return target

    @cached_property
    def _own(self) -> Set[str]:
        """Names of inputs, parameters, and of equations that stand for themselves."""
        lifted = {t.name for t in self.written.tensors if "." in t.name and t.role is Role.RESULT}
        return {t.name for t in self.written.tensors} - lifted

    def place(self, tensor: str) -> Place | None:
        """Where a tensor was declared or defined."""
        declared = self.written.declared.get(tensor)
        if declared is not None and declared.where is not None:
            return declared.where
        equation = self.written.defined.get(tensor)
        return equation.origin.where if equation is not None else None


def downstream(program: Program, names: Iterable[str], integers: bool = False) -> Set[str]:
    """The tensors that depend on some, themselves among them; those of integers only if asked for."""
    found = set(names)
    for equation in program.equations:
        if found.intersection(equation.sources) and (
            integers or program.declared[equation.target].kind is Kind.REAL
        ):
            found.add(equation.target)
    return found


def place_of(equation: Equation) -> Place | None:
    """Where an equation was written."""
    return equation.origin.where
