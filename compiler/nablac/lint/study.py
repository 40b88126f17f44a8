"""lint/study: what the rules look at: the model as written, and its equations as they were differentiated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cached_property

from sympy import Expr

from nablac.algebra.least import least_rows
from nablac.algebra.rename import normal_form
from nablac.errors import Place
from nablac.ir.equation import Program
from nablac.ir.functions import accesses
from nablac.ir.syntax import REDUCERS
from nablac.ir.tensor import Kind, Role
from nablac.ir.text import print_expression
from nablac.lint.interval import NONNEGATIVE, Interval
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
        return self.model.trained

    @cached_property
    def batch(self) -> Expr | None:
        """The extent that is the batch: ``n`` if an input starts with it, else the first name that starts one."""
        first = [t.shape[0] for t in self.written.having(Role.INPUT) if t.shape and not t.shape[0].is_Integer]
        return next((e for e in first if str(e) == "n"), first[0] if first else None)

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
    def sums(self) -> Mapping[tuple[object, ...], str]:
        """Which tensor is a given sum, whatever its indices are called."""
        return {normal_form(e): e.target for e in self.plain.equations if e.reduction and e.reduction.kind == "sum"}

    @cached_property
    def ranges(self) -> Ranges:
        """Where the values lie in the equations that were differentiated."""
        return Ranges(self.plain, kept=self.kept)

    @cached_property
    def kept(self) -> Mapping[str, Interval]:
        """The statistics that are never below 0: none at the start, nor the next where all of these are not."""
        kept: dict[str, Interval] = {}
        for name, _ in self.model.statistics:
            start = self.written.declared[name].initialiser
            if start is not None and start.name == "constant" and start.arguments[0] >= 0:
                kept[name] = NONNEGATIVE
        while True:
            following = Ranges(self.plain, kept=kept, least=least_rows(self.plain)).tensors
            staying = {n: following[target].is_nonnegative for n, target in self.model.statistics if n in kept}
            if all(staying.values()):
                return kept
            kept = {name: interval for name, interval in kept.items() if staying[name]}

    @cached_property
    def moderate(self) -> Ranges:
        """The same for inputs of moderate size, which tells what is bounded by itself."""
        return Ranges(self.plain, MODERATE, MANY, self.kept)

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

    def text(self, expression: Expr, program: Program) -> str:
        """An expression as text, the sums that were lifted out of it written where they stood."""
        text = print_expression(expression)
        for access in accesses(expression):
            definition = program.defined.get(access.tensor)
            if definition is not None and definition.reduction is not None and _is_lifted(access.tensor):
                places = dict(zip(definition.indices, access.indices, strict=True))
                inside = self.text(definition.body.xreplace(places), program)
                indices = ", ".join(map(str, definition.bound))
                text = text.replace(print_expression(access), f"{definition.reduction.kind}[{indices}]({inside})")
        return text

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


def _is_lifted(name: str) -> bool:
    """Whether a reduction's name is the one it was given where it stood inside a formula: ``v.sum``, ``v.mean2``."""
    _, _, last = name.rpartition(".")
    return last != name and last.rstrip("0123456789") in REDUCERS


def downstream(program: Program, names: Iterable[str], integers: bool = False) -> Set[str]:
    """The tensors that depend on some, themselves among them; those of integers only if asked for."""
    found = set(names)
    for equation in program.equations:
        if found.intersection(equation.sources) and (integers or program.declared[equation.target].kind is Kind.REAL):
            found.add(equation.target)
    return found
