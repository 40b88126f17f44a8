"""interchange/onnx_bodies: a scalar body -> ONNX nodes over whole tensors, its indices aligned by broadcasting.

As ``emit/numpy_expression`` does it in text: given a layout, the indices in axis order, every piece broadcasts against
a tensor of that layout; both branches of a ``where`` are computed, so an index that a condition guards is clipped.

Cannot be said here: reductions and equations.  Those belong to ``interchange/onnx_printer``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy
from sympy import Add, Expr, Integer, Mul, Pow, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Not, Or

from nablac.interchange.onnx_functions import exprel, operation
from nablac.interchange.onnx_graph import Graph, Value
from nablac.ir import functions as f
from nablac.ir.equation import Program
from nablac.ir.functions import Access, Delta, IntAccess, Where

Axes = tuple[Symbol, ...]
RELATIONS = {"==": "Equal", "<": "Less", "<=": "LessOrEqual", ">": "Greater", ">=": "GreaterOrEqual"}


class Inexpressible(Exception):
    """A part of a body that has no operator."""


class Bodies:
    """The nodes of one program's bodies.  ``values`` are the tensors so far, ``ranges`` the equation's indices."""

    def __init__(self, graph: Graph, program: Program, values: Mapping[str, Value]) -> None:
        self.graph, self.program, self.values = graph, program, values
        self.ranges: Mapping[Symbol, Expr] = {}
        self._guards = 0

    # --- real expressions -----------------------------------------------------------------------------------------

    def real(self, e: Expr, layout: Axes) -> Value:
        """The value of a real expression."""
        if e.is_number:
            return self.graph.number(float(e.evalf(20)))
        if isinstance(e, IntAccess | Symbol | Delta):
            return self.graph.real(self.integer(e, layout))
        printers: dict[type, Callable[[Expr, Axes], Value]] = {
            Add: self._sum, Mul: self._product, Pow: self._power, Where: self._where, f.exprel: self._exprel,
            Access: self._access,
        }  # fmt: skip
        if type(e) in printers:
            return printers[type(e)](e, layout)
        made = operation(type(e), self.graph.dtype)
        if made is None:
            raise Inexpressible(str(e))
        return made(*(self.real(a, layout) for a in e.args))

    def _sum(self, e: Expr, layout: Axes) -> Value:
        terms = sorted(e.args, key=lambda term: (term.could_extract_minus_sign(), -len(self.depends(term, layout))))
        value = self.real(terms[0], layout)
        for term in terms[1:]:
            minus = term.could_extract_minus_sign()
            value = value - self.real(-term, layout) if minus else value + self.real(term, layout)
        return value

    def _product(self, e: Expr, layout: Axes) -> Value:
        """Factors above the line, then those below, then the constant."""
        above = [x for x in e.args if not x.is_number and not _below(x)]
        below = [1 / x for x in e.args if not x.is_number and _below(x)]
        constant = Mul(*(x for x in e.args if x.is_number))
        if not above:
            return self._over(self.real(constant, layout), below, layout)
        value = self.real(above[0], layout)
        for factor in above[1:]:
            value = value * self.real(factor, layout)
        return self.scaled(self._over(value, below, layout), constant)

    def _over(self, value: Value, below: list[Expr], layout: Axes) -> Value:
        return value / self.real(Mul(*below), layout) if below else value

    def scaled(self, value: Value, constant: Expr) -> Value:
        """A value times a number, or, where that is exact and the product is not, over one."""
        if constant in (1, -1):
            return value if constant == 1 else -value
        above, below = constant.as_numer_denom()
        if above in (1, -1) and below.is_Integer:
            return value / int(below * above)
        return value * float(constant.evalf(20))

    def _power(self, e: Expr, layout: Axes) -> Value:
        base, exponent = e.args
        if _below(e):
            return 1 / self.real(1 / e, layout)
        value = self.real(base, layout)
        if exponent == sympy.S.Half:
            return value.op("Sqrt")
        return value * value if exponent == 2 else value.op("Pow", self.real(exponent, layout))

    def _where(self, e: Expr, layout: Axes) -> Value:
        self._guards += 1
        condition = self.condition(e.args[0], layout)
        first, second = (self.real(branch, layout) for branch in e.args[1:])
        self._guards -= 1
        return condition.choose(first, second)

    def _exprel(self, e: Expr, layout: Axes) -> Value:
        return exprel(self.real(e.args[0], layout), int(e.args[1]))

    # --- conditions -----------------------------------------------------------------------------------------------

    def condition(self, c: Boolean, layout: Axes) -> Value:
        """A condition as a tensor of truth values."""
        if isinstance(c, Relational):
            whole = all(x.is_integer and x.atoms(Access) == x.atoms(IntAccess) for x in c.args)
            left, right = ((self.integer if whole and not x.atoms(f.Defined) else self.real)(x, layout) for x in c.args)
            if left.whole != right.whole:
                left, right = (self.graph.real(v) if v.whole else v for v in (left, right))
            if c.rel_op == "!=":
                return left.equal(right).op("Not")
            return left.op(RELATIONS[c.rel_op], right)
        if isinstance(c, Not):
            return self.condition(c.args[0], layout).op("Not")
        if isinstance(c, And | Or):
            parts = [self.condition(a, layout) for a in sorted(c.args, key=sympy.default_sort_key)]
            value = parts[0]
            for part in parts[1:]:
                value = value.op("And" if isinstance(c, And) else "Or", part)
            return value
        raise Inexpressible(str(c))

    # --- integers and indices -------------------------------------------------------------------------------------

    def integer(self, e: Expr, layout: Axes) -> Value:
        """The value of an integer expression: int64."""
        if isinstance(e, Integer):
            return self.graph.integers(int(e))
        if isinstance(e, IntAccess):
            return self._access(e, layout)
        if isinstance(e, Symbol):
            return self._symbol(e, layout)
        if isinstance(e, Delta):
            first, second = (self.integer(a, layout) for a in e.args)
            return first.equal(second).choose(self.graph.integers(1), self.graph.integers(0))
        if isinstance(e, Add | Mul) and all(a.is_integer for a in e.args):
            value = self.integer(e.args[0], layout)
            for part in e.args[1:]:
                more = self.integer(part, layout)
                value = value + more if isinstance(e, Add) else value * more
            return value
        if isinstance(e, Where):
            first, second = (self.integer(a, layout) for a in e.args[1:])
            return self.condition(e.args[0], layout).choose(first, second)
        raise Inexpressible(str(e))

    def _symbol(self, e: Symbol, layout: Axes) -> Value:
        """An index counts along its axis; an extent is read off a tensor's shape."""
        if e in self.ranges:
            zero, one = self.graph.integers(0), self.graph.integers(1)
            count = self.graph.op("Range", zero, self.integer(self.ranges[e], ()), one, whole=True)
            return self.aligned(count, (e,), layout)
        telling = next(t for t in self.program.tensors if t.name in self.values and e in t.shape)
        shape = self.graph.op("Shape", self.values[telling.name], whole=True)
        place = self.graph.integers(telling.shape.index(e))
        return self.graph.op("Gather", shape, place, whole=True)

    def sizes(self, extents: tuple[Expr, ...]) -> Value:
        """A shape, as a vector."""
        if all(n.is_Integer for n in extents):
            return self.graph.integers(int(n) for n in extents)
        first = self.graph.integers([0])
        parts = [self.graph.op("Unsqueeze", self.integer(n, ()), first, whole=True) for n in extents]
        return self.graph.op("Concat", *parts, whole=True, axis=0)

    def expanded(self, value: Value, extents: tuple[Expr, ...]) -> Value:
        """A value repeated along the axes that it lacks."""
        return self.graph.op("Expand", value, self.sizes(extents), whole=value.whole)

    def aligned(self, value: Value, axes: Axes, layout: Axes) -> Value:
        """A tensor whose axes are ``axes``, transposed and widened so that it broadcasts against the layout."""
        ordered = [i for i in layout if i in axes]
        if list(axes) != ordered:
            value = self.graph.op("Transpose", value, whole=value.whole, perm=[axes.index(i) for i in ordered])
        if not ordered:
            return value
        inner = layout[layout.index(ordered[0]) :]
        lacking = [place for place, i in enumerate(inner) if i not in axes]
        if not lacking:
            return value
        return self.graph.op("Unsqueeze", value, self.graph.integers(lacking), whole=value.whole)

    def _access(self, a: Access, layout: Axes) -> Value:
        """The elements that an access reads."""
        value, axes = self.elements(a, layout)
        return self.aligned(value, axes, layout)

    def elements(self, a: Access, layout: Axes) -> tuple[Value, Axes]:
        """The elements that an access reads, and the axes that they have by themselves."""
        value = self.values[a.tensor]
        shape = self.program.declared[a.tensor].shape
        used = [self.depends(e, layout) for e in a.indices]
        every = [i for symbols in used for i in symbols]
        if len(every) != len(set(every)):
            return self._picked(value, a, shape, tuple(i for i in layout if i in every))
        axes: list[Symbol] = []
        for e, n, symbols in zip(a.indices, shape, used, strict=True):
            if symbols != (e,) or self.ranges[e] != n:
                value = self._taken(value, len(axes), e, n, symbols)
            axes += symbols
        return value, tuple(axes)

    def _taken(self, value: Value, axis: int, e: Expr, n: Expr, symbols: Axes) -> Value:
        """Elements along one axis: a slice, or those at some places."""
        step = e.diff(symbols[0]) if len(symbols) == 1 and not e.atoms(IntAccess) else None
        if step is not None and step.is_Integer and step > 0 and self._inside(e, n):
            start = sympy.expand(e - step * symbols[0])
            stop = sympy.expand(start + step * (self.ranges[symbols[0]] - 1) + 1)
            bounds = [self.sizes((bound,)) for bound in (start, stop, Integer(axis), step)]
            return self.graph.op("Slice", value, *bounds, whole=value.whole)
        return self.graph.op("Gather", value, self._clipped(e, n, symbols), whole=value.whole, axis=axis)

    def _picked(self, value: Value, a: Access, shape: tuple[Expr, ...], axes: Axes) -> tuple[Value, Axes]:
        """Elements by all their indices at once, where an index stands in several places."""
        extents, last = tuple(self.ranges[i] for i in axes), self.graph.integers([-1])
        places = [
            self.graph.op("Unsqueeze", self.expanded(self._clipped(e, n, axes), extents), last, whole=True)
            for e, n in zip(a.indices, shape, strict=True)
        ]
        indices = self.graph.op("Concat", *places, whole=True, axis=-1)
        return self.graph.op("GatherND", value, indices, whole=value.whole), axes

    def _clipped(self, e: Expr, n: Expr, axes: Axes) -> Value:
        value = self.integer(e, axes)
        if self._guards and not self._inside(e, n):
            return value.op("Max", 0).op("Min", self.integer(sympy.expand(n - 1), ()))
        return value

    def _inside(self, e: Expr, n: Expr) -> bool:
        """Whether an index provably stays inside an axis of length n."""
        low = high = Integer(0)
        for term in Add.make_args(sympy.expand(e)):
            factor, rest = term.as_coeff_Mul()
            if rest in self.ranges:
                last = self.ranges[rest] - 1
            elif isinstance(rest, IntAccess):
                bound = self.program.declared[rest.tensor].bound
                if bound is None:
                    return False
                last = bound - 1
            else:
                low, high = low + term, high + term
                continue
            low, high = (low, high + factor * last) if factor > 0 else (low + factor * last, high)
        return bool(low.is_nonnegative) and bool(sympy.expand(n - 1 - high).is_nonnegative)

    @staticmethod
    def depends(e: Expr, layout: Axes) -> Axes:
        """The indices that an expression holds, in the layout's order."""
        free = e.free_symbols
        return tuple(i for i in layout if i in free)


def _below(e: Expr) -> bool:
    """Whether a factor stands below the line."""
    return isinstance(e, Pow) and bool(e.args[1].could_extract_minus_sign())
