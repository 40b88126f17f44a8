"""passes/shift: sums of exponentials that are divided by, or whose logarithm is taken, are shifted by their maximum.

s[i] = sum[k](exp(z[i, k])) becomes exp(m[i])*t[i] with t[i] = sum[k](exp(z[i, k] - m[i])), and is read so: log(s) is
then m + log(t), and exp(z)/s is exp(z - m)/t.

Requires: differentiation is over (the value does not depend on m, so its derivative need not see it).
Ensures: in every quotient and logarithm of such a sum, each exponent is at most 0 for the largest term.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"z": "real[n, 3]"}, ["s[i] = sum[k](exp(z[i,k]))", "L[i] = log(s[i])"], ["L"])
    >>> print(print_equations(shift(p)))
    s.max[i] = max[k](z[i, k])
    s.scaled[i] = sum[k](exp(z[i, k] - s.max[i]))
    L[i] = log(s.scaled[i]) + s.max[i]

Leaves to others: sums that are only added and multiplied; the exponents of those overflow only where the value does.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr, Mul, Pow, Symbol, exp, log

from nablac.algebra.expsum import Split, split_sum, without, written_out
from nablac.algebra.laws import ALL
from nablac.algebra.rename import fresh, index_symbols, inlined, normal_form
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, Where, accesses
from nablac.ir.tensor import Tensor

LAW = "log-sum-exp shift"


def shift(program: Program) -> Program:
    """The program with its normalised sums of exponentials shifted."""
    if not any(
        e.reduction and e.reduction.kind == "sum" and written_out(e, program).has(exp) for e in program.equations
    ):
        return program
    return _Shifting(program).run()


class _Shifting:
    """The state of the pass: what is read as its definition, the maxima by their meaning, the equations so far."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.read_as: dict[str, Equation] = {}
        self.balanced: set[str] = set()
        self.maxima: dict[object, str] = {}
        self.equations: list[Equation] = []
        self.tensors = {t.name: t for t in program.tensors}
        self.divisors = _divisors(program)
        self.wanted = self._wanted()

    def run(self) -> Program:
        for equation in self.program.equations:
            self.take(equation)
        defined = {e.target for e in self.equations} | {
            t.name for t in self.program.tensors if t.name not in self.program.defined
        }
        tensors = [t for t in self.tensors.values() if t.name in defined]
        return self.program.with_equations(self.equations, tensors)

    def _wanted(self) -> set[object]:
        """The exponents, by meaning, of the sums that are divided by or whose logarithm is taken."""
        wanted: set[object] = set()
        for equation in self.program.equations:
            if equation.target in self.divisors and equation.reduction and equation.reduction.kind == "sum":
                split = split_sum(replace(equation, body=written_out(equation, self.program)))
                if split is not None:
                    wanted.add(normal_form(_maximum(equation, split.exponent, "")))
        return wanted

    def take(self, equation: Equation) -> None:
        """Put definitions in, then shift a sum, or keep an equation that is now unbalanced for its readers."""
        body = equation.body
        if equation.reduction is not None and equation.reduction.kind == "sum" and self.wanted:
            body = self._with_exponentials(equation)
        while True:
            hidden = [a for a in accesses(body) if a.tensor in self.read_as]
            if not hidden:
                break
            body = inlined(body, self.read_as[hidden[0].tensor], hidden[0])
        new, laws = rewrite(body, ALL)
        if self._is_unbalanced(new):  # exp(z) may be there under a name: e*exp(-m) is exp(z - m)
            new, more = rewrite(written_out(equation.with_body(new), self.program, self.balanced), ALL)
            laws += more
        if self._is_unbalanced(new):  # exp(-m)*(exp(z) + a) is exp(z - m) + a*exp(-m)
            spread, more = rewrite(_distributed(new), ALL)
            if not self._is_unbalanced(spread):
                new, laws = spread, laws + more
        changed = equation.with_body(new, LAW, *laws) if new != equation.body else equation
        if changed.reduction is not None and changed.reduction.kind == "sum":
            split = split_sum(changed)
            if split is not None and normal_form(_maximum(changed, split.exponent, "")) in self.wanted:
                self._shifted(changed, split)
                return
            if split is None and self._is_unbalanced(new):
                outside = [factor for factor in Mul.make_args(new) if isinstance(factor, exp)]
                self._outside(changed, Mul(*outside), without(new, *outside))
                return
        elif changed.reduction is None and self._is_unbalanced(new):
            self._read_as(changed)
            return
        elif changed.reduction is None and any(a.tensor in self.maxima.values() for a in changed.reads):
            self.balanced.add(changed.target)
        self.equations.append(changed)

    def _with_exponentials(self, equation: Equation) -> Expr:
        """The body written out, where that makes it a wanted sum of exponentials."""
        body = written_out(equation, self.program, self.balanced.union(self.read_as))
        split = split_sum(replace(equation, body=body))
        if split is not None and normal_form(_maximum(equation, split.exponent, "")) in self.wanted:
            return body
        return equation.body

    def _shifted(self, equation: Equation, split: Split) -> None:
        """m = max(inside); s' = sum(exp(inside - m)*rest); s = exp(m + outside)*s'."""
        largest = self._maximum_of(equation, split.exponent)
        self._outside(equation, exp(largest + split.outside), split.scaled(largest))

    def _outside(self, equation: Equation, outside: Expr, inside: Expr) -> None:
        """s' = sum(inside); s = outside*s', which its readers read written out."""
        origin = equation.origin.touched(LAW)
        if outside == 1:
            self.equations.append(replace(equation, body=inside, origin=origin))
            return
        name = fresh(f"{equation.target}.scaled", self.tensors)
        self.equations.append(replace(equation, target=name, body=inside, origin=origin))
        self.tensors[name] = Tensor(name, equation.shape)
        ranges = tuple((i, equation.ranges[i]) for i in equation.indices)
        body, laws = rewrite(outside * Access(name, *equation.indices), ALL)
        self._read_as(Equation(equation.target, equation.indices, body, ranges, None, origin.touched(*laws)))

    def _read_as(self, equation: Equation) -> None:
        self.read_as[equation.target] = equation
        if equation.target in self.program.results:
            self.equations.append(equation)

    def _maximum_of(self, equation: Equation, exponent: Expr) -> Access:
        """The exponents' maximum, defined when first wanted, one index after another."""
        whole = _maximum(equation, exponent, "")
        key = normal_form(whole)
        if key not in self.maxima:
            name = self.maxima[key] = fresh(f"{equation.target}.max", self.tensors)
            body, kept = exponent, list(whole.bound)
            while len(kept) > 1:
                last = kept.pop()
                part = fresh(f"{name}.{last}", self.tensors)
                self._define(_largest(equation, part, (*whole.indices, *kept), last, body))
                body = Access(part, *whole.indices, *kept)
            self._define(_largest(equation, name, whole.indices, kept[0], body))
        return Access(self.maxima[key], *whole.indices)

    def _define(self, equation: Equation) -> None:
        self.equations.append(equation)
        self.tensors[equation.target] = Tensor(equation.target, equation.shape)

    def _is_unbalanced(self, body: Expr) -> bool:
        """Whether some product has a factor exp(w) in which a maximum does not stand against an exponent of its sum."""
        if isinstance(body, exp):
            largest = set(self.maxima.values())
            exponent = body.args[0]
            parts = {a: exponent.coeff(a) for a in accesses(exponent) if a.tensor in largest}
            return bool(parts) and not (set(parts.values()) == {-1} and exponent + Add(*parts) != 0)
        if isinstance(body, Add | Mul | Where):
            return any(self._is_unbalanced(part) for part in body.args if isinstance(part, Expr))
        return False


