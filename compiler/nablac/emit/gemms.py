"""emit/gemms: the text of what the module adds to Numba: views of arenas and matrix products.

Numba has a matrix product only where SciPy is installed, and at these sizes BLAS reaches half of the peak.  One
intrinsic prints a tile of sums that stays in SIMD registers, as LLVM code: for a contiguous right operand a vector of
the result's columns times broadcast elements, for a transposed one a vector along the depth, added up at the end.
The loops over tiles are plain Numba.  A tile at an edge repeats its last row and masks its last columns.
"""

from __future__ import annotations

IMPORTS = """
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj
"""

VIEW = '''
@intrinsic
def _view(typing, arena, start, shape):
    """The array of this shape that lies in the arena from ``start`` on."""
    array = types.Array(arena.dtype, shape.count, "C")

    def emit(context, builder, signature, arguments):
        base = context.make_array(arena)(context, builder, arguments[0])
        lengths = cgutils.unpack_tuple(builder, arguments[2])
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(arena.dtype)))
        strides = [size]
        for length in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        view = context.make_array(array)(context, builder)
        arrayobj.populate_array(view, builder.gep(base.data, [arguments[1]]), lengths, strides, size, None)
        return view._getvalue()

    return array(arena, types.int64, types.UniTuple(types.int64, shape.count)), emit
'''

