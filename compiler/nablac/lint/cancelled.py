"""lint/cancelled: a parameter that a normalisation takes out again, as a bias right before a mean is subtracted.

Every parameter is moved a little, each element on its own, and the movement is followed through the equations (forward
differentiation).  A sum over what the movement does not depend on is carried out, and a sum that an equation computes
anyway goes by its name; so the movement of z - mean(z), or of a softmax, vanishes where it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from sympy import Add, Expr, Mul, S, Symbol, expand_mul

from nablac.algebra.derivative import local_derivative
from nablac.algebra.rename import index_symbols, normal_form
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, IntAccess
from nablac.ir.tensor import Kind
from nablac.lint.finding import Finding
from nablac.lint.study import Study

RULE = "cancelled"
LARGEST = 60
"""A movement of more parts than this is not followed any further."""


def cancelled(study: Study) -> Iterator[Finding]:
    """Parameters that the loss reads and does not depend on."""
    for name in study.parameters:
        equation = cancelling(study, name)
        if equation is not None:
            yield Finding(
                RULE,
                f"'{name}' has no effect: '{study.name(equation.target)}' takes out again what it adds",
                study.place(name),
                f"leave it out{' (bias: false)' if name.endswith('.b') else ''}, or add it after the normalisation",
            )


def cancelling(study: Study, name: str) -> Equation | None:
    """The last equation in which the movement of a parameter vanishes, if it reaches the loss nowhere."""
    if name not in study.plain.readers:
        return None
    statistics = {target for _, target in study.model.statistics}  # they follow the batches, and move with these
    return _Movement(study.plain, study.sums, name, set(study.plain.results) - statistics).vanishing()


@dataclass
class _Movement:
    """How each tensor moves with a parameter: a body over the tensor's own indices, linear in leaves that no
    equation defines."""

    program: Program
    sums: Mapping[tuple[object, ...], str]
    name: str
    results: Set[str]
    moves: dict[str, tuple[tuple[Symbol, ...], Expr]] = field(default_factory=dict)
    leaves: int = 0

    def vanishing(self) -> Equation | None:
        """None where the movement may reach the loss, else the equation where it ends."""
        shape = self.program.declared[self.name].shape
        indices = tuple(Symbol(f"m{axis}", integer=True, nonnegative=True) for axis in range(len(shape)))
        self.moves[self.name] = indices, Access("moved", *indices)
        ended = None
        for equation in self.program.equations:
            if not any(source in self.moves for source in equation.sources):
                continue
            if self.program.declared[equation.target].kind is Kind.INT:
                continue
            terms = self._terms(equation)
            if not terms:  # a function without slope: nothing cancels there
                continue
            move = self._of(equation, _multiplied(Add(*terms)))
            if move is None or (move != 0 and equation.target in self.results):
                return None
            if move == 0:
                ended = equation
            else:
                self.moves[equation.target] = equation.indices, move
        return ended

    def _terms(self, equation: Equation) -> list[Expr]:
        """What each element that an equation reads adds to the movement of its body."""
        terms: list[Expr] = []
        for access in equation.reads:
            if access.tensor in self.moves and not isinstance(access, IntAccess):
                indices, move = self.moves[access.tensor]
                slope = local_derivative(equation.body, access)[0]
                terms.append(slope * move.xreplace(dict(zip(indices, access.indices, strict=True))))
        return [term for term in terms if term != 0]

    def _of(self, equation: Equation, body: Expr) -> Expr | None:
        """The movement of an equation's target; None where it depends on all there is and cannot be taken out."""
        if body == 0:
            return body
        if equation.reduction is not None:
            return self._reduced(equation, body)
        return body if body.count_ops() <= LARGEST else self._leaf(equation, index_symbols(body))

    def _reduced(self, equation: Equation, body: Expr) -> Expr | None:
        bound = set(equation.bound)
        if equation.reduction is not None and equation.reduction.kind in ("max", "min"):
            return None if index_symbols(body) & bound else body
        if equation.reduction is None or equation.reduction.kind != "sum":
            return None
        total: Expr = S.Zero
        for term in Add.make_args(body):
            outside = Mul(*(a for a in Mul.make_args(term) if not index_symbols(a) & bound))
            inside = term / outside
            idle = [i for i in equation.bound if not inside.has(i)]
            left = tuple(i for i in equation.bound if i not in idle)
            times = Mul(outside, *(equation.ranges[i] for i in idle))
            if not left:
                total += times * inside
                continue
            known = self._known_sum(equation, inside, left)
            if known is None:
                free = index_symbols(inside) - bound
                known = self._leaf(equation, free)
                if known is None:
                    return None
            total += times * known
        return _multiplied(total)

    def _known_sum(self, equation: Equation, inside: Expr, left: tuple[Symbol, ...]) -> Expr | None:
        """The sum under the name of the equation that computes it, if there is one."""
        if any(a.tensor.startswith("moved") for a in inside.atoms(Access)):
            return None
        number, unit = inside.as_coeff_Mul()
        free = tuple(i for i in equation.indices if inside.has(i))
        ranges = tuple((i, equation.ranges[i]) for i in (*free, *left))
        for extra in (S.One, *(1 / equation.ranges[i] for i in left)):
            wanted = Equation("", free, unit * extra, ranges, Reduction("sum", left))
            found = self.sums.get(normal_form(wanted))
            if found is not None:
                return number / extra * Access(found, *free)
        return None

    def _leaf(self, equation: Equation, free: set[Symbol]) -> Expr | None:
        """A new leaf over some indices: something that moves, whatever it is; None if that is all of the target."""
        if free >= set(equation.indices):
            return None
        self.leaves += 1
        return Access(f"moved{self.leaves}", *(i for i in equation.indices if i in free))


def _multiplied(body: Expr) -> Expr:
    """Products multiplied out, so that equal terms meet."""
    if body.count_ops() > 4 * LARGEST:
        return body
    return Add(*(expand_mul(term, deep=False) for term in Add.make_args(body)))
