"""emit/rates: a schedule -> the function of the module that gives the learning rate, as finished strings.

A schedule that reads the step is computed for all steps of an epoch at once, in NumPy; any other is one number.
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from functools import reduce

from nablac.errors import CompileError
from nablac.frontend.model import Optimizer
from nablac.frontend.schedules import drops
from nablac.ir.functions import IntAccess
from nablac.ir.text import print_expression


@dataclass(frozen=True)
class Rates:
    """The function's arguments, its docstring, its last lines, what ``fit`` gives it, and whether it reads history."""

    arguments: str
    about: str
    lines: str
    given: str
    by_step: bool
    plateau: bool


def rates(optimizer: Optimizer, turn: str) -> Rates:
    """The learning rate's function; ``turn`` is what ``fit`` calls the epoch."""
    schedule, lr = optimizer.schedule, float(optimizer.lr)
    by_step = schedule.has(IntAccess("step")) or schedule.has(IntAccess("steps"))
    plateau = schedule.has(drops)
    tree = ast.parse(print_expression(schedule), mode="eval")
    rate = ast.unparse((_Arrays() if by_step else _Numbers()).visit(tree))
    lines = [
        'steps = _number("steps", steps, 1)',
        "step = epoch * steps + np.arange(float(steps))",
        'with np.errstate(all="ignore"):  # of a choice both branches are computed',
        *(f"    {line}" for line in _folded("return np.full", f"(steps, {rate})")),
    ]
    about = "The learning rate of each step of an epoch" if by_step else "The learning rate of an epoch"
    return Rates(
        f"epoch, lr={lr!r}" + ", steps=1" * by_step + ", history=()" * plateau,
        f"{about}, counted from 0{', after the history before it' * plateau}.",
        "\n".join(f"    {line}" for line in (lines if by_step else _folded("return ", rate))),
        f"{turn}, lr" + ", steps=-(-rows // batch)" * by_step + ", history=run.history" * plateau,
        by_step,
        plateau,
    )


def _folded(head: str, text: str) -> list[str]:
    """An expression behind its head in one line, or in brackets over several."""
    if len(head) + len(text) <= 112:
        return [head + text]
    inside = text[1:-1] if head[-1] != " " else text
    return [f"{head}(", *(f"    {line}" for line in textwrap.wrap(inside, 104, break_long_words=False)), ")"]


class _Numbers(ast.NodeTransformer):
    """Equation text, whose grammar is Python's, with its functions as Python has them."""

    library = "math"
    known = ("floor", "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1", "log1p")

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - named by ast
        """The schedule's variables as the trainer calls them, and the number pi."""
        if node.id == "pi":
            return ast.Attribute(ast.Name("math"), "pi")
        return ast.Name({"lr0": "lr"}.get(node.id, node.id))

    def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802 - named by ast
        """Calls: where becomes a choice, the rest comes from Python or its math module."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        arguments = [self.visit(argument) for argument in node.args]
        if name == "where":
            return self.choice(*arguments)
        if name in ("max", "min"):
            return self.extremum(name, arguments)
        if name == "relu":
            return self.extremum("max", [*arguments, ast.Constant(0)])
        if name == "abs":
            return ast.Call(ast.Name(name), arguments, [])
        if name == "drops":
            return ast.Call(ast.Name("_drops"), [ast.Name("history"), *arguments], [])
        if name in self.known:
            return ast.Call(ast.Attribute(ast.Name(self.library), name), arguments, [])
        raise CompileError(
            f"a schedule cannot use '{name}'", expected="floor, where, max, min, exp, log, sqrt, cos, ..."
        )

    def choice(self, condition: ast.expr, then: ast.expr, other: ast.expr) -> ast.expr:
        """One of two."""
        return ast.IfExp(condition, then, other)

    def extremum(self, name: str, arguments: list[ast.expr]) -> ast.expr:
        """The largest or smallest of some."""
        return ast.Call(ast.Name(name), arguments, [])


class _Arrays(_Numbers):
    """The same, over arrays, as NumPy has it."""

    library = "np"

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:  # noqa: N802 - named by ast
        """Conditions joined."""
        join: ast.operator = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        return reduce(lambda a, b: ast.BinOp(a, join, b), [self.visit(value) for value in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:  # noqa: N802 - named by ast
        """A condition's contrary; signs stay."""
        inside = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return _call("logical_not", inside)
        return ast.UnaryOp(node.op, inside)

    def choice(self, condition: ast.expr, then: ast.expr, other: ast.expr) -> ast.expr:
        """One of two, element by element."""
        return _call("where", condition, then, other)

    def extremum(self, name: str, arguments: list[ast.expr]) -> ast.expr:
        """The larger or smaller, element by element."""
        return reduce(lambda a, b: _call("maximum" if name == "max" else "minimum", a, b), arguments)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(ast.Name("np"), name), list(arguments), [])
