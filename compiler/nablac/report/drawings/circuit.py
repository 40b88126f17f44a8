"""drawings/circuit: a program of numbers -> the same program with one equation an operation, as circuits are drawn.

The bodies are taken apart as they were written, before any pass.  What a person would draw decides the parts: a sum
whose terms are all negative is -1 times a sum, numbers go into the operation (``+1``, ``×3``), and a quotient with
nothing above is ``1/x``.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> p = parse_program({"a": "real", "b": "real"}, ["f = 1/(1 + exp(-a - b))"], ["f"])
    >>> print(print_equations(explode(p).program))
    f.1 = a + b
    f.2 = -f.1
    f.3 = exp(f.2)
    f.4 = f.3 + 1
    f = 1/f.4
    >>> list(explode(p).operations.values())
    ['+', '×−1', 'exp', '+1', '1/x']
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import E, Expr, Function, Mul, S, preorder_traversal
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean, BooleanFunction

from nablac.errors import InternalError
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import NAMES, Access, Random, Where
from nablac.ir.tensor import Tensor
from nablac.ir.text import fraction_in_order, print_expression, terms_in_order

MINUS = "−"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Exploded:
    """The program of single operations, and the sign of each one's result as it is drawn."""

    program: Program
    operations: Mapping[str, str]


def is_circuit(program: Program) -> bool:
    """Whether every tensor is one number and nothing is reduced."""
    return not any(t.shape for t in program.tensors) and not any(e.reduction for e in program.equations)


def explode(program: Program) -> Exploded:
    """The program with each body taken apart; results keep their names, steps on the way are ``name.1, name.2, ...``"""
    equations: list[Equation] = []
    tensors = list(program.tensors)
    operations: dict[str, str] = {}
    for equation in program.equations:
        parts = _Parts(equation, set(program.declared) | set(operations))
        parts.name(equation.body)
        for part, sign in parts.finished():
            equations.append(part)
            operations[part.target] = sign
            if part.target not in program.declared:
                tensors.append(Tensor(part.target))
    return Exploded(program.with_equations(equations, tensors), operations)


