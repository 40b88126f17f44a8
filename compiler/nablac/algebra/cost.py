"""algebra/cost: the operation count of a scalar body and of an equation, the measure that rewriting may not raise."""

from __future__ import annotations

import math

import sympy
from sympy import Expr

from nablac.ir import functions as f
from nablac.ir.equation import Equation

TRANSCENDENTAL = 20
"""What one exp, log or tanh counts, in additions: 5 to 17 ns against about 0.5 ns in a scalar loop."""
DIVISION = 4


def operations(expression: Expr) -> int:
    """Arithmetic operations in one evaluation of a body, each counted as one; a function counts as one.

    >>> from nablac.ir.functions import Access
    >>> a = Access("a")
    >>> operations(a * (1 - a))
    2
    """
    return _count(expression, transcendental=1, division=1)


def weight(expression: Expr) -> int:
    """The same count with divisions and transcendental functions at their price."""
    return _count(expression, TRANSCENDENTAL, DIVISION)


def equation_operations(equation: Equation) -> Expr:
    """Operations of the whole equation, as an expression in its extents; a reduction counts one for each term."""
    each = operations(equation.body) + (1 if equation.reduction else 0)
    return sympy.Mul(each, *equation.ranges.values())


def _count(node: Expr, transcendental: int, division: int) -> int:
    if isinstance(node, f.Access) or node.is_Atom:
        return 0
    inside = sum(_count(a, transcendental, division) for a in node.args)
    if node.is_Add:
        return inside + len(node.args) - 1
    if node.is_Mul:
        below = [a for a in node.args if a.is_Pow and a.exp.is_negative] + [a for a in node.args if a.is_Rational and a.q != 1]
        signs = sum(1 for a in node.args if a is sympy.S.NegativeOne)
        above = len(node.args) - len(below) - signs
        paid = sum(_count(a, transcendental, division) for a in below if a.is_Pow)
        rest = inside - paid + sum(_count(1 / a, transcendental, division) for a in below if a.is_Pow)
        return rest + max(above - 1, 0) + (division + len(below) - 1 if below else 0)
    if node.is_Pow:
        return _count_power(node, transcendental, division)
    if isinstance(node, f.Where | f.Delta | f.maximum | f.minimum | f.relu | f.absolute | f.sign | f.floor) or node.is_Boolean:
        return inside + 1
    if node.is_Relational:
        return inside
    return inside + transcendental


def _count_power(node: Expr, transcendental: int, division: int) -> int:
    base, exponent = node.args
    below = _count(base, transcendental, division)
    if base is sympy.E:
        return _count(exponent, transcendental, division) + transcendental
    if exponent.is_Integer:
        size = abs(int(exponent))
        multiplications = math.ceil(math.log2(size)) if size > 1 else 0
        return below + multiplications + (division if exponent.is_negative else 0)
    if abs(exponent) == sympy.S.Half:
        return below + division + (division if exponent.is_negative else 0)
    return below + _count(exponent, transcendental, division) + transcendental
