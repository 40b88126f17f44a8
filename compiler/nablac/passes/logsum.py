"""passes/logsum: where one is added to a sum of exponentials and the logarithm taken, the sum's own logarithm is read.

log(1 + s) with s = sum[k](exp(z[k])) overflows with s; softplus(log(s)) does not, as log(s) is shifted later on.

Requires: canonical program; runs before differentiation, so that sigmoid(log(s))*exp(z[k])/s is the derivative.
Ensures: no body holds log(c + s) with a number c above 0 and a sum s of exponentials.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"z": "real[3]"}, ["s = sum[k](exp(z[k]))", "L = log(1 + s)"], ["L"])
    >>> print(print_equations(logsum(p)))
    s = sum[k](exp(z[k]))
    s.log = log(s)
    L = softplus(s.log)

Leaves to ``shift`` the logarithm of the sum alone.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr, exp, log

from nablac.algebra.expsum import is_sum_of_exponentials, split_sum, written_out
from nablac.algebra.laws import ALL
from nablac.algebra.rename import fresh, inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, accesses, log1p
from nablac.ir.tensor import Tensor

LAW = "log of one plus sum"


def logsum(program: Program) -> Program:
    """The program with such sums read by their logarithms."""
    logarithms: dict[str, str] = {}
    equations: list[Equation] = []
    tensors = list(program.tensors)
    program = _written_out(program)
    for equation in program.equations:
        written = {node: _inside(node, program) for node in equation.body.atoms(log, log1p)}
        read = {node: access for node, inside in written.items() if (access := _added(inside, program)) is not None}
        for access in sorted(read.values(), key=str):
            if access.tensor not in logarithms:
                logarithm = _logarithm(program.defined[access.tensor], {t.name for t in tensors})
                logarithms[access.tensor] = logarithm.target
                equations.append(logarithm)
                tensors.append(Tensor(logarithm.target, logarithm.shape))
        new = {
            node: log(written[node].xreplace({access: exp(Access(logarithms[access.tensor], *access.indices))}))
            for node, access in read.items()
        }
        equations.append(_reading(equation, new))
    return program.with_equations(equations, tensors) if logarithms else program


def _written_out(program: Program) -> Program:
    """Sums whose logarithm is taken, of shares such as p = exp(z)/s, as sums of exponentials."""
    taken = {a.tensor for e in program.equations for node in e.body.atoms(log) for a in accesses(node.args[0])}
    return program.with_equations(_opened(e, program) if e.target in taken else e for e in program.equations)


def _opened(equation: Equation, program: Program) -> Equation:
    body = written_out(equation, program)
    if body == equation.body or not equation.reduction or equation.reduction.kind != "sum":
        return equation
    body, laws = rewrite(body, ALL)
    split = split_sum(replace(equation, body=body))
    return equation.with_body(body, *laws) if split is not None and split.rest != 1 else equation


def _inside(node: Expr, program: Program) -> Expr:
    """What the logarithm is taken of, with the definition put in if it is an element of a tensor."""
    inside = 1 + node.args[0] if isinstance(node, log1p) else node.args[0]
    definition = program.defined.get(inside.tensor) if isinstance(inside, Access) else None
    return inlined(inside, definition, inside) if definition and definition.reduction is None else inside


def _added(inside: Expr, program: Program) -> Access | None:
    """The sum of exponentials in the sum of one of them and a number."""
    if not (isinstance(inside, Add) and len(inside.args) == 2 and inside.args[0].is_number and inside.args[0] > 0):
        return None
    number, read = inside.args[1].as_coeff_Mul()
    total = program.defined.get(read.tensor) if isinstance(read, Access) and number.is_positive else None
    return read if total is not None and is_sum_of_exponentials(total, program) else None


def _logarithm(total: Equation, taken: set[str]) -> Equation:
    name = fresh(f"{total.target}.log", taken)
    ranges = tuple((i, total.ranges[i]) for i in total.indices)
    return Equation(name, total.indices, log(Access(total.target, *total.indices)), ranges, None, total.origin)


def _reading(equation: Equation, new: dict[Expr, Expr]) -> Equation:
    """The equation with other logarithms in it, of which the laws make softplus."""
    if not new:
        return equation
    body, laws = rewrite(equation.body.xreplace(new), ALL)
    return equation.with_body(body, LAW, *laws)
