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
        base, view = context.make_array(arena)(context, builder, arguments[0]), context.make_array(array)(context, builder)
        lengths, strides = cgutils.unpack_tuple(builder, arguments[2]), [base.itemsize]
        for length in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        first = builder.gep(base.data, [arguments[1]])
        arrayobj.populate_array(view, first, lengths, strides, base.itemsize, None)
        return view._getvalue()

    return array(arena, types.int64, types.UniTuple(types.int64, shape.count)), emit
'''

PRODUCT = '''
_FEATURES = binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16  # in a SIMD register
_LANES, _BITS = _BYTES//np.dtype(real).itemsize, 8*np.dtype(real).itemsize
_VECTOR = ir.VectorType(ir.FloatType() if _BITS == 32 else ir.DoubleType(), _LANES)
_INT, _LANE, _ONE = ir.IntType(64), ir.IntType(32), real(1)


def _splat(builder, value):
    """The value in every lane."""
    one = builder.insert_element(ir.VectorType(value.type, _LANES)(ir.Undefined), value, _LANE(0))
    return builder.shuffle_vector(one, one, ir.VectorType(_LANE, _LANES)(None))


def _first(builder, count):
    """The mask of the first ``count`` lanes."""
    return builder.icmp_signed("<", ir.VectorType(_INT, _LANES)(list(range(_LANES))), _splat(builder, count))


def _llvm(builder, name, result, *arguments, **options):
    """A call of LLVM's intrinsic of this name on vectors."""
    kind, name = ir.FunctionType(result, [a.type for a in arguments]), f"llvm.{name}.v{_LANES}f{_BITS}"
    name += ".p0"*name.startswith("llvm.masked")
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **options)


def _move(builder, pointer, mask, value=None):
    """A vector from memory, or the value into it; what lies outside the mask, if there is one, is not touched."""
    pointer = builder.bitcast(pointer, _VECTOR.as_pointer())
    if mask is None:
        return builder.load(pointer, align=4) if value is None else builder.store(value, pointer, align=4)
    if value is None:
        return _llvm(builder, "masked.load", _VECTOR, pointer, _LANE(4), mask, _VECTOR(None))
    return _llvm(builder, "masked.store", ir.VoidType(), value, pointer, _LANE(4), mask)


@intrinsic
def _multiply(typing, a, b, c, scale):
    """c = scale*(a @ b), a tile of c after another, whose sums stay in registers.

    If b is the transpose of what is contiguous, vectors lie along the depth, and their lanes are added up at the end;
    else along the columns of b and c, times one element of a. A tile at an edge repeats its last row.
    """
    dots = b.layout == "F"
    height, width, step = (*((6, 4) if _BYTES == 64 else (3, 3)), _LANES) if dots else (8 if _BYTES == 64 else 6, 2, 1)
    span = 1 if dots else _LANES

    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        arrays = [context.make_array(t)(context, builder, v) for t, v in zip((a, b, c), arguments[:3], strict=True)]
        (rows, depth), (_, columns) = (cgutils.unpack_tuple(builder, x.shape, 2) for x in arrays[:2])

        def at(x, *indices):
            return cgutils.get_item_pointer(context, builder, signature.args[x], arrays[x], indices)

        def places(first, count, size):
            last, found = builder.sub(size, _INT(1)), [builder.add(first, _INT(n)) for n in range(count)]
            return [builder.select(builder.icmp_signed("<", n, size), n, last) for n in found]

        def tile(i, j, whole):
            down = places(i, height, rows)
            across = places(j, width, columns) if dots else [builder.add(j, _INT(n*_LANES)) for n in range(width)]
            masks = [None if whole else _first(builder, builder.sub(columns, n)) for n in across]
            totals = [[cgutils.alloca_once(builder, _VECTOR, zfill=True) for _ in across] for _ in down]

            def add(k, tail=None):
                right = [_move(builder, at(1, k, n), mask or tail) for n, mask in zip(across, masks, strict=True)]
                for m, line in zip(down, totals, strict=True):
                    left = _move(builder, at(0, m, k), tail) if dots else _splat(builder, builder.load(at(0, m, k)))
                    for total, value in zip(line, right, strict=True):
                        builder.store(_llvm(builder, "fmuladd", _VECTOR, left, value, builder.load(total)), total)

            main = builder.sub(depth, builder.urem(depth, _INT(step)))
            with cgutils.for_range_slice(builder, _INT(0), main, _INT(step)) as (k, _):
                add(k)
            if dots:
                with builder.if_then(builder.icmp_signed("<", main, depth)):
                    add(main, _first(builder, builder.sub(depth, main)))
            for m, line in zip(down, totals, strict=True):
                for n, mask, total in zip(across, masks, line, strict=True):
                    value = builder.fmul(builder.load(total), _splat(builder, arguments[3]))
                    if dots:
                        zero = _VECTOR.element(-0.0)
                        value = _llvm(builder, "vector.reduce.fadd", zero.type, zero, value, fastmath=("reassoc",))
                        builder.store(value, at(2, m, n))
                    else:
                        _move(builder, at(2, m, n), mask, value)

        def steps(end, step):
            return cgutils.for_range_slice(builder, _INT(0), end, _INT(step))

        with steps(columns, width*span) as (j, _), steps(rows, height) as (i, _):
            if dots:
                tile(i, j, True)
            else:
                inside = builder.icmp_signed("<=", builder.add(j, _INT(width*span)), columns)
                with builder.if_else(inside) as (then, otherwise):
                    with then:
                        tile(i, j, True)
                    with otherwise:
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