def _distributed(body: Expr) -> Expr:
    """A product with its exponentials multiplied into the first sum among its factors, or into its choices."""
    factors = Mul.make_args(body)
    total = next((factor for factor in factors if isinstance(factor, Add | Where)), None)
    outside = [factor for factor in factors if isinstance(factor, exp)]
    if total is None or not outside:
        return body
    parts = (Mul(part, *outside) if isinstance(part, Expr) else part for part in total.args)
    return Mul(without(body, total, *outside), total.func(*parts))


def _maximum(equation: Equation, exponent: Expr, name: str) -> Equation:
    """The maximum of an exponent over a sum's indices, as one equation to compare meanings by.

    Indices of the sum that the exponent does not depend on are left out.
    """
    used = index_symbols(exponent)
    indices = tuple(i for i in equation.indices if i in used)
    bound = tuple(i for i in equation.bound if i in used)
    ranges = tuple((i, equation.ranges[i]) for i in (*indices, *bound))
    return Equation(name, indices, exponent, ranges, Reduction("max", bound))


def _largest(equation: Equation, name: str, indices: tuple[Symbol, ...], over: Symbol, body: Expr) -> Equation:
    ranges = tuple((i, equation.ranges[i]) for i in (*indices, over))
    return Equation(name, indices, body, ranges, Reduction("max", (over,)), equation.origin.touched(LAW))


def _divisors(program: Program) -> set[str]:
    """Tensors that some body, written out, divides by or takes the logarithm of; of products, their factors too."""
    waiting: list[Expr] = []
    for equation in program.equations:
        body = written_out(equation, program)
        waiting += [node.args[0] for node in body.atoms(log)] + [p.base for p in body.atoms(Pow) if p.exp.is_negative]
    found: set[str] = set()
    while waiting:
        bases = {factor.as_base_exp()[0] for factor in Mul.make_args(waiting.pop())}
        new = {base.tensor for base in bases if isinstance(base, Access)} - found
        found |= new
        waiting += [e.body for name in new if (e := program.defined.get(name)) and e.reduction is None]
    return found
