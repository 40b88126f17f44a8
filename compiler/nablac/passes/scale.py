"""passes/scale: a number before a summed product stands outside the sum, where its readers read it.

Requires: nothing; runs after differentiation, on what it made.
Ensures: no derived sum but a result has a number or an extent as a factor of its body; sums that differ by a number or
a sign only are equal.  A number before another product is where its readers read it if it cancels there.

    >>> from dataclasses import replace
    >>> from nablac.ir.equation import Origin
    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> lines = ["c[i] = sum[j](-2*t[i,j])", "d[i] = 3*c[i]*x[i]"]
    >>> p = parse_program({"t": "real[n, 5]", "x": "real[n]"}, lines, ["d"])
    >>> print(print_equations(scale(p.with_equations(replace(e, origin=Origin(rule="reverse")) for e in p.equations))))
    c.plain[i] = sum[j](t[i, j])
    d[i] = -6*c.plain[i]*x[i]

Leaves to others: results, whose number is the matrix product's.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr, Mul

from nablac.algebra.laws import ALL
from nablac.algebra.rename import fresh, index_symbols, inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, accesses
from nablac.ir.tensor import Tensor

LAW = "number out of the sum"


def scale(program: Program) -> Program:
    """The program with the numbers of its derived sums moved into their readers."""
    scaled: dict[str, Equation] = {}
    equations: list[Equation] = []
    tensors = {t.name: t for t in program.tensors}
    for equation in program.equations:
        body = equation.body
        for access in equation.reads:
            if access.tensor in scaled:
                body = inlined(body, scaled[access.tensor], access)
        if body != equation.body:
            body, laws = rewrite(body, ALL)
            equation = equation.with_body(body, *laws)
        number = _number(equation) if equation.reduction else _cancelling(equation, program)
        if number == 1 or not equation.is_derived or equation.target in program.results:
            equations.append(equation)
            continue
        name = fresh(f"{equation.target}.plain", tensors)
        del tensors[equation.target]
        tensors[name] = Tensor(name, equation.shape)
        equations.append(replace(equation.with_body(equation.body / number, LAW), target=name))
        ranges = tuple((i, equation.ranges[i]) for i in equation.indices)
        read = number * Access(name, *equation.indices)
        scaled[equation.target] = Equation(equation.target, equation.indices, read, ranges, None, equation.origin)
    return program.with_equations(equations, tensors.values()) if scaled else program


def _number(equation: Equation) -> Expr:
    """The factor of a sum's body that is a number, extents among it."""
    if equation.reduction is None or equation.reduction.kind != "sum":
        return Mul()
    return Mul(*(f for f in Mul.make_args(equation.body) if not f.has(Access) and not index_symbols(f)))


def _cancelling(equation: Equation, program: Program) -> Expr:
    """The number before an elementwise body that cancels one in each of its readers, or 1."""
    number = equation.body.as_coeff_Mul()[0]
    readers = program.readers.get(equation.target, ())
    gone = all(_has_factor(reader, equation.target, number) for reader in readers)
    return number if abs(number) != 1 and readers and gone else Mul()


def _has_factor(reader: Equation, target: str, number: Expr) -> bool:
    """Whether each term of a body that reads the target has the number's inverse before it."""
    found = [t.as_coeff_Mul()[0] for t in Add.make_args(reader.body) if any(a.tensor == target for a in accesses(t))]
    return bool(found) and all(abs(number * before) == 1 for before in found)
