"""passes/inline: an elementwise equation with a single elementwise reader goes into it.

Requires: canonical program.
Ensures: no equation but a result, or one that a reduction, a gather or several equations read, stands alone
without need.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> lines = ["h[i,j] = t[i,j] + b[j]", "a[i,j] = relu(h[i,j])"]
    >>> print(print_equations(inline(parse_program({"t": "real[n, 2]", "b": "real[2]"}, lines, ["a"]))))
    a[i, j] = relu(t[i, j] + b[j])

Leaves to the scheduler: values read by a reduction, which it computes in the same loops where it can.
"""

from __future__ import annotations

from sympy import Add, Expr, preorder_traversal

from nablac.algebra.cost import TRANSCENDENTAL, depth, size, weight
from nablac.algebra.laws import ALL
from nablac.algebra.rename import inlined
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Where

LARGEST = 200
"""The operations (by weight), and the nodes, beyond which a body does not grow."""
DEEPEST = 25
"""The calls and brackets one inside the other beyond which it does not grow: who walks a body recurses."""


def inline(program: Program) -> Program:
    """The program with single-reader elementwise equations put into their readers."""
    waiting: dict[str, Equation] = {}
    equations = []
    for equation in program.equations:
        for access in equation.reads:
            if access.tensor in waiting:
                definition = waiting.pop(access.tensor)
                body = inlined(equation.body, definition, access)
                if max(weight(body), size(body)) > LARGEST or depth(body) > DEEPEST:
                    equations.append(definition)
                    continue
                body, laws = rewrite(body, ALL)
                if _is_spread(body, equation, definition, access):
                    equations.append(definition)
                    continue
                equation = equation.with_body(body, *definition.origin.laws, *laws)
        if _goes_into_reader(equation, program):
            waiting[equation.target] = equation
        else:
            equations.append(equation)
    if len(equations) == len(program.equations):
        return program
    gone = {e.target for e in program.equations} - {e.target for e in equations}
    return program.with_equations(equations, (t for t in program.tensors if t.name not in gone))


def _is_spread(body: Expr, reader: Equation, definition: Equation, access: Access) -> bool:
    """Whether a number before the element has gone to each term of its definition, a sum: 2*u + 2*v for 2*h."""
    if not isinstance(definition.body, Add):
        return False
    uses = sum(1 for node in preorder_traversal(reader.body) if node == access)
    return weight(body) > weight(reader.body) + uses * weight(definition.body)


def _goes_into_reader(equation: Equation, program: Program) -> bool:
    readers = program.readers.get(equation.target, ())
    if equation.reduction is not None or equation.target in program.results or len(readers) != 1:
        return False
    reader = readers[0]
    uses = [a for a in reader.reads if a.tensor == equation.target]
    if (
        reader.reduction is not None
        or len(uses) != 1
        or any(a.tensor != equation.target and a.has(uses[0]) for a in reader.reads)
    ):
        return False
    wider = len(reader.indices) > len(equation.indices)
    if wider and equation.is_derived and equation.body.has(Where):
        return False  # the factors beside a choice would go into it, to be multiplied for each of the reader's elements
    return weight(equation.body) <= (TRANSCENDENTAL - 1 if wider else LARGEST)
