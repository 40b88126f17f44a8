"""ir/calls: the calls in an expression's text: elementary functions, ``where``, elementwise ``max``, one's own."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

import sympy
from sympy import Expr, Symbol
from sympy.logic.boolalg import Boolean

from nablac.errors import NameError_, ParseError
from nablac.ir.extents import guarantees
from nablac.ir.functions import ELEMENTARY, Delta, Random, Where, exprel, maximum, minimum
from nablac.ir.scalar import ScalarReader, check_constant
from nablac.ir.scope import Scope, counted, suggestion
from nablac.ir.syntax import REDUCERS, FunctionText, dotted, is_ellipsis


class CallReader(ScalarReader):
    """The walk over one statement's expressions, calls too."""

    def _lift(self, kind: str, node: ast.Call, scope: Scope) -> Expr:
        """The value of a reduction inside an expression."""
        raise NotImplementedError

    def _call(self, node: ast.Call, scope: Scope) -> Expr | Boolean:
        kind = reducer(node)
        if kind is not None:
            return self._lift(kind, node, scope)
        name = dotted(node.func)
        if node.keywords or name is None:
            raise ParseError("this is not a call", found=ast.unparse(node)[:80], where=self._place(node, scope.line))
        if name in self.names.functions:
            return self._own_function(self.names.functions[name], node, scope)
        if name in _SPECIAL:
            return _SPECIAL[name](self, node, scope)
        if name in ELEMENTARY:
            if name == "exprel" and len(node.args) == 2:
                order = self._number(node.args[1], scope)
                if not (order.is_Integer and 0 <= order <= 8):
                    raise ParseError("exprel's order is one of 0 ... 8", where=self._place(node, scope.line))
                return exprel(self._number(node.args[0], scope), order)
            (argument,) = self._arguments(name, node, 1, scope)
            if argument.is_number and hasattr(math, name):
                check_constant(getattr(math, name), argument)
            elif name == "exp":  # SymPy takes exp of a sum apart, and powers of numbers are then computed
                for term in sympy.Add.make_args(argument):
                    if term.is_number:
                        check_constant(math.exp, term)
            return ELEMENTARY[name](argument)
        if name in REDUCERS:
            raise ParseError(
                f"'{name}' needs the indices it runs over",
                found=ast.unparse(node)[:80],
                expected=f"{name}[i](...)",
                where=self._place(node, scope.line),
            )
        known = [*self.names.functions, *ELEMENTARY, *_SPECIAL, *REDUCERS]
        raise NameError_(
            f"there is no function '{name}'",
            where=self._place(node, scope.line),
            remedy=suggestion(name, known) or f"for a product write {name}*(...)",
        )

    def _arguments(self, name: str, node: ast.Call, count: int, scope: Scope) -> list[Expr]:
        if len(node.args) != count:
            raise ParseError(
                f"'{name}' takes {counted(count, 'argument')}",
                found=f"{ast.unparse(node)[:80]}, with {len(node.args)}",
                where=self._place(node, scope.line),
            )
        return [self._number(argument, scope) for argument in node.args]

    def _own_function(self, function: FunctionText, node: ast.Call, scope: Scope) -> Expr | Boolean:
        """A function's body with its arguments read where they are used, each time in the caller's scope."""
        if function.name in scope.called:
            raise ParseError(f"function '{function.name}' calls itself", where=function.line.where)
        if len(node.args) != len(function.parameters):
            raise ParseError(
                f"'{function.name}' takes {counted(len(function.parameters), 'argument')}",
                found=f"{ast.unparse(node)[:80]}, with {len(node.args)}",
                expected=f"{function.name}({', '.join(function.parameters)})",
                where=self._place(node, scope.line),
            )
        arguments = {name: (a, scope) for name, a in zip(function.parameters, node.args, strict=True)}
        inside = Scope(function.line, {}, arguments, (*scope.called, function.name))
        return self._value(function.body, inside)

    def _where(self, node: ast.Call, scope: Scope) -> Expr:
        if len(node.args) != 3:
            raise ParseError(
                "'where' takes 3 arguments",
                found=ast.unparse(node)[:80],
                expected="where(condition, value if it holds, value if not)",
                where=self._place(node, scope.line),
            )
        condition = self._condition(node.args[0], scope)
        branches = []
        for known, branch in zip((condition, sympy.Not(condition)), node.args[1:], strict=True):
            held = self.guards
            self.guards += guarantees(known)
            branches.append(self._number(branch, scope))
            self.guards = held
        return Where(condition, *branches)

    def _delta(self, node: ast.Call, scope: Scope) -> Expr:
        if len(node.args) != 2:
            raise ParseError("'delta' takes 2 arguments", where=self._place(node, scope.line))
        return Delta(*(self._integer(a, scope, "an argument of delta") for a in node.args))

    def _uniform(self, node: ast.Call, scope: Scope) -> Expr:
        """A random number for each value of some indices; in what nablac prints, a stream's name and a number in it."""
        if len(node.args) == 2 and isinstance(node.args[0], ast.Attribute):
            number = self._number(node.args[1], scope)
            if number.is_integer:
                return Random(dotted(node.args[0]) or "", number)
        indices = [s for a in node.args for s in ([*self.leading] if is_ellipsis(a) else [a])]
        number, first = sympy.Integer(0), None
        for part in indices:
            symbol = self._leading(part, node, scope) if isinstance(part, str) else self._number(part, scope)
            binder = next((b for b in self.active if b.symbol == symbol), None)
            if binder is None:
                raise ParseError(
                    "'uniform' takes the indices for each of which it draws another number",
                    found=ast.unparse(node)[:80],
                    expected="uniform(i, k) or uniform(...)",
                    where=self._place(node, scope.line),
                )
            row = self.rows.setdefault(binder.placeholder, Symbol(f"row {binder.placeholder}", integer=True))
            first = first or row
            number = number * binder.placeholder + symbol + (row if row is first else 0)
        drawn = self.draws.setdefault(id(node), len(self.draws))
        return Random(f"{self.target}.draw{drawn + 1 if drawn else ''}", sympy.expand(number))

    def _clamp(self, node: ast.Call, scope: Scope) -> Expr:
        value, low, high = self._arguments("clamp", node, 3, scope)
        if low.is_number and high.is_number and low > high:
            raise ParseError(
                "clamp has its limits the wrong way round",
                found=ast.unparse(node)[:80],
                expected="clamp(value, low, high)",
                where=self._place(node, scope.line),
            )
        if low.is_zero:  # max(value, 0) is relu(value), whose slope at 0 is 0
            return Where(value < 0, low, minimum(value, high))
        return minimum(maximum(value, low), high)

    def _extremum(self, node: ast.Call, scope: Scope) -> Expr:
        name = dotted(node.func) or ""
        if len(node.args) < 2:
            raise ParseError(
                f"'{name}' of {counted(len(node.args), 'argument')}",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy=f"over an index it is {name}[i](...); elementwise it takes two or more",
            )
        first, *others = self._arguments(name, node, len(node.args), scope)
        for other in others:
            first = (maximum if name == "max" else minimum)(first, other)
        return first


def reducer(node: ast.AST) -> str | None:
    """The name of the reduction a node calls, None if it calls none."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
        name = dotted(node.func.value)
        return name if name in REDUCERS else None
    return None


_SPECIAL: dict[str, Callable[..., Expr]] = {
    "where": CallReader._where,
    "delta": CallReader._delta,
    "clamp": CallReader._clamp,
    "uniform": CallReader._uniform,
    "max": CallReader._extremum,
    "min": CallReader._extremum,
}

ARGUMENTS: dict[str, tuple[int, ...]] = {
    "where": (3,), "delta": (2,), "clamp": (3,), "exprel": (1, 2), "max": (), "min": (), "uniform": ()
}  # fmt: skip
"""How many arguments the calls take that do not take one; none stands for any number."""