PRODUCT = '''
# Matrix products: tiles of sums that stay in SIMD registers, whose width is the processor's.
_FEATURES = binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
_LANES = _BYTES//np.dtype(real).itemsize
_OUTER = (8 if _BYTES == 64 else 6, 2*_LANES)  # rows and columns of a tile, with a vector along the columns
_DOTS = (6, 4) if _BYTES == 64 else (3, 3)  # and with a vector along the depth
_INT = ir.IntType(64)


def _splat(builder, value):
    """The value in every lane."""
    kind, zeros = ir.VectorType(value.type, _LANES), ir.VectorType(ir.IntType(32), _LANES)(None)
    first = builder.insert_element(kind(ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, zeros)


def _mask(builder, count):
    """The first ``count`` lanes."""
    lanes = ir.VectorType(_INT, _LANES)(list(range(_LANES)))
    return builder.icmp_signed("<", lanes, _splat(builder, count))


def _llvm(builder, name, result, arguments, **options):
    """A call of LLVM's intrinsic of this name on vectors."""
    kind = ir.FunctionType(result, [a.type for a in arguments])
    name = f"llvm.{name}.v{_LANES}f{8*np.dtype(real).itemsize}" + ".p0"*name.startswith("masked")
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **options)


def _load(builder, vector, pointer, mask):
    """A vector from memory; what lies outside the mask is 0 and not read."""
    pointer = builder.bitcast(pointer, vector.as_pointer())
    if mask is None:
        return builder.load(pointer, align=4)
    return _llvm(builder, "masked.load", vector, [pointer, ir.IntType(32)(4), mask, vector(None)])


def _store(builder, value, pointer, mask):
    """A vector to memory; what lies outside the mask is not written."""
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    if mask is None:
        builder.store(value, pointer, align=4)
    else:
        _llvm(builder, "masked.store", ir.VoidType(), [value, pointer, ir.IntType(32)(4), mask])


def _add_product(builder, total, a, b):
    """total += a*b."""
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def _places(builder, first, size, count, whole):
    """``count`` row numbers from ``first``; those outside the matrix repeat its last row."""
    places = [builder.add(first, _INT(at)) for at in range(count)]
    last = builder.sub(size, _INT(1))
    return places if whole else [builder.select(builder.icmp_signed("<", p, size), p, last) for p in places]


@intrinsic(prefer_literal=True)
def _tile(typing, a, b, c, i, j, depth, scale, whole):
    """c[i:, j:] = scale*(a @ b)[i:, j:] for one tile, all of it in registers."""

    def outer(builder, a, b, c, a_strides, shape, i, j, depth, scale):
        rows, columns = _places(builder, i, shape[0], _OUTER[0], full), shape[1]
        starts = [builder.add(j, _INT(at)) for at in range(0, _OUTER[1], _LANES)]
        masks = [None if full else _mask(builder, builder.sub(columns, start)) for start in starts]
        totals = [[cgutils.alloca_once_value(builder, vector(None)) for _ in starts] for _ in rows]
        lefts = [builder.gep(a, [builder.mul(row, a_strides[0])]) for row in rows]
        with cgutils.for_range(builder, depth) as loop:
            right = builder.gep(b, [builder.mul(loop.index, columns)])
            values = [_load(builder, vector, builder.gep(right, [s]), mask) for s, mask in zip(starts, masks)]
            for left, line in zip(lefts, totals):
                factor = builder.load(builder.gep(left, [builder.mul(loop.index, a_strides[1])]))
                for total, value in zip(line, values):
                    _add_product(builder, total, _splat(builder, factor), value)
        for row, line in zip(rows, totals):
            for start, mask, total in zip(starts, masks, line):
                value = builder.fmul(_splat(builder, scale), builder.load(total))
                _store(builder, value, builder.gep(c, [builder.add(builder.mul(row, columns), start)]), mask)

    def dots(builder, a, b, c, a_strides, shape, i, j, depth, scale):
        rows, columns = (_places(builder, *which, full) for which in ((i, shape[0], _DOTS[0]), (j, shape[1], _DOTS[1])))
        totals = [[cgutils.alloca_once_value(builder, vector(None)) for _ in columns] for _ in rows]
        lefts = [builder.gep(a, [builder.mul(row, depth)]) for row in rows]
        rights = [builder.gep(b, [builder.mul(column, depth)]) for column in columns]

        def step(k, mask=None):
            values = [_load(builder, vector, builder.gep(left, [k]), mask) for left in lefts]
            for at, right in enumerate(rights):
                factor = _load(builder, vector, builder.gep(right, [k]), mask)
                for line, value in zip(totals, values):
                    _add_product(builder, line[at], factor, value)

        main = builder.sub(depth, builder.urem(depth, _INT(_LANES)))
        with cgutils.for_range_slice(builder, _INT(0), main, _INT(_LANES)) as (k, _):
            step(k)
        with builder.if_then(builder.icmp_signed("<", main, depth)):
            step(main, _mask(builder, builder.sub(depth, main)))
        for row, line in zip(rows, totals):
            for column, total in zip(columns, line):
                lanes = [vector.element(-0.0), builder.load(total)]
                value = _llvm(builder, "vector.reduce.fadd", vector.element, lanes, fastmath=("reassoc",))
                place = builder.add(builder.mul(row, shape[1]), column)
                builder.store(builder.fmul(scale, value), builder.gep(c, [place]))

    def emit(context, builder, signature, arguments):
        arrays = [context.make_array(t)(context, builder, v) for t, v in zip((a, b, c), arguments)]
        shape = cgutils.unpack_tuple(builder, arrays[2].shape, 2)
        steps = [_INT(1), cgutils.unpack_tuple(builder, arrays[0].shape, 2)[a.layout == "C"]]
        a_strides = steps[::-1] if a.layout == "C" else steps
        (dots if b.layout == "F" else outer)(builder, *(x.data for x in arrays), a_strides, shape, *arguments[3:-1])
        return context.get_dummy_value()

    full = whole.literal_value
    vector = ir.VectorType(ir.DoubleType() if c.dtype == types.float64 else ir.FloatType(), _LANES)
    return types.void(a, b, c, types.int64, types.int64, types.int64, c.dtype, whole), emit


@intrinsic
def _alone(typing):
    """Keeps the calling function out of line, so that its callers do not optimise it again."""

    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def _tile_shape(typing, b):
    """Rows and columns of a tile for this right operand."""

    def emit(context, builder, signature, arguments):
        return cgutils.pack_array(builder, [_INT(size) for size in (_DOTS if b.layout == "F" else _OUTER)])

    return types.UniTuple(types.int64, 2)(b), emit


@kernel
def _gemm(a, b, c, scale=real(1)):
    """c = scale*(a @ b); a and b are contiguous or the transposes (.T) of contiguous arrays, not both transposes."""
    _alone()
    rows, columns = c.shape
    depth = a.shape[1]
    tile_rows, tile_columns = _tile_shape(b)
    for j in range(0, columns, tile_columns):
        for i in range(0, rows, tile_rows):
            if i + tile_rows <= rows and j + tile_columns <= columns:
                _tile(a, b, c, i, j, depth, scale, True)
            else:
                _tile(a, b, c, i, j, depth, scale, False)
'''


def support_text(products: bool) -> str:
    """What the native functions stand on, to be run where Numba is: views, and the matrix product if one is used."""
    parts = [IMPORTS, VIEW, PRODUCT] if products else [IMPORTS, VIEW]
    text = "\n\n\n".join(part.strip("\n") for part in parts)
    return text if products else text.replace("from llvmlite import binding, ir\n", "")
