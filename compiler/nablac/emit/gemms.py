"""emit/gemms: the text of what the module adds to Numba: views of arenas and matrix products.

Numba has a matrix product only where SciPy is installed, and at these sizes BLAS reaches half of the peak.  One
intrinsic prints loops over tiles of sums that stay in SIMD registers, as LLVM code: for a contiguous right operand a
vector of the result's columns times broadcast elements, for a transposed one a vector along the depth, added up at the
end.  A tile at an edge repeats its last row and masks its last columns.
"""

from __future__ import annotations

import re
import textwrap

IMPORTS = """
from llvmlite import binding, ir
from numba.core import cgutils, types
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
        lengths, strides = cgutils.unpack_tuple(builder, arguments[2]), [base.itemsize]
        for length in lengths[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        view, first = context.make_array(array)(context, builder), builder.gep(base.data, [arguments[1]])
        arrayobj.populate_array(view, first, lengths, strides, base.itemsize, None)
        return view._getvalue()

    return array(arena, types.int64, types.UniTuple(types.int64, shape.count)), emit
'''

PRODUCT = '''
_FEATURES = binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16  # in a SIMD register
_LANES, _BITS = _BYTES//np.dtype(real).itemsize, 8*np.dtype(real).itemsize
_INT, _LANE, _VOID, _ONE = ir.IntType(64), ir.IntType(32), ir.VoidType(), real(1)
_VECTOR = ir.VectorType(ir.FloatType() if _BITS == 32 else ir.DoubleType(), _LANES)
_ALL = ir.VectorType(ir.IntType(1), _LANES)([1]*_LANES)  # the mask of all lanes


def _splat(builder, value):
    """The value in every lane."""
    one = builder.insert_element(ir.VectorType(value.type, _LANES)(ir.Undefined), value, _LANE(0))
    return builder.shuffle_vector(one, one, ir.VectorType(_LANE, _LANES)(None))


def _first(builder, count):
    """The mask of the first ``count`` lanes."""
    return builder.icmp_signed("<", ir.VectorType(_INT, _LANES)(list(range(_LANES))), _splat(builder, count))


def _llvm(builder, name, result, *arguments, **options):
    """A call of LLVM's intrinsic of this name on vectors."""
    name = f"llvm.{name}.v{_LANES}f{_BITS}" + ".p0"*name.startswith("masked")
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **options)


@intrinsic
def _multiply(typing, a, b, c, scale):
    """c = scale*(a @ b), one tile of c after another, whose sums stay in SIMD registers.

    Vectors lie along the columns of b and c, times one element of a; but where b is transposed (a scalar product of
    rows) along the depth, and their lanes are added up at the end. A tile at the lower edge repeats the last row.
    """
    dots, wide = b.layout == "F", _BYTES == 64
    height, width = ((6, 4) if wide else (3, 3)) if dots else (8 if wide else 6, 2*_LANES)  # of a tile
    step, span = (_LANES, 1) if dots else (1, _LANES)  # of a vector: along the depth, along the columns

    def emit(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        arrays = [context.make_array(t)(context, builder, v) for t, v in zip((a, b, c), arguments[:3], strict=True)]
        (rows, depth), (_, columns) = (cgutils.unpack_tuple(builder, x.shape, 2) for x in arrays[:2])
        zero, vectors, loop = _VECTOR.element(-0.0), _VECTOR.as_pointer(), cgutils.for_range_slice
        def at(x, *indices):  # the pointer to an element of a, b or c
            return cgutils.get_item_pointer(context, builder, signature.args[x], arrays[x], indices)
        def load(x, i, j, mask):  # the vector from there on
            pointer = builder.bitcast(at(x, i, j), vectors)
            return _llvm(builder, "masked.load", _VECTOR, pointer, _LANE(4), mask, _VECTOR(None))
        def parts(size, step):  # from where to where whole steps go, and the rest
            even = builder.sub(size, builder.urem(size, _INT(step)))
            return (_INT(0), even), (even, size)
        def places(first, count, size):  # numbers from the first on; past the edge, the last again
            found, last = [builder.add(first, _INT(n)) for n in range(count)], builder.sub(size, _INT(1))
            return [builder.select(builder.icmp_signed("<", n, size), n, last) for n in found]
        def tile(i, j, edge):
            down = places(i, height, rows)
            across = places(j, width, columns) if dots else [builder.add(j, _INT(n)) for n in range(0, width, span)]
            masks = [_first(builder, builder.sub(columns, n)) if edge else _ALL for n in across]
            slots = [[cgutils.alloca_once(builder, _VECTOR, zfill=True) for _ in across] for _ in down]
            for rest, ends in enumerate(parts(depth, step)[: 1 + dots]):
                with loop(builder, *ends, _INT(step)) as (k, _):
                    tail = _first(builder, builder.sub(depth, k)) if rest else _ALL
                    right = [load(1, k, n, tail if dots else mask) for n, mask in zip(across, masks, strict=True)]
                    for m, line in zip(down, slots, strict=True):
                        left = load(0, m, k, tail) if dots else _splat(builder, builder.load(at(0, m, k)))
                        for slot, value in zip(line, right, strict=True):
                            builder.store(_llvm(builder, "fmuladd", _VECTOR, left, value, builder.load(slot)), slot)
            for m, line in zip(down, slots, strict=True):
                for n, mask, slot in zip(across, masks, line, strict=True):
                    sums, place = builder.load(slot), at(2, m, n)
                    if dots:
                        sums = _llvm(builder, "vector.reduce.fadd", zero.type, zero, sums, fastmath=("reassoc",))
                        builder.store(builder.fmul(sums, arguments[3]), place)
                    else:
                        sums = builder.fmul(sums, _splat(builder, arguments[3]))
                        _llvm(builder, "masked.store", _VOID, sums, builder.bitcast(place, vectors), _LANE(4), mask)
        for edge, ends in enumerate([(_INT(0), columns)] if dots else parts(columns, width)):
            with loop(builder, *ends, _INT(width)) as (j, _), loop(builder, _INT(0), rows, _INT(height)) as (i, _):
                tile(i, j, edge)
        return context.get_dummy_value()

    return types.void(a, b, c, c.dtype), emit


@lambda function: kernel(function, inlined=False)  # its bits are those of its vectors, wherever it is
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
    functions = "\n\n".join(part.strip("\n") for part in ([VIEW, PRODUCT] if products else [VIEW]))
    inside = textwrap.indent(re.sub(r"\n{3,}", "\n\n", functions), "    ")
    title = "views of arrays, and matrix products in SIMD registers" if products else "views of arrays"
    heading = f"# --- what the kernels stand on, for Numba's compiler: {title} ".ljust(120, "-")
    return f"{heading}\nif numba:\n{inside}"
