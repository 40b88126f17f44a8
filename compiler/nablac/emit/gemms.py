"""emit/gemms: the text of the matrix products that a module carries: ``_gemm_nt``, ``_gemm_nn``, ``_gemm_tn``.

Numba has a matrix product only where SciPy is installed, and at these sizes BLAS reaches half of the peak.  Two
intrinsics print a tile of sums that stays in SIMD registers, as LLVM code: for NN and TN a vector of the result's
columns times broadcast elements, for NT a vector along the depth, added up at the end.  The loops over tiles are
plain Numba.  A tile at an edge repeats its last row and masks its last columns.
"""

from __future__ import annotations

COMMON = '''
# Matrix products: tiles of sums in SIMD registers.  The vector's width is the processor's.
_FEATURES = binding.get_host_cpu_features()
_WIDE = bool(_FEATURES.get("avx512f"))
_LANES = (64 if _WIDE else 32 if _FEATURES.get("avx") else 16)//np.dtype(real).itemsize
_INT = ir.IntType(64)


def _parts(context, builder, signature, arguments):
    """The vector type; the pointers of the three arrays; the result's shape; the other arguments."""
    arrays = [context.make_array(t)(context, builder, v) for t, v in zip(signature.args[:3], arguments[:3])]
    vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), _LANES)
    return vector, [a.data for a in arrays], cgutils.unpack_tuple(builder, arrays[2].shape, 2), arguments[3:-1]


def _at(builder, pointer, *terms):
    """The pointer moved by a sum of products of integers."""
    for a, b in terms:
        pointer = builder.gep(pointer, [builder.mul(a, b)])
    return pointer


def _splat(builder, value):
    """The value in every lane."""
    kind = ir.VectorType(value.type, _LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0]*_LANES))


def _mask(builder, count):
    """The first ``count`` lanes."""
    lanes = ir.Constant(ir.VectorType(_INT, _LANES), list(range(_LANES)))
    return builder.icmp_signed("<", lanes, _splat(builder, count))


def _call(builder, name, result, vector, arguments, **options):
    """A call of LLVM's intrinsic of this name for the vector's type."""
    name = f"llvm.{name}.v{_LANES}f{8*np.dtype(real).itemsize}" + (".p0" if "masked" in name else "")
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **options)


def _load(builder, vector, pointer, mask=None):
    """A vector from memory; lanes outside the mask are 0 and not read."""
    pointer = builder.bitcast(pointer, vector.as_pointer())
    if mask is None:
        return builder.load(pointer, align=4)
    return _call(builder, "masked.load", vector, vector, [pointer, ir.IntType(32)(4), mask, vector(None)])


def _add_product(builder, sum, a, b):
    """sum += a*b."""
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(sum), product, flags=("contract",)), sum)


def _rows(builder, first, size, count, whole):
    """``count`` row numbers from ``first``; those outside the matrix repeat its last row."""
    last = builder.sub(size, _INT(1))
    rows = [builder.add(first, _INT(r)) for r in range(count)]
    return rows if whole else [builder.select(builder.icmp_signed("<", r, size), r, last) for r in rows]


@intrinsic
def _noinline(typing):
    """Keeps the calling function one function: its callers need not optimise it again."""
    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()
    return types.void(), emit
'''

OUTER = '''
_TILE = (8, 2*_LANES) if _WIDE else (6, 2*_LANES)


@intrinsic(prefer_literal=True)
def _tile(typing, a, b, c, a_row, a_step, i, j, depth, scale, whole):
    """c[i:, j:] = scale*(sum over k of a[i*a_row + k*a_step]*b[k, j:]) for one tile."""
    def emit(context, builder, signature, arguments):
        vector, (pa, pb, pc), (rows, columns), (a_row, a_step, i, j, depth, scale) = _parts(
            context, builder, signature, arguments)
        full = signature.args[-1].literal_value
        tile_rows = _rows(builder, i, rows, _TILE[0], full)
        starts = [builder.add(j, _INT(at)) for at in range(0, _TILE[1], _LANES)]
        masks = [None if full else _mask(builder, builder.sub(columns, s)) for s in starts]
        zero = vector(None)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in starts] for _ in tile_rows]
        with cgutils.for_range(builder, depth) as loop:
            row = _at(builder, pb, (loop.index, columns))
            values = [_load(builder, vector, builder.gep(row, [s]), m) for s, m in zip(starts, masks)]
            for r, line in zip(tile_rows, sums):
                factor = _splat(builder, builder.load(_at(builder, pa, (r, a_row), (loop.index, a_step))))
                for sum, value in zip(line, values):
                    _add_product(builder, sum, factor, value)
        scale = _splat(builder, scale)
        for r, line in zip(tile_rows, sums):
            for start, mask, sum in zip(starts, masks, line):
                place = builder.bitcast(builder.gep(_at(builder, pc, (r, columns)), [start]), vector.as_pointer())
                value = builder.fmul(scale, builder.load(sum))
                if full:
                    builder.store(value, place, align=4)
                else:
                    _call(builder, "masked.store", ir.VoidType(), vector, [value, place, ir.IntType(32)(4), mask])
        return context.get_dummy_value()
    whole = types.literal(whole.literal_value)
    return types.void(a, b, c, *[types.int64]*5, scale, whole), emit


@kernel
def _tiles(a, b, c, a_row, a_step, depth, scale):
    """c = scale*(the product), where a's element (i, k) stands at i*a_row + k*a_step."""
    _noinline()
    rows, columns = c.shape
    for j in range(0, columns, _TILE[1]):
        for i in range(0, rows, _TILE[0]):
            if i + _TILE[0] <= rows and j + _TILE[1] <= columns:
                _tile(a, b, c, a_row, a_step, i, j, depth, scale, True)
            else:
                _tile(a, b, c, a_row, a_step, i, j, depth, scale, False)
'''

