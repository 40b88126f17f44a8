"""ir/elaborate: one statement's tree -> equations with at most one reduction each; the second half of reading.

The walk knows the nodes below and no others, counts them, and checks every constant before SymPy may compute with it.
A reduction inside an expression becomes an equation of its own, named after its target: ``h.sum``, ``loss.mean``.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr, Integer, Rational, Symbol
from sympy.logic.boolalg import Boolean

from nablac.errors import NameError_, NablacError, ParseError, Place, ShapeError
from nablac.ir.equation import Equation, Origin, Reduction
from nablac.ir.extents import Binder, Reading, check_bounds, guarantees, solve
from nablac.ir.functions import ELEMENTARY, Access, Delta, IntAccess, Where, absolute, exprel, maximum, minimum
from nablac.ir.index import fresh_names, index, is_index
from nablac.ir.syntax import REDUCERS, EquationText, FunctionText, Line, dotted, index_names, index_nodes, is_ellipsis
from nablac.ir.tensor import Kind, Role, Tensor

MAX_NODES = 2000
MAX_DEPTH = 70
MAX_POWER = 1024
MAX_BITS = 4096

BUILT_IN = frozenset({"where", "delta", "clamp", "max", "min", "pi", *REDUCERS, *ELEMENTARY})
"""Names that an equation may not give to anything else."""


@dataclass(frozen=True)
class Names:
    """What the names in a text mean: tensors (by the name they are written with), numbers, and functions.

    ``rename`` gives a target another name than it is written with; ``taken`` holds names that are used elsewhere; a
    ``sealed`` text, such as the library's, does not see the extents' names.
    """

    tensors: Mapping[str, Tensor]
    constants: Mapping[str, Expr] = field(default_factory=dict)
    functions: Mapping[str, FunctionText] = field(default_factory=dict)
    rename: Callable[[str], str] = str
    taken: frozenset[str] = frozenset()
    layer: str | None = None
    sealed: bool = False

    def all_extents(self) -> dict[str, Expr]:
        """The named extents of all shapes."""
        shapes = [axis for tensor in self.tensors.values() for axis in tensor.shape]
        return {s.name: s for axis in shapes for s in axis.free_symbols if isinstance(s, Symbol)}

    def extents(self) -> dict[str, Expr]:
        """Those that the text may use: they are integers."""
        return {} if self.sealed else self.all_extents()

    def reserved(self) -> frozenset[str]:
        """Names that no index's symbol gets, so that a name has one meaning in the whole program."""
        own = {tensor.name for tensor in self.tensors.values()}
        return self.taken | own | set(self.tensors) | set(self.all_extents())


@dataclass(frozen=True)
class _Scope:
    """What is in force at a node: the text it stands in, the indices, and a function's arguments, not yet read."""

    line: Line
    indices: Mapping[str, Binder]
    arguments: Mapping[str, tuple[ast.expr, _Scope]] = field(default_factory=dict)
    called: tuple[str, ...] = ()


@dataclass
class _Draft:
    """An equation whose extents are not known yet."""

    target: str
    indices: tuple[Binder, ...]
    body: Expr
    kind: str | None
    bound: tuple[Binder, ...]
    where: Place


def elaborate(text: EquationText, names: Names) -> list[tuple[Equation, Tensor]]:
    """The equations of one statement, the statement's own last, each with the tensor it defines."""
    return _Elaborator(text, names).run()


