"""report/derivation: the steps by which each adjoint came about, from the chain rule to its numbered equation.

Differentiation keeps how it made each term (``algebra/pullback.Derivation``), and the pipeline keeps the program after
each pass; here both are told again, one law at a time.  Nothing is derived anew that could differ from what was
compiled: a test holds the last step equal to the equation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sympy import And, Expr, Mul, S, Symbol

from nablac.algebra.cost import equation_operations, operations
from nablac.algebra.delta import Pair, eliminate, is_one
from nablac.algebra.derivative import plain_derivative
from nablac.algebra.laws import ALL
from nablac.algebra.pullback import Derivation, Term
from nablac.algebra.rewrite import rewrite_steps
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, Delta, Where
from nablac.ir.text import print_equation, print_expression
from nablac.pipeline import Compiled, Record
from nablac.report.content import Gradient, Stage, Step
from nablac.report.formulas.boxes import Box, Fenced, Fraction, Name, Operator, Row
from nablac.report.formulas.formula import expression_form, index_form
from nablac.report.formulas.notation import Notation
from nablac.report.laws import PASSES, identity
from nablac.report.reading import SOFTMAX, with_softmax

Ranges = Mapping[Symbol, Expr]


def _needed(program: Program, adjoint: str) -> list[str]:
    """The targets of the derived equations that an adjoint needs, itself last."""
    needed = {adjoint}
    found = []
    for equation in reversed(program.equations):
        if equation.target in needed and equation.is_derived:
            needed.update(equation.sources)
            found.append(equation.target)
    return found[::-1]


class Stages:
    """Tells how the equations of one compiled model came about; a stage that several gradients need is told once."""

    def __init__(self, compiled: Compiled, notation: Notation) -> None:
        self.compiled, self.notation = compiled, notation
        self.told: dict[str, Stage] = {}
        self.helpers: set[str] = set()  # what stood in a step of a stage and was defined there
        self.forward_helpers: set[str] = set()  # the same of the forward pass, which is read before
        self.records = compiled.records["gradient"]
        self.raw = compiled.program_after("differentiate")

    def gradient(self, wrt: str) -> Gradient:
        """The gradient with respect to a tensor, stage by stage from the loss; one of ``compiled.gradients``."""
        compiled, adjoint = self.compiled, self.compiled.gradients[wrt]
        final = compiled.programs["gradient"]
        chain = [name for name in _needed(self.raw, adjoint) if name in compiled.terms]
        stages = tuple(self.stage(name) for name in chain or [adjoint])
        needed = _needed(final, adjoint)
        numbers = tuple(compiled.number(final.defined[name]) for name in needed)
        read = dict.fromkeys(s for name in needed for s in final.defined[name].sources)
        shared = tuple(s for s in read if s in final.defined and not final.defined[s].is_derived)
        return Gradient(wrt, adjoint, (compiled.model.loss, *(s.of for s in stages)), numbers, stages, shared)

    def stage(self, adjoint: str) -> Stage:
        """The derivation of one adjoint."""
        if adjoint not in self.told:
            self.told[adjoint] = self._stage(adjoint)
        return self.told[adjoint]

    def _stage(self, adjoint: str) -> Stage:
        terms = self.compiled.terms.get(adjoint, ())
        start = self.raw.defined[adjoint]
        steps = [step for term in terms for step in self.term(adjoint, term)]
        if not terms:
            steps = [self.equation("no path from the loss", start)]
        elif len(terms) > 1:
            steps.append(self.equation(f"sum of the {len(terms)} terms", start))
        last, changes = self.history(start, after="differentiate", helpers=_Helpers(self, self.helpers))
        program = self.compiled.programs["gradient"]
        final = [e for e in program.equations if e.target == adjoint]
        changes += [step for e in final for step in self.read(e)]
        return Stage(
            adjoint,
            terms[0].derivation.access.tensor if terms else adjoint.removeprefix("d_"),
            tuple(dict.fromkeys(t.derivation.equation.target for t in terms)),
            (*steps, *changes),
            tuple(self.compiled.number(e) for e in final),
            sum((_plain_operations(adjoint, t, start) for t in terms), S.Zero),
            sum((equation_operations(e) for e in final), S.Zero) if last is not None else S.Zero,
        )

    def term(self, adjoint: str, term: Term) -> Iterator[Step]:
        """The chain rule through one equation: its local derivative, the product, the deltas, the laws."""
        d = term.derivation
        yield self.equation(f"the equation of {d.equation.target}", d.equation)
        yield from _Helpers(self, self.helpers).new(d.equation, self.raw)
        plain = plain_derivative(d.equation.body, d.access)
        yield self.local("local derivative", d, plain)
        slope = plain
        for law, slope in rewrite_steps(plain, ALL):
            yield self.local(law.name, d, slope, law.identity)
        if slope != d.slope:
            yield self.local("saved output", d, d.slope, identity("saved output"))
        ranges = dict(zip(term.indices, self.raw.defined[adjoint].shape, strict=True))
        stated = Equation(adjoint, term.indices, S.Zero, tuple(ranges.items()))
        yield from self.deltas(stated, d)
        left = _summed(stated, d.left.body, dict(d.left.summed))
        for law, body in rewrite_steps(d.left.body, ALL):
            yield self.equation(law.name, replace(left, body=body), law.identity)

    def deltas(self, stated: Equation, d: Derivation) -> Iterator[Step]:
        """The product under all its deltas, then each delta that goes, guarded where an index could leave its range."""
        body, summed = d.product.body, dict(d.product.ranges)
        pairs = [p for p in d.pairs if not is_one(p, summed)]
        yield self.equation("chain rule", _under(stated, body, summed, pairs), "sum over what reads it")
        guards: list[Expr] = []
        for solved in d.left.solved:
            pair, symbol, solution = solved.pair, solved.symbol, solved.solution
            put = {symbol: solution}
            pairs.remove(pair)
            pairs = [Pair(p.left.xreplace(put), p.right.xreplace(put), p.extent) for p in pairs]
            body, guards = body.xreplace(put), [g.xreplace(put) for g in (*guards, *solved.guards)]
            del summed[symbol]
            delta = f"delta({print_expression(pair.left)}, {print_expression(pair.right)})"
            gone = f"sum[{symbol}]({delta}*f({symbol})) = f({print_expression(solution)})"
            yield self.equation("delta elimination", _under(stated, body, summed, pairs, guards), gone)

    def forward(self, equation: Equation) -> tuple[Step, ...]:
        """How a forward equation came from what the user wrote; nothing where it stands as it was written."""
        start = self.records[0].program.defined.get(equation.target)
        if start is None:
            laws = equation.origin.distinct_laws
            told = "; ".join(map(identity, laws)) or None
            steps = [self.equation("; ".join(laws) or "new", equation, told)]
        else:
            _, changes = self.history(start, after="trace")
            if changes:
                helpers = _Helpers(self, self.forward_helpers)
                _, changes = self.history(start, after="trace", helpers=helpers)
            steps = [self.equation("as written", start), *changes] if changes else []
        return (*steps, *self.read(equation))

    def read(self, equation: Equation) -> list[Step]:
        """What a person reads in it."""
        read = with_softmax(equation, self.compiled.programs["gradient"])
        return [] if read is None else [self.equation("read as", read, SOFTMAX)]

    def history(
        self, start: Equation, after: str, helpers: _Helpers | None = None
    ) -> tuple[Equation | None, list[Step]]:
        """What the passes after one made of an equation; None for one that went into its readers.

        ``helpers`` tell what it reads that has neither a number nor a stage.
        """
        begun = next(k for k, record in enumerate(self.records) if record.name == after)
        steps = list(helpers.new(start, self.records[begun].program)) if helpers else []
        before = start
        for record in self.records[begun + 1 :]:
            steps += helpers.changes(record) if helpers else []
            now = record.program.defined.get(start.target)
            if now is None:
                steps.append(self.equation("read in place", before, PASSES["read in place"]))
                return None, steps
            if now != before:
                steps.append(self.change(before, now, record))
                steps += helpers.new(now, record.program) if helpers else []
            before = now
        return before, steps

    def change(self, before: Equation, now: Equation, record: Record) -> Step:
        """What one pass made of an equation."""
        laws = tuple(dict.fromkeys(now.origin.laws[len(before.origin.laws) :]))
        told = "; ".join(map(identity, laws)) or PASSES[record.name]
        return self.equation("; ".join(laws) or record.name, now, told)

    def equation(self, title: str, equation: Equation, identity: str | None = None) -> Step:
        """A step that ends in an equation."""
        form = index_form(equation, self.notation)
        return Step(title, form, print_equation(equation), identity, operations(equation.body), equation)

    def local(self, title: str, d: Derivation, slope: Expr, identity: str | None = None) -> Step:
        """A step that ends in a local derivative; of a reduction, the derivative of what it runs over."""
        e = d.equation
        out = e.body if e.reduction else Access(e.target, *e.indices)
        above, below = expression_form(out, self.notation), expression_form(d.access, self.notation)
        left: Box = Fraction(Row((Name("∂"), above)), Row((Name("∂"), below)))
        if e.reduction:
            left = Row((Fraction(Name("∂"), Row((Name("∂"), below))), Fenced("(", above)))
        form = Row((left, Operator("="), expression_form(slope, self.notation)))
        text = f"d({print_expression(out)})/d({print_expression(d.access)}) = {print_expression(slope)}"
        return Step(title, form, text, identity, operations(slope))


class _Helpers:
    """What the equations of one stage read on the way and no numbered equation or stage defines: the terms of a sum,
    sums without their numbers.  Each is defined where it first stands, and what becomes of it is told."""

    def __init__(self, stages: Stages, told: set[str]) -> None:
        self.stages, self.told = stages, told
        named = {name for name in stages.records[0].program.defined if "." not in name}  # by the user
        self.known = {*stages.compiled.programs["gradient"].defined, *stages.compiled.terms, *named}
        self.latest: dict[str, Equation] = {}

    def new(self, equation: Equation, program: Program) -> Iterator[Step]:
        """The definitions of what an equation reads."""
        for name in equation.sources:
            definition = program.defined.get(name)
            if definition is None or name in self.known or name in self.latest:
                continue
            self.latest[name] = definition
            if name not in self.told:
                self.told.add(name)
                yield self.stages.equation("where", definition)
            yield from self.new(definition, program)

    def changes(self, record: Record) -> Iterator[Step]:
        """What a pass made of them."""
        for name, before in list(self.latest.items()):
            now = record.program.defined.get(name)
            if now is None:
                del self.latest[name]
            elif now != before:
                self.latest[name] = now
                yield self.stages.change(before, now, record)
                yield from self.new(now, record.program)


def _under(
    stated: Equation, body: Expr, summed: Ranges, pairs: Sequence[Pair], guards: Sequence[Expr] = ()
) -> Equation:
    """The sum of a body times its deltas, where the guards hold."""
    product = Mul(body, *(Delta(p.left, p.right) for p in pairs))
    return _summed(stated, Where(And(*guards), product, S.Zero), summed)


def _summed(stated: Equation, body: Expr, summed: Ranges) -> Equation:
    reduction = Reduction("sum", tuple(summed)) if summed else None
    return replace(stated, body=body, extents=(*stated.extents, *summed.items()), reduction=reduction)


def _plain_operations(adjoint: str, term: Term, start: Equation) -> Expr:
    """Operations of a term as the chain rule alone would have it: SymPy's derivative times the adjoint."""
    d = term.derivation
    names = dict(zip(d.equation.ranges, d.product.ranges, strict=True))
    body = (plain_derivative(d.equation.body, d.access) * d.adjoint).xreplace(names)
    left = eliminate(body, d.pairs, d.product.ranges)
    stated = Equation(adjoint, term.indices, S.Zero, tuple(zip(term.indices, start.shape, strict=True)))
    return equation_operations(_summed(stated, left.body, dict(left.summed)))