NN = '''
@kernel
def _gemm_nn(a, b, c, scale):
    """c = scale*(a @ b)."""
    _tiles(a, b, c, a.shape[1], 1, a.shape[1], scale)
'''

TN = '''
@kernel
def _gemm_tn(a, b, c, scale):
    """c = scale*(a.T @ b)."""
    _tiles(a, b, c, 1, a.shape[1], a.shape[0], scale)
'''

NT = '''
_DOTS = (6, 4) if _WIDE else (3, 3)


@intrinsic(prefer_literal=True)
def _dots(typing, a, b, c, i, j, depth, scale, whole):
    """c[i:, j:] = scale*(sum over k of a[i:, k]*b[j:, k]) for one tile."""
    def emit(context, builder, signature, arguments):
        vector, (pa, pb, pc), (rows, columns), (i, j, depth, scale) = _parts(context, builder, signature, arguments)
        full = signature.args[-1].literal_value
        tile_rows = _rows(builder, i, rows, _DOTS[0], full)
        tile_columns = _rows(builder, j, columns, _DOTS[1], full)
        lefts = [_at(builder, pa, (r, depth)) for r in tile_rows]
        rights = [_at(builder, pb, (q, depth)) for q in tile_columns]
        sums = [[cgutils.alloca_once_value(builder, vector(None)) for _ in rights] for _ in lefts]

        def step(k, mask=None):
            values = [_load(builder, vector, builder.gep(p, [k]), mask) for p in lefts]
            for column, p in enumerate(rights):
                factor = _load(builder, vector, builder.gep(p, [k]), mask)
                for line, value in zip(sums, values):
                    _add_product(builder, line[column], factor, value)

        main = builder.sub(depth, builder.urem(depth, _INT(_LANES)))
        with cgutils.for_range_slice(builder, _INT(0), main, _INT(_LANES)) as (k, _):
            step(k)
        with builder.if_then(builder.icmp_signed("<", main, depth)):
            step(main, _mask(builder, builder.sub(depth, main)))
        for r, line in zip(tile_rows, sums):
            for q, sum in zip(tile_columns, line):
                start = vector.element(-0.0)
                total = _call(builder, "vector.reduce.fadd", vector.element, vector,
                              [start, builder.load(sum)], fastmath=("reassoc",))
                builder.store(builder.fmul(scale, total), builder.gep(_at(builder, pc, (r, columns)), [q]))
        return context.get_dummy_value()
    whole = types.literal(whole.literal_value)
    return types.void(a, b, c, *[types.int64]*3, scale, whole), emit


@kernel
def _gemm_nt(a, b, c, scale):
    """c = scale*(a @ b.T)."""
    _noinline()
    rows, columns = c.shape
    depth = a.shape[1]
    for j in range(0, columns, _DOTS[1]):
        for i in range(0, rows, _DOTS[0]):
            if i + _DOTS[0] <= rows and j + _DOTS[1] <= columns:
                _dots(a, b, c, i, j, depth, scale, True)
            else:
                _dots(a, b, c, i, j, depth, scale, False)
'''


def gemm_text(forms: frozenset[str]) -> str:
    """The products of these forms with what they need, as the module prints them; empty if there is none."""
    if not forms:
        return ""
    parts = [COMMON]
    if "NT" in forms:
        parts.append(NT)
    if forms & {"NN", "TN"}:
        parts.append(OUTER)
    parts += [text for form, text in (("NN", NN), ("TN", TN)) if form in forms]
    return "\n\n\n".join(part.strip("\n") for part in parts)


IMPORTS = """from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic"""
"""What the products need beyond ``numpy as np``, ``real`` and ``kernel``."""
