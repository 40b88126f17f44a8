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
_FEATURES = binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
_LANES = _BYTES//np.dtype(real).itemsize  # numbers in a SIMD register
_OUTER = (8 if _BYTES == 64 else 6, 2*_LANES)  # rows and columns of a tile whose vectors lie along the columns
_DOTS = (6, 4) if _BYTES == 64 else (3, 3)  # and of one whose vectors lie along the depth
_INT, _LANE, _ONE = ir.IntType(64), ir.IntType(32), real(1)


def _splat(builder, value):
    """The value in every lane."""
    one = builder.insert_element(ir.VectorType(value.type, _LANES)(ir.Undefined), value, _LANE(0))
    return builder.shuffle_vector(one, one, ir.VectorType(_LANE, _LANES)(None))


def _first(builder, count):
    """The mask of the first ``count`` lanes."""
    return builder.icmp_signed("<", ir.VectorType(_INT, _LANES)(list(range(_LANES))), _splat(builder, count))


def _llvm(builder, name, result, arguments, **options):
    """A call of LLVM's intrinsic of this name on vectors."""
    name = f"llvm.{name}.v{_LANES}f{8*np.dtype(real).itemsize}" + ".p0"*name.startswith("masked")
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **options)


def _load(builder, vector, pointer, mask):
    """A vector from memory; what lies outside the mask is not read."""
    pointer = builder.bitcast(pointer, vector.as_pointer())
    if mask is None:
        return builder.load(pointer, align=4)
    return _llvm(builder, "masked.load", vector, [pointer, _LANE(4), mask, vector(None)])


def _store(builder, value, pointer, mask):
    """A vector to memory; what lies outside the mask is not written."""
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    if mask is None:
        return builder.store(value, pointer, align=4)
    return _llvm(builder, "masked.store", ir.VoidType(), [value, pointer, _LANE(4), mask])


def _add_product(builder, total, a, b):
    """total += a*b."""
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def _outer(builder, vector, a, b, c, steps, columns, depth, rows, starts, masks, scale):
    """A tile as a sum of outer products: a column of a, one element after another, times vectors of a row of b."""
    totals = [[cgutils.alloca_once_value(builder, vector(None)) for _ in starts] for _ in rows]
    with cgutils.for_range(builder, depth) as loop:
        right = builder.gep(b, [builder.mul(loop.index, columns)])
        pieces = [(builder.gep(right, [at]), mask) for at, mask in zip(starts, masks, strict=True)]
        values = [_load(builder, vector, piece, mask) for piece, mask in pieces]
        for row, line in zip(rows, totals, strict=True):
            left = builder.gep(builder.gep(a, [builder.mul(row, steps[0])]), [builder.mul(loop.index, steps[1])])
            factor = _splat(builder, builder.load(left))
            for total, value in zip(line, values, strict=True):
                _add_product(builder, total, factor, value)
    for row, line in zip(rows, totals, strict=True):
        for at, mask, total in zip(starts, masks, line, strict=True):
            value = builder.fmul(_splat(builder, scale), builder.load(total))
            _store(builder, value, builder.gep(c, [builder.add(builder.mul(row, columns), at)]), mask)


def _dots(builder, vector, a, b, c, columns, depth, rows, places, scale):
    """A tile as scalar products of rows of a with rows of b.T: vectors of partial sums, added up at the end."""
    totals = [[cgutils.alloca_once_value(builder, vector(None)) for _ in places] for _ in rows]
    lefts, rights = ([builder.gep(p, [builder.mul(at, depth)]) for at in of] for p, of in ((a, rows), (b, places)))

    def step(k, mask=None):
        values = [_load(builder, vector, builder.gep(left, [k]), mask) for left in lefts]
        for at, right in enumerate(rights):
            factor = _load(builder, vector, builder.gep(right, [k]), mask)
            for line, value in zip(totals, values, strict=True):
                _add_product(builder, line[at], factor, value)

    main = builder.sub(depth, builder.urem(depth, _INT(_LANES)))
    with cgutils.for_range_slice(builder, _INT(0), main, _INT(_LANES)) as (k, _):
        step(k)
    with builder.if_then(builder.icmp_signed("<", main, depth)):
        step(main, _first(builder, builder.sub(depth, main)))
    for row, line in zip(rows, totals, strict=True):
        for at, total in zip(places, line, strict=True):
            lanes = [vector.element(-0.0), builder.load(total)]
            value = _llvm(builder, "vector.reduce.fadd", vector.element, lanes, fastmath=("reassoc",))
            builder.store(builder.fmul(scale, value), builder.gep(c, [builder.add(builder.mul(row, columns), at)]))


@intrinsic
def _multiply(typing, a, b, c, scale):
    """c = scale*(a @ b), tile by tile; a tile at an edge repeats its last row and masks its last columns."""
    height, width = _DOTS if b.layout == "F" else _OUTER

    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        arrays = [context.make_array(t)(context, builder, v) for t, v in zip((a, b, c), arguments[:3], strict=True)]
        (rows, columns), lengths = (cgutils.unpack_tuple(builder, arrays[x].shape, 2) for x in (2, 0))
        vector = ir.VectorType(context.get_value_type(c.dtype), _LANES)
        steps = (lengths[1], _INT(1)) if a.layout == "C" else (_INT(1), lengths[0])

        def places(first, size, count, whole):
            at = [builder.add(first, _INT(n)) for n in range(count)]
            last = builder.sub(size, _INT(1))
            return at if whole else [builder.select(builder.icmp_signed("<", n, size), n, last) for n in at]

        def tile(i, j, whole):
            common = builder, vector, *(x.data for x in arrays)
            down = places(i, rows, height, whole)
            if b.layout == "F":
                return _dots(*common, columns, lengths[1], down, places(j, columns, width, whole), arguments[3])
            across = [builder.add(j, _INT(at)) for at in range(0, width, _LANES)]
            masks = [None if whole else _first(builder, builder.sub(columns, at)) for at in across]
            return _outer(*common, steps, columns, lengths[1], down, across, masks, arguments[3])

        def steps_to(end, step):
            return cgutils.for_range_slice(builder, _INT(0), end, _INT(step))

        with steps_to(columns, width) as (j, _), steps_to(rows, height) as (i, _):
            down = builder.icmp_signed("<=", builder.add(i, _INT(height)), rows)
            across = builder.icmp_signed("<=", builder.add(j, _INT(width)), columns)
            with builder.if_else(builder.and_(down, across)) as (inside, edge):
                with inside:
                    tile(i, j, True)
                with edge:
                    tile(i, j, False)
        return context.get_dummy_value()

    return types.void(a, b, c, c.dtype), emit


@kernel
def _gemm(a, b, c, scale=_ONE):
    """c = scale*(a @ b); a and b are contiguous, or one of them is the transpose (.T) of what is."""
    _multiply(a, b, c, scale)
'''


def imports_text(products: bool) -> str:
    """What the text below imports, one statement a line."""
    lines = IMPORTS.strip("\n").splitlines()
    return "\n".join(lines if products else [line for line in lines if "llvmlite" not in line])


def support_text(products: bool) -> str:
    """What the native functions stand on where Numba is: views, and the matrix product if one is used."""
    return "\n\n\n".join(part.strip("\n") for part in ([VIEW, PRODUCT] if products else [VIEW]))
