"""ir/elaborate: one statement's tree -> equations with at most one reduction each; the second half of reading.

A reduction inside an expression becomes an equation of its own, named after its target: ``h.sum``, ``loss.mean``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, S, Symbol

from nablac.errors import NameError_, ParseError, Place, ShapeError
from nablac.ir.calls import CallReader, reducer
from nablac.ir.equation import Equation, Origin, Reduction
from nablac.ir.extents import Binder, check_bounds, solve
from nablac.ir.functions import ROW, Access, IntAccess, absolute
from nablac.ir.index import fresh_names, index
from nablac.ir.scope import BUILT_IN, Names, Scope, numbered
from nablac.ir.syntax import EquationText, dotted, index_names, index_nodes, is_ellipsis
from nablac.ir.tensor import Kind, Role, Tensor


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


class _Elaborator(CallReader):
    """The walk over one statement."""

    def __init__(self, text: EquationText, names: Names) -> None:
        super().__init__(names.rename(text.target), names)
        self.text, self.line = text, text.line
        self.reserved = names.reserved()
        self.binders: list[Binder] = []
        self.drafts: list[_Draft] = []
        self.lifted: set[str] = set()
        self.leading = self._leading_indices()
        self.stated: Mapping[str, Expr] = {r.index: self._extent(r.extent) for r in text.ranges}

    def run(self) -> list[tuple[Equation, Tensor]]:
        names = [n for name in self.text.indices for n in (self.leading if name is None else (name,))]
        if len(set(names)) != len(names):
            raise ParseError(f"'{self.target}' names an index twice", where=self.line.where)
        with self._bind(names, Scope(self.line, {}), self.line.where) as (scope, binders):
            self._root(self.text.body, scope, tuple(binders))
        unused = [r for r in self.text.ranges if all(b.name != r.index for b in self.binders)]
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

    def _root(self, node: ast.expr, scope: Scope, binders: tuple[Binder, ...]) -> None:
        """The statement's own equation: a reduction that is the whole right side stays in it."""
        kind = reducer(node)
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
        rows = {row: S.Zero if extents[e].is_Integer else ROW for e, row in self.rows.items()}
        body = draft.body.xreplace(rows).xreplace(dict(extents))
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
        value = self._integer(node, Scope(self.line, {}), "an extent")
        if value.is_Integer and not 1 <= int(value) < 2**31:
            raise ShapeError(
                "an extent is a whole number from 1 to 2,147,483,647",
                found=str(value),
                where=self._place(node, self.line),
            )
        if value.atoms(Access):
            raise ParseError(
                "an extent is made of numbers and extents", found=str(value), where=self._place(node, self.line)
            )
        return value

    # --- indices ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _bind(self, names: Iterable[str], scope: Scope, where: Place) -> Iterator[tuple[Scope, list[Binder]]]:
        """The scope in which the named indices are in force; one that a caller uses too gets another symbol."""
        indices, made = dict(scope.indices), list[Binder]()
        for name in names:
            self._check_index(name, indices, where)
            taken = self.reserved | {b.symbol.name for b in self.active}
            symbol = name if name not in taken else next(n for n in numbered(name) if n not in taken)
            binder = Binder(index(symbol), name, where, len(self.binders) + len(made))
            if name in self.stated:
                binder.extent, binder.stated = self.stated[name], True
            indices[name] = binder
            made.append(binder)
            self.active.append(binder)
        self.binders += made
        try:
            yield replace(scope, indices=indices), made
        finally:
            del self.active[len(self.active) - len(made) :]

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
            raise NameError_(f"'{name}' cannot be an index: it is {what}", where=where, remedy="name it otherwise")

    # --- reductions ---------------------------------------------------------------------------------------------------

    def _lift(self, kind: str, node: ast.Call, scope: Scope) -> Expr:
        """A reduction inside an expression: an equation of its own, read in its place."""
        value = self._reduction(kind, node, scope, None)
        assert value is not None
        return value

    def _reduction(
        self, kind: str, node: ast.Call, scope: Scope, target: tuple[str, tuple[Binder, ...]] | None
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
    ) -> Expr | None:
        if target is not None:
            self._draft(target[0], target[1], body, kind, bound, where)
            return None
        free = body.free_symbols
        indices = tuple(b for b in self.active if b.symbol in free and b not in bound)
        candidates = numbered(f"{self.target}.{label}")
        name = next(n for n in candidates if n not in self.lifted and n not in self.reserved)
        self._draft(name, indices, body, kind, bound, where)
        integer = kind in ("argmax", "argmin") or (isinstance(body, IntAccess) and kind in ("max", "min"))
        self.lifted.add(name)
        return (IntAccess if integer else Access)(name, *(b.symbol for b in indices))
