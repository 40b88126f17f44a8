"""ir/scalar: the operators and leaves of a scalar expression's text -> SymPy.

The walk knows the nodes below and no others, counts them, and checks every constant before SymPy may compute with it.
Calls are added by ``ir/calls``, indices and reductions by ``ir/elaborate``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sympy
from sympy import Expr, Rational, Symbol
from sympy.logic.boolalg import Boolean

from nablac.errors import NablacError, NameError_, ParseError, Place, ShapeError
from nablac.ir.extents import Binder, Reading
from nablac.ir.functions import ROW, TRAINING, Access, IntAccess
from nablac.ir.index import is_index
from nablac.ir.scope import BUILT_IN, Names, Scope, counted, declared_at, suggestion
from nablac.ir.syntax import REDUCERS, dotted, index_nodes, is_ellipsis
from nablac.ir.tensor import Kind
from nablac.ir.tokens import Line

MAX_NODES = 2000
MAX_DEPTH = 70
MAX_POWER = 1024
MAX_BITS = 4096

CONSTANTS = {"pi": sympy.pi, "training": TRAINING, ROW.tensor: ROW}
"""Names that mean the same everywhere."""


class ScalarReader:
    """The walk over one statement's expressions; what it meets on its way is kept in ``readings``."""

    def __init__(self, target: str, names: Names) -> None:
        self.target, self.names = target, names
        self.extents = names.extents()
        self.count = self.depth = 0
        self.power = 1
        self.guards: tuple[Expr, ...] = ()
        self.active: list[Binder] = []
        self.readings: list[Reading] = []
        self.leading: tuple[str, ...] = ()
        self.draws: dict[int, int] = {}  # the number of each place that draws random numbers
        self.rows: dict[Symbol, Symbol] = {}  # by an extent: at which of so many rows those at hand begin

    def _call(self, node: ast.Call, scope: Scope) -> Expr | Boolean:
        """A call's meaning."""
        raise NotImplementedError

    def _place(self, node: ast.AST, line: Line) -> Place:
        return line.place(getattr(node, "col_offset", 0))

    @contextmanager
    def _entered(self, node: ast.AST, scope: Scope) -> Iterator[None]:
        self.count += 1
        self.depth += 1
        if self.count > MAX_NODES or self.depth > MAX_DEPTH:
            raise ParseError(
                f"equation '{self.target}' is too large",
                expected=f"at most {MAX_NODES} operations, nested at most {MAX_DEPTH} deep",
                where=self._place(node, scope.line),
                remedy="name its parts in equations of their own",
            )
        try:
            yield
        finally:
            self.depth -= 1

    def _value(self, node: ast.expr, scope: Scope) -> Expr | Boolean:
        """A node's meaning: a number or, for a comparison, a truth value."""
        with self._entered(node, scope):
            handler = _HANDLERS.get(type(node))
            if handler is None:
                raise ParseError(
                    "this is not part of the language",
                    found=ast.unparse(node)[:80],
                    where=self._place(node, scope.line),
                    remedy="write where(condition, a, b)" if isinstance(node, ast.IfExp) else None,
                )
            try:
                value = getattr(self, handler)(node, scope)
            except NablacError:
                raise
            except (ArithmeticError, ValueError):
                raise self._not_real(node, scope) from None
            except (RecursionError, TypeError, NotImplementedError, AttributeError):
                raise ParseError(
                    "SymPy cannot form this expression",
                    found=ast.unparse(node)[:80],
                    where=self._place(node, scope.line),
                ) from None
            return self._checked(value, node, scope)

    def _checked(self, value: Expr | Boolean, node: ast.expr, scope: Scope) -> Expr | Boolean:
        """A value of bounded size; a constant one must be a real number that a float can hold."""
        sound = not value.has(sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
        if sound and isinstance(value, Expr) and value.is_number and not value.is_Integer:
            sound = _as_float(value) is not None
        for number in value.atoms(Rational) if sound else ():
            sound = sound and max(number.p.bit_length(), number.q.bit_length()) <= MAX_BITS
        if not sound:
            raise self._not_real(node, scope)
        return value

    def _not_real(self, node: ast.expr, scope: Scope) -> ParseError:
        return ParseError(
            "this is not a real number of moderate size",
            found=ast.unparse(node)[:80],
            where=self._place(node, scope.line),
        )

    def _number(self, node: ast.expr, scope: Scope) -> Expr:
        value = self._value(node, scope)
        if isinstance(value, Boolean) and (not isinstance(value, Expr) or value == TRAINING):
            raise ParseError(
                "'training' is not a number" if value == TRAINING else "a comparison is not a number",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy="write where(condition, 1, 0)",
            )
        assert isinstance(value, Expr)
        return value

    def _condition(self, node: ast.expr, scope: Scope) -> Boolean:
        value = self._value(node, scope)
        if not isinstance(value, Boolean) or (isinstance(value, Symbol) and value != TRAINING):
            raise ParseError(
                "a condition is needed, and this is a number",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy="compare it: x != 0",
            )
        return value

    def _integer(self, node: ast.expr, scope: Scope, what: str) -> Expr:
        """An expression that is affine in indices, extents and integer tensors, with whole numbers."""
        value = self._number(node, scope)
        parts = sympy.Add.make_args(sympy.expand(value)) if value.is_integer else ()
        affine = bool(parts)
        for part in parts:
            step, rest = part.as_coeff_Mul()
            leaf = rest is sympy.S.One or is_index(rest) or isinstance(rest, IntAccess)
            affine = affine and step.is_Integer and (leaf or _is_extent(rest))
        if not affine:
            real = sorted((a for a in value.atoms(Access) if not isinstance(a, IntAccess)), key=str)
            raise ParseError(
                f"{what} is a sum of whole multiples of indices, extents and integer tensors",
                found=f"{ast.unparse(node)[:60]}, where '{real[0].tensor}' is real" if real else ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy="an integer tensor is declared label[n, 10] or int[n], or made by argmax" if real else None,
            )
        return sympy.expand(value)

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant, scope: Scope) -> Expr:
        if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            return Rational(scope.line.flat[node.col_offset : node.end_col_offset])
        raise ParseError("this is not a number", found=ast.unparse(node), where=self._place(node, scope.line))

    def _name(self, node: ast.Name | ast.Attribute, scope: Scope) -> Expr | Boolean:
        name = dotted(node)
        if name is None:
            raise ParseError("this is not a name", found=ast.unparse(node)[:80], where=self._place(node, scope.line))
        if name in scope.arguments:
            argument, outer = scope.arguments[name]
            return self._value(argument, outer)
        if name in scope.indices:
            return scope.indices[name].symbol
        if name in self.names.constants:
            return self.names.constants[name]
        if name in self.names.tensors:
            return self._read(name, node, [], scope)
        if name in self.extents:
            return self.extents[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        raise self._unknown(name, node, scope)

    def _unknown(self, name: str, node: ast.AST, scope: Scope) -> NameError_:
        known = [*scope.indices, *scope.arguments, *self.names.constants, *self.names.tensors, *self.extents, "pi"]
        where = self._place(node, scope.line)
        if name in self.names.functions or name in BUILT_IN:
            form = f"{name}[i](...)" if name in REDUCERS else f"{name}(...)"
            return NameError_(f"'{name}' is a function", where=where, remedy=f"it is called as {form}")
        if isinstance(node, ast.Name) and len(name) == 1 and scope.indices:
            kin = ", ".join(scope.indices)
            return NameError_(
                f"'{name}' is not known here",
                expected=f"a declared name, or an index of the target or of a reduction around it (these: {kin})",
                where=where,
                remedy=suggestion(name, known) or f"for a reduction over it: sum[{name}](...)",
            )
        plain = [n for n in dict.fromkeys(known) if "." not in n]
        return NameError_(
            f"'{name}' is not known here",
            expected="one of " + ", ".join(plain) if len(plain) <= 12 else None,
            where=where,
            remedy=suggestion(name, known),
        )

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Expr:
        name = dotted(node.value)
        if name is None:
            where = self._place(node, scope.line)
            raise ParseError("only a name has indices", found=ast.unparse(node)[:80], where=where)
        if name in REDUCERS and name not in self.names.tensors:
            raise ParseError(
                f"'{ast.unparse(node)}' reduces nothing",
                where=self._place(node, scope.line),
                remedy=f"write what it runs over in brackets: {ast.unparse(node)}(...)",
            )
        if name not in self.names.tensors:
            known = [n for n, t in self.names.tensors.items() if t.shape]
            raise NameError_(
                f"'{name}' is not known here", where=self._place(node, scope.line), remedy=suggestion(name, known)
            )
        return self._read(name, node, index_nodes(node), scope)

    def _read(self, name: str, node: ast.expr, nodes: list[ast.expr], scope: Scope) -> Expr:
        tensor, where = self.names.tensors[name], self._place(node, scope.line)
        positions: list[Expr] = []
        for part in nodes:
            if is_ellipsis(part):
                positions += [self._leading(i, part, scope) for i in self.leading]
            else:
                positions.append(self._integer(part, scope, "an index"))
        if len(positions) != len(tensor.shape):
            count = len(tensor.shape)
            raise ShapeError(
                f"equation '{self.target}' reads '{tensor.name}' with {counted(len(positions), 'index')}",
                found=ast.unparse(node),
                expected=f"{counted(count, 'index')}, one for each axis of {tensor}" + declared_at(tensor),
                where=where,
                remedy=None if count else f"'{tensor.name}' is one number: write it without brackets",
            )
        shown = f"{tensor.name}[{', '.join(map(str, positions))}]" if positions else tensor.name
        binders = {b.symbol: b for b in self.active}
        self.readings.append(Reading(tensor, tuple(positions), shown, where, binders, self.guards))
        return (IntAccess if tensor.kind is Kind.INT else Access)(tensor.name, *positions)

    def _leading(self, name: str, node: ast.AST, scope: Scope) -> Expr:
        if name not in scope.indices:
            raise ParseError(
                "'...' stands for indices that are not in force here",
                where=self._place(node, scope.line),
                remedy="the target or a reduction around it must have '...' too",
            )
        return scope.indices[name].symbol

    # --- operators ----------------------------------------------------------------------------------------------------

    def _unary(self, node: ast.UnaryOp, scope: Scope) -> Expr | Boolean:
        if isinstance(node.op, ast.Not):
            return sympy.Not(self._condition(node.operand, scope))
        value = self._number(node.operand, scope)
        if isinstance(node.op, ast.USub):
            return -value
        if isinstance(node.op, ast.UAdd):
            return value
        raise ParseError("this is not part of the language", found="~", where=self._place(node, scope.line))

    def _binary(self, node: ast.BinOp, scope: Scope) -> Expr:
        if isinstance(node.op, ast.Pow):
            return self._power(node, scope)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return sympy.Add(*(-v if minus else v for v, minus in self._chain(node, scope, ast.Add, ast.Sub)))
        if isinstance(node.op, (ast.Mult, ast.Div)):
            factors = []
            for value, below in self._chain(node, scope, ast.Mult, ast.Div):
                if below and value.is_zero:
                    raise ParseError("a division by zero", where=self._place(node, scope.line))
                factors.append(1 / value if below else value)
            return sympy.Mul(*factors)
        remedy = "write a/b, or floor(a/b)" if isinstance(node.op, ast.FloorDiv) else None
        raise ParseError(
            "this is not part of the language",
            found=ast.unparse(node)[:80],
            where=self._place(node, scope.line),
            remedy=remedy,
        )

    def _chain(
        self, node: ast.expr, scope: Scope, plus: type[ast.operator], minus: type[ast.operator]
    ) -> list[tuple[Expr, bool]]:
        """The operands of ``a + b - (c + ...)``, each with whether it is taken away; of a product in the same way.

        All are taken at once, since of two SymPy multiplies a number into a sum: ``1/(2*(a + b))`` keeps its form.
        """
        operands: list[tuple[ast.expr, bool]] = []
        waiting = [(node, False)]
        while waiting:
            part, taken = waiting.pop()
            if isinstance(part, ast.BinOp) and isinstance(part.op, (plus, minus)):
                waiting += [(part.left, taken), (part.right, taken != isinstance(part.op, minus))]
            else:
                operands.append((part, taken))
        return [(self._number(operand, scope), taken) for operand, taken in reversed(operands)]

    def _power(self, node: ast.BinOp, scope: Scope) -> Expr:
        exponent = self._number(node.right, scope)
        held = self.power
        largest = max(_magnitude(term) for term in sympy.Add.make_args(exponent))
        if exponent.is_number or largest > MAX_POWER:
            self.power *= max(1, math.ceil(largest))
        if self.power > MAX_POWER:
            raise ParseError(
                "an exponent is too large",
                found=ast.unparse(node)[:80],
                expected=f"at most {MAX_POWER}, for powers of powers their product",
                where=self._place(node, scope.line),
            )
        base = self._number(node.left, scope)
        self.power = held
        if exponent.is_number and base.is_number:
            check_constant(lambda a, b: a**b, base, exponent)
        return base**exponent

    def _compare(self, node: ast.Compare, scope: Scope) -> Boolean:
        values = [self._number(n, scope) for n in (node.left, *node.comparators)]
        pairs = zip(node.ops, values, values[1:], strict=False)
        parts = [_COMPARISONS[type(op)](a, b) for op, a, b in pairs if type(op) in _COMPARISONS]
        if len(parts) < len(node.ops):
            raise ParseError(
                "this is not part of the language",
                found=ast.unparse(node)[:80],
                expected="one of < <= > >= == !=",
                where=self._place(node, scope.line),
            )
        return sympy.And(*parts)

    def _boolean(self, node: ast.BoolOp, scope: Scope) -> Boolean:
        parts = [self._condition(n, scope) for n in node.values]
        return sympy.And(*parts) if isinstance(node.op, ast.And) else sympy.Or(*parts)


def _is_extent(value: Expr) -> bool:
    return isinstance(value, Symbol) and bool(value.is_integer) and bool(value.is_positive)


def _as_float(value: Expr) -> float | None:
    """A constant as a float; None if it is not a real number or too large for one."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _magnitude(term: Expr) -> float:
    """The size of a term's number, or of the whole term if it is one."""
    number = term if term.is_number else term.as_coeff_Mul()[0]
    value = _as_float(number)
    return abs(value) if value is not None and abs(value) < 1e9 else 1e9


def check_constant(function: Callable[..., float | complex], *arguments: Expr) -> None:
    """Raise an ArithmeticError or ValueError where a function of constants has no moderate real value."""
    value = function(*(float(a) for a in arguments))
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError


_COMPARISONS: dict[type[ast.cmpop], Callable[[Expr, Expr], Boolean]] = {
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
}
_HANDLERS: dict[type[ast.AST], str] = {
    ast.Constant: "_constant",
    ast.Name: "_name",
    ast.Attribute: "_name",
    ast.Subscript: "_subscript",
    ast.UnaryOp: "_unary",
    ast.BinOp: "_binary",
    ast.Compare: "_compare",
    ast.BoolOp: "_boolean",
    ast.Call: "_call",
}
"""The nodes of the language, and the methods that read them."""

NODES = frozenset(_HANDLERS)