class _Elaborator:
    """The walk over one statement."""

    def __init__(self, text: EquationText, names: Names) -> None:
        self.text, self.names, self.line = text, names, text.line
        self.target = names.rename(text.target)
        self.extents, self.reserved = names.extents(), names.reserved()
        self.count = self.depth = 0
        self.power = 1
        self.guards: tuple[Expr, ...] = ()
        self.active: list[Binder] = []
        self.binders: list[Binder] = []
        self.readings: list[Reading] = []
        self.drafts: list[_Draft] = []
        self.lifted: set[str] = set()
        self.leading = self._leading_indices()
        self.stated = {r.index: self._extent(r.extent) for r in text.ranges}

    # --- the statement ------------------------------------------------------------------------------------------------

    def run(self) -> list[tuple[Equation, Tensor]]:
        names = [n for name in self.text.indices for n in (self.leading if name is None else (name,))]
        if len(set(names)) != len(names):
            raise ParseError(f"'{self.target}' names an index twice", where=self.line.where)
        with self._bind(names, _Scope(self.line, {}), self.line.where) as (scope, binders):
            self._root(self.text.body, scope, tuple(binders))
        unused = [r for r in self.text.ranges if all(b.symbol.name != r.index for b in self.binders)]
        if unused:
            raise NameError_(
                f"equation '{self.target}' has no index '{unused[0].index}'", where=self.line.place(unused[0].offset)
            )
        extents = solve(self.binders, self.readings)
        bounds = {t.name: t.bound for t in self.names.tensors.values() if t.bound is not None}
        made = []
        for draft in self.drafts:
            equation, tensor = self._finish(draft, extents, bounds)
            made.append((equation, tensor))
            if tensor.bound is not None:
                bounds[tensor.name] = tensor.bound
        check_bounds(self.readings, bounds)
        return made

    def _root(self, node: ast.expr, scope: _Scope, binders: tuple[Binder, ...]) -> None:
        """The statement's own equation: a reduction that is the whole right side stays in it."""
        kind = _reducer(node)
        if kind is not None and isinstance(node, ast.Call):
            body = self._reduction(kind, node, scope, (self.target, binders))
            if body is None:
                return
        else:
            body = self._number(node, scope)
        self._draft(self.target, binders, body, None, (), scope.line.place(node.col_offset))

    def _finish(
        self, draft: _Draft, extents: Mapping[Symbol, Expr], bounds: Mapping[str, Expr]
    ) -> tuple[Equation, Tensor]:
        body = draft.body.xreplace(dict(extents))
        ranges = tuple((b.symbol, extents[b.placeholder]) for b in (*draft.indices, *draft.bound))
        reduction = Reduction(draft.kind, tuple(b.symbol for b in draft.bound)) if draft.kind else None
        origin = Origin(where=draft.where, layer=self.names.layer)
        symbols = tuple(b.symbol for b in draft.indices)
        equation = Equation(draft.target, symbols, body, ranges, reduction, origin)
        kind, bound = Kind.REAL, None
        if draft.kind in ("argmax", "argmin"):
            kind, bound = Kind.INT, ranges[-1][1]
        elif isinstance(body, IntAccess) and draft.kind in (None, "max", "min"):
            kind, bound = Kind.INT, bounds.get(body.tensor)
        return equation, Tensor(draft.target, equation.shape, kind, Role.RESULT, bound, where=self.line.where)

    def _draft(
        self,
        target: str,
        indices: tuple[Binder, ...],
        body: Expr,
        kind: str | None,
        bound: tuple[Binder, ...],
        where: Place,
    ) -> None:
        if body.has(sympy.Abs):
            body = body.replace(sympy.Abs, absolute)
        self.drafts.append(_Draft(target, indices, body, kind, bound, where))

    def _leading_indices(self) -> tuple[str, ...]:
        """The index names that ``...`` stands for, as many as the tensors read with it have axes left."""
        found: dict[int, str] = {}
        trees = (self.text.body, *(f.body for f in self.names.functions.values()))
        used = {n.id for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Name)}
        for node in ast.walk(self.text.body):
            if not isinstance(node, ast.Subscript) or not any(map(is_ellipsis, index_nodes(node))):
                continue
            tensor = self.names.tensors.get(dotted(node.value) or "")
            if tensor is not None:
                rank = len(tensor.shape) - (len(index_nodes(node)) - 1)
                found.setdefault(rank, f"{tensor} as {ast.unparse(node)}")
                if rank < 0:
                    raise ShapeError(
                        f"'{tensor.name}' has too few axes",
                        found=str(tensor),
                        expected=f"at least {len(index_nodes(node)) - 1}, as in {ast.unparse(node)}",
                        where=self._place(node, self.line),
                    )
        if len(found) > 1:
            (_, one), (_, other) = sorted(found.items())[:2]
            raise ShapeError(
                "'...' would stand for different numbers of indices",
                found=other,
                expected=f"as many as for {one}",
                where=self.line.where,
            )
        if not found:
            if None in self.text.indices:
                raise ParseError("nothing says how many indices '...' stands for", where=self.line.where)
            return ()
        names = fresh_names(used | {i for i in self.text.indices if i} | self.reserved)
        return tuple(next(names) for _ in range(next(iter(found))))

    def _extent(self, node: ast.expr) -> Expr:
        value = self._integer(node, _Scope(self.line, {}), "an extent")
        if value.is_Integer and not 1 <= int(value) < 2**31:
            raise ShapeError(
                "an extent is at least 1", found=str(value), where=self._place(node, self.line)
            )
        if value.atoms(Access):
            raise ParseError(
                "an extent is made of numbers and extents", found=str(value), where=self._place(node, self.line)
            )
        return value

    # --- indices ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _bind(self, names: Iterable[str], scope: _Scope, where: Place) -> Iterator[tuple[_Scope, list[Binder]]]:
        """The scope in which the named indices are in force; one that a caller uses too gets another symbol."""
        indices, made = dict(scope.indices), []
        for name in names:
            self._check_index(name, indices, where)
            taken = self.reserved | {b.symbol.name for b in self.active}
            symbol = name if name not in taken else next(n for n in _numbered(name) if n not in taken)
            binder = Binder(index(symbol), where, len(self.binders) + len(made))
            if name in self.stated_names():
                binder.extent, binder.stated = self.stated[name], True
            indices[name] = binder
            made.append(binder)
            self.active.append(binder)
        self.binders += made
        try:
            yield replace(scope, indices=indices), made
        finally:
            del self.active[len(self.active) - len(made) :]

    def stated_names(self) -> Mapping[str, Expr]:
        """The extents given by ``for``; none while those are being read themselves."""
        return getattr(self, "stated", {})

    def _check_index(self, name: str, indices: Mapping[str, Binder], where: Place) -> None:
        if name in indices:
            raise ParseError(
                f"index '{name}' is in use already",
                where=where,
                remedy=f"a reduction inside another names other indices, e.g. {name}2",
            )
        tensor = self.names.tensors.get(name)
        what = None
        if name in BUILT_IN:
            what = "a name of the language"
        elif name in self.extents:
            what = "an extent"
        elif tensor is not None and not tensor.shape:
            what = "a scalar"
        if what is not None:
            raise NameError_(f"'{name}' cannot be an index: it is {what}", where=where, remedy="name the index otherwise")

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _place(self, node: ast.AST, line: Line) -> Place:
        return line.place(getattr(node, "col_offset", 0))

    @contextmanager
    def _entered(self, node: ast.AST, scope: _Scope) -> Iterator[None]:
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

    def _value(self, node: ast.expr, scope: _Scope) -> Expr | Boolean:
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
                value = handler(self, node, scope)
            except NablacError:
                raise
            except (RecursionError, ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError):
                raise ParseError(
                    "SymPy cannot form this expression",
                    found=ast.unparse(node)[:80],
                    where=self._place(node, scope.line),
                ) from None
            return self._checked(value, node, scope)

    def _checked(self, value: Expr | Boolean, node: ast.expr, scope: _Scope) -> Expr | Boolean:
        """A value of bounded size; a constant one must be a real number that a float can hold."""
        sound = not value.has(sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
        if sound and isinstance(value, Expr) and value.is_number and not value.is_Integer:
            sound = _as_float(value) is not None
        for number in value.atoms(Rational) if sound else ():
            sound = sound and max(number.p.bit_length(), number.q.bit_length()) <= MAX_BITS
        if not sound:
            raise ParseError(
                "this is not a real number of moderate size",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
            )
        return value

    def _number(self, node: ast.expr, scope: _Scope) -> Expr:
        value = self._value(node, scope)
        if isinstance(value, Boolean) and not isinstance(value, Expr):
            raise ParseError(
                "a comparison is not a number",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy="write where(condition, 1, 0)",
            )
        assert isinstance(value, Expr)
        return value

    def _condition(self, node: ast.expr, scope: _Scope) -> Boolean:
        value = self._value(node, scope)
        if not isinstance(value, Boolean) or isinstance(value, Symbol):
            raise ParseError(
                "a condition is needed, and this is a number",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy="compare it: x != 0",
            )
        return value

    def _integer(self, node: ast.expr, scope: _Scope, what: str) -> Expr:
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

    def _constant(self, node: ast.Constant, scope: _Scope) -> Expr:
        if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            return Rational(scope.line.flat[node.col_offset : node.end_col_offset])
        raise ParseError("this is not a number", found=ast.unparse(node), where=self._place(node, scope.line))

    def _name(self, node: ast.Name | ast.Attribute, scope: _Scope) -> Expr | Boolean:
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
        if name == "pi":
            return sympy.pi
        raise self._unknown(name, node, scope)

    def _unknown(self, name: str, node: ast.AST, scope: _Scope) -> NameError_:
        known = [*scope.indices, *scope.arguments, *self.names.constants, *self.names.tensors, *self.extents, "pi"]
        where = self._place(node, scope.line)
        if name in self.names.functions or name in BUILT_IN:
            form = f"{name}[i](...)" if name in REDUCERS else f"{name}(...)"
            return NameError_(f"'{name}' is a function", where=where, remedy=f"it is called as {form}")
        if isinstance(node, ast.Name) and len(name) == 1 and not isinstance(node, ast.Subscript):
            kin = ", ".join(scope.indices) or "none"
            return NameError_(
                f"'{name}' is not known here",
                expected=f"a declared name, or an index of the target or of a reduction around it (these: {kin})",
                where=where,
                remedy=_suggestion(name, known) or f"for a reduction over it: sum[{name}](...)",
            )
        return NameError_(f"'{name}' is not known here", where=where, remedy=_suggestion(name, known))

    def _subscript(self, node: ast.Subscript, scope: _Scope) -> Expr:
        name = dotted(node.value)
        if name is None:
            raise ParseError("only a name has indices", found=ast.unparse(node)[:80], where=self._place(node, scope.line))
        if name in REDUCERS and name not in self.names.tensors:
            raise ParseError(
                f"'{ast.unparse(node)}' reduces nothing",
                where=self._place(node, scope.line),
                remedy=f"write what it runs over in brackets: {ast.unparse(node)}(...)",
            )
        if name not in self.names.tensors:
            known = [n for n, t in self.names.tensors.items() if t.shape]
            raise NameError_(
                f"'{name}' is not known here", where=self._place(node, scope.line), remedy=_suggestion(name, known)
            )
        return self._read(name, node, index_nodes(node), scope)

    def _read(self, name: str, node: ast.expr, nodes: list[ast.expr], scope: _Scope) -> Expr:
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
                f"equation '{self.target}' reads '{tensor.name}' with {_counted(len(positions), 'index')}",
                found=ast.unparse(node),
                expected=f"{_counted(count, 'index')}, one for each axis of {tensor}" + _declared(tensor),
                where=where,
                remedy=None if count else f"'{tensor.name}' is one number: write it without brackets",
            )
        shown = f"{tensor.name}[{', '.join(map(str, positions))}]" if positions else tensor.name
        binders = {b.symbol: b for b in self.active}
        self.readings.append(Reading(tensor, tuple(positions), shown, where, binders, self.guards))
        return (IntAccess if tensor.kind is Kind.INT else Access)(tensor.name, *positions)

    def _leading(self, name: str, node: ast.AST, scope: _Scope) -> Expr:
        if name not in scope.indices:
            raise ParseError(
                "'...' stands for indices that are not in force here",
                where=self._place(node, scope.line),
                remedy="the target or a reduction around it must have '...' too",
            )
        return scope.indices[name].symbol

    # --- operators ----------------------------------------------------------------------------------------------------

    def _unary(self, node: ast.UnaryOp, scope: _Scope) -> Expr | Boolean:
        if isinstance(node.op, ast.Not):
            return sympy.Not(self._condition(node.operand, scope))
        value = self._number(node.operand, scope)
        if isinstance(node.op, ast.USub):
            return -value
        if isinstance(node.op, ast.UAdd):
            return value
        raise ParseError("this is not part of the language", found="~", where=self._place(node, scope.line))

    def _binary(self, node: ast.BinOp, scope: _Scope) -> Expr:
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
        self, node: ast.expr, scope: _Scope, plus: type[ast.operator], minus: type[ast.operator]
    ) -> list[tuple[Expr, bool]]:
        """The operands of ``a + b - c + ...``, which leans to the left, each with whether it is taken away."""
        operands: list[tuple[ast.expr, bool]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, (plus, minus)):
            operands.append((node.right, isinstance(node.op, minus)))
            node = node.left
        operands.append((node, False))
        return [(self._number(operand, scope), taken) for operand, taken in reversed(operands)]

    def _power(self, node: ast.BinOp, scope: _Scope) -> Expr:
        exponent = self._number(node.right, scope)
        factor, held = 1, self.power
        if exponent.is_number:
            size = _as_float(exponent)
            factor = max(1, math.ceil(abs(size))) if size is not None and abs(size) < 1e9 else 10**9
        self.power *= factor
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
            _check_constant(lambda a, b: a**b, base, exponent)
        return base**exponent

    def _compare(self, node: ast.Compare, scope: _Scope) -> Boolean:
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

    def _boolean(self, node: ast.BoolOp, scope: _Scope) -> Boolean:
        parts = [self._condition(n, scope) for n in node.values]
        return sympy.And(*parts) if isinstance(node.op, ast.And) else sympy.Or(*parts)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: _Scope) -> Expr | Boolean:
        kind = _reducer(node)
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
                _check_constant(getattr(math, name), argument)
            elif name in ("exp", "sinh", "cosh", "expm1"):
                for term in sympy.Add.make_args(argument):
                    if term.is_number:
                        _check_constant(math.exp, term)
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
            remedy=_suggestion(name, known) or f"for a product write {name}*(...)",
        )

    def _arguments(self, name: str, node: ast.Call, count: int, scope: _Scope) -> list[Expr]:
        if len(node.args) != count:
            raise ParseError(
                f"'{name}' takes {_counted(count, 'argument')}",
                found=f"{ast.unparse(node)[:80]}, with {len(node.args)}",
                where=self._place(node, scope.line),
            )
        return [self._number(argument, scope) for argument in node.args]

    def _own_function(self, function: FunctionText, node: ast.Call, scope: _Scope) -> Expr | Boolean:
        """A function's body with its arguments read where they are used, each time in the caller's scope."""
        if function.name in scope.called:
            raise ParseError(f"function '{function.name}' calls itself", where=function.line.where)
        if len(node.args) != len(function.parameters):
            raise ParseError(
                f"'{function.name}' takes {_counted(len(function.parameters), 'argument')}",
                found=f"{ast.unparse(node)[:80]}, with {len(node.args)}",
                expected=f"{function.name}({', '.join(function.parameters)})",
                where=self._place(node, scope.line),
            )
        arguments = {name: (a, scope) for name, a in zip(function.parameters, node.args, strict=True)}
        inside = _Scope(function.line, {}, arguments, (*scope.called, function.name))
        return self._value(function.body, inside)

    def _where(self, node: ast.Call, scope: _Scope) -> Expr:
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

    def _delta(self, node: ast.Call, scope: _Scope) -> Expr:
        if len(node.args) != 2:
            raise ParseError("'delta' takes 2 arguments", where=self._place(node, scope.line))
        return Delta(*(self._integer(a, scope, "an argument of delta") for a in node.args))

    def _clamp(self, node: ast.Call, scope: _Scope) -> Expr:
        value, low, high = self._arguments("clamp", node, 3, scope)
        return minimum(maximum(value, low), high)

    def _extremum(self, node: ast.Call, scope: _Scope) -> Expr:
        name = dotted(node.func) or ""
        if len(node.args) < 2:
            raise ParseError(
                f"'{name}' of {_counted(len(node.args), 'argument')}",
                found=ast.unparse(node)[:80],
                where=self._place(node, scope.line),
                remedy=f"over an index it is {name}[i](...); elementwise it takes two or more",
            )
        first, *others = self._arguments(name, node, len(node.args), scope)
        for other in others:
            first = (maximum if name == "max" else minimum)(first, other)
        return first

    # --- reductions ---------------------------------------------------------------------------------------------------

    def _lift(self, kind: str, node: ast.Call, scope: _Scope) -> Expr:
        """A reduction inside an expression: an equation of its own, read in its place."""
        value = self._reduction(kind, node, scope, None)
        assert value is not None
        return value

    def _reduction(
        self, kind: str, node: ast.Call, scope: _Scope, target: tuple[str, tuple[Binder, ...]] | None
    ) -> Expr | None:
        """Draft a reduction as the equation of ``target`` (None: a new one, which is then read)."""
        assert isinstance(node.func, ast.Subscript)
        line, where = scope.line, self._place(node, scope.line)
        written = index_names(line, index_nodes(node.func), "a reduction's indices")
        names = [n for name in written for n in (self.leading if name is None else (name,))]
        if len(node.args) != 1 or node.keywords:
            raise ParseError(
                f"'{ast.unparse(node.func)}' takes 1 argument", found=ast.unparse(node)[:80], where=where
            )
        if kind in ("argmax", "argmin") and len(names) != 1:
            raise ParseError(f"'{kind}' runs over one index", found=ast.unparse(node)[:80], where=where)
        if not names:
            return self._number(node.args[0], scope)
        with self._bind(names, scope, where) as (inner, binders):
            body = self._number(node.args[0], inner)
            if kind == "mean":
                body = sympy.Mul(body, *(1 / b.placeholder for b in binders))
            if kind in ("max", "min"):
                for binder in binders[:0:-1]:
                    body = self._read_lifted(kind, kind, body, (binder,), where, None)
                binders = binders[:1]
            form = "sum" if kind == "mean" else kind
            return self._read_lifted(kind, form, body, tuple(binders), where, target)

    def _read_lifted(
        self,
        label: str,
        kind: str,
        body: Expr,
        bound: tuple[Binder, ...],
        where: Place,
        target: tuple[str, tuple[Binder, ...]] | None,
    ) -> Expr:
        if target is not None:
            self._draft(target[0], target[1], body, kind, bound, where)
            return None  # type: ignore[return-value]
        free = body.free_symbols
        indices = tuple(b for b in self.active if b.symbol in free and b not in bound)
        candidates = _numbered(f"{self.target}.{label}")
        name = next(n for n in candidates if n not in self.lifted and n not in self.reserved)
        self._draft(name, indices, body, kind, bound, where)
        integer = kind in ("argmax", "argmin") or (isinstance(body, IntAccess) and kind in ("max", "min"))
        self.lifted.add(name)
        return (IntAccess if integer else Access)(name, *(b.symbol for b in indices))