class _Parts:
    """The operations of one body, in order, each under the name of its result."""

    def __init__(self, equation: Equation, taken: set[str]) -> None:
        self.equation, self.taken = equation, taken
        self.made: list[tuple[str, Expr, str]] = []
        self.names: dict[Expr, Access] = {}
        self.number = 0

    def finished(self) -> list[tuple[Equation, str]]:
        """The equations with their signs; the last has the name that the user gave."""
        if not self.made:
            body = self.equation.body
            return [(self.equation, "=" if body.has(Access) else _number(body))]
        last = {Access(self.made[-1][0]): Access(self.equation.target)}
        rows = [(name, body.xreplace(last), sign) for name, body, sign in self.made]
        rows[-1] = (self.equation.target, *rows[-1][1:])
        return [(replace(self.equation, target=name, body=body), sign) for name, body, sign in rows]

    def make(self, body: Expr, sign: str) -> Access:
        """The result of one operation."""
        self.number += 1
        while f"{self.equation.target}.{self.number}" in self.taken:
            self.number += 1
        name = f"{self.equation.target}.{self.number}"
        self.made.append((name, body, sign))
        return Access(name)

    def name(self, node: Expr) -> Expr:
        """A node's value as one access, or as the number it is."""
        if node.is_number or isinstance(node, Access):
            return node
        if node not in self.names:
            self.names[node] = self.operation(node)
        return self.names[node]

    def operation(self, node: Expr) -> Access:
        if node.is_Add:
            return self.sum(node)
        if node.is_Mul:
            return self.product(node)
        if node.is_Pow and node.base is not E:
            return self.power(node.base, node.exp)
        if isinstance(node, Where):
            condition = self.condition(node.args[0])
            return self.make(Where(condition, *(self.name(a) for a in node.args[1:])), "where")
        if isinstance(node, Function) or node.is_Pow:
            return self.call(node)
        if isinstance(node, Random):
            return self.make(node, "uniform")
        raise InternalError(f"explode: {type(node).__name__} in the equation of {self.equation.target}")

    def sum(self, node: Expr) -> Access:
        """Terms first to last, what is taken away after them, a number at the end."""
        terms = [t for t in terms_in_order(node) if not t.is_number]
        number = node - sum(terms, S.Zero)
        plus = [t for t in terms if not t.could_extract_minus_sign()]
        minus = [-t for t in terms if t.could_extract_minus_sign()]
        total = self.chain(plus or minus, lambda a, b: self.make(a + b, "+"))
        if not plus:
            total = self.make(-total, f"×{MINUS}1")
        for term in minus if plus else ():
            total = self.make(total - self.name(term), MINUS)
        if number != 0:
            total = self.make(total + number, f"+{_number(number)}" if number > 0 else _number(number))
        assert isinstance(total, Access)
        return total

    def product(self, node: Mul) -> Access:
        number = Mul(*(a for a in node.args if a.is_number))
        _, above, below = fraction_in_order(node / number)
        times: Callable[[Expr, Expr], Expr] = lambda a, b: self.make(a * b, "×")  # noqa: E731
        value = self.chain(above, times) if above else S.One
        if below:
            under = self.chain(below, times)
            value = self.make(value / under, "÷" if above else "1/x")
        if number != 1:
            inverse = number.is_Rational and number.p == 1
            value = self.make(value * number, f"÷{number.q}" if inverse else f"×{_number(number)}")
        assert isinstance(value, Access)
        return value

    def chain(self, operands: list[Expr], combine: Callable[[Expr, Expr], Expr]) -> Expr:
        """The operands combined two by two, from the left."""
        value = self.name(operands[0])
        for operand in operands[1:]:
            value = combine(value, self.name(operand))
        return value

    def power(self, base: Expr, exponent: Expr) -> Access:
        inside = self.name(base)
        if not exponent.is_number:
            return self.make(inside ** self.name(exponent), f"{_number(base)}ˣ" if base.is_number else "xʸ")
        if exponent.is_negative:
            under = inside if exponent == -1 else self.power(base, -exponent)
            return self.make(1 / under, "1/x")
        if exponent == S.Half:
            return self.make(inside**exponent, "√")
        power = str(exponent).translate(SUPERSCRIPTS) if exponent.is_Integer else f"^{_number(exponent)}"
        return self.make(inside**exponent, f"x{power}")

    def call(self, node: Expr) -> Access:
        """A function of one value by its name; numbers among several arguments are shown in their places."""
        arguments = [self.name(a) for a in node.args]
        word = "exp" if node.is_Pow else NAMES.get(node.func, node.func.__name__.lower())
        if any(a.is_number for a in arguments):
            word += "(" + ", ".join(_number(a) if a.is_number else "·" for a in arguments) + ")"
        return self.make(node.func(*arguments), word)

    def condition(self, node: Boolean) -> Boolean:
        if isinstance(node, Relational):
            return node.func(self.name(node.lhs), self.name(node.rhs))
        if isinstance(node, BooleanFunction):
            return node.func(*(self.condition(a) for a in node.args))
        return node


def _number(number: Expr) -> str:
    return print_expression(number).replace("-", MINUS)


def expressed(
    program: Program, names: Sequence[str], kept: Container[str], largest: int, sizes: Mapping[str, int] | None = None
) -> list[Expr] | None:
    """Results of a program of numbers with the definitions written out of all that is not kept.

    None if one would have more than so many nodes; ``sizes`` gives those of leaves that something else is put for.
    The nodes are counted first: what is written out may be exponentially larger than the program.
    """
    count = dict(sizes or {})
    for equation in program.equations:
        parts = [count.get(n.tensor, 1) if isinstance(n, Access) else 1 for n in preorder_traversal(equation.body)]
        count[equation.target] = 1 if equation.target in kept else sum(parts)
    if any(count.get(name, 1) > largest for name in names):
        return None
    found: dict[str, Expr] = {}
    for equation in program.equations:
        if count[equation.target] <= largest:
            known = {a: found[a.tensor] for a in equation.reads if a.tensor in found and a.tensor not in kept}
            found[equation.target] = equation.body.xreplace(known)
    return [found.get(name, Access(name)) for name in names]