def _reducer(node: ast.AST) -> str | None:
    """The name of the reduction a node calls, None if it calls none."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
        name = dotted(node.func.value)
        return name if name in REDUCERS else None
    return None


def _is_extent(value: Expr) -> bool:
    return isinstance(value, Symbol) and bool(value.is_integer) and bool(value.is_positive)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}{number}"
        number += 1


def _counted(number: int, noun: str) -> str:
    plural = {"index": "indices"}.get(noun, f"{noun}s")
    return f"{number or 'no'} {noun if number == 1 else plural}"


def _declared(tensor: Tensor) -> str:
    return f", declared at {tensor.where}" if tensor.where is not None else ""


def _suggestion(name: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else None


def _as_float(value: Expr) -> float | None:
    """A constant as a float; None if it is not a real number or too large for one."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _check_constant(function: Callable[..., float | complex], *arguments: Expr) -> None:
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
_HANDLERS: dict[type[ast.AST], Callable[..., Expr | Boolean]] = {
    ast.Constant: _Elaborator._constant,
    ast.Name: _Elaborator._name,
    ast.Attribute: _Elaborator._name,
    ast.Subscript: _Elaborator._subscript,
    ast.UnaryOp: _Elaborator._unary,
    ast.BinOp: _Elaborator._binary,
    ast.Compare: _Elaborator._compare,
    ast.BoolOp: _Elaborator._boolean,
    ast.Call: _Elaborator._call,
}
_SPECIAL: dict[str, Callable[..., Expr]] = {
    "where": _Elaborator._where,
    "delta": _Elaborator._delta,
    "clamp": _Elaborator._clamp,
    "max": _Elaborator._extremum,
    "min": _Elaborator._extremum,
}
