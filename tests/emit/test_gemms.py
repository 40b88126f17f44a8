"""The matrix product of the generated module, for every width of SIMD register, against NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nablac.emit.gemms import IMPORTS, PRODUCT

HEAD = """
import numpy as np
import numba
real = np.{}
flags = {{"contract", "reassoc", "nsz", "arcp", "afn"}}


def kernel(function, inlined=True):
    return numba.njit(error_model="numpy", fastmath=flags, forceinline=inlined)(function)


"""


def gemm(dtype: str, missing: tuple[str, ...]) -> Callable[..., None]:
    """The product as a processor without some features would have it."""
    text = IMPORTS + HEAD.format(dtype) + PRODUCT
    for feature in missing:
        text = text.replace(f'"{feature}"', '"none"')
    space: dict[str, Any] = {}
    exec(text, space)
    product: Callable[..., None] = space["_gemm"]
    return product


@pytest.mark.parametrize("missing", [(), ("avx512f",), ("avx512f", "avx")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_form_and_edge(dtype: str, missing: tuple[str, ...]) -> None:
    product, rng = gemm(dtype, missing), np.random.default_rng(0)
    for rows, columns, depth in itertools.product((1, 6, 9, 17), (1, 4, 5, 16, 33, 40), (1, 7, 16, 33)):
        for form in ("NN", "TN", "NT"):
            a = rng.normal(size=(rows, depth)).astype(dtype)
            b = rng.normal(size=(depth, columns)).astype(dtype)
            left = np.ascontiguousarray(a.T).T if form[0] == "T" else a
            right = np.ascontiguousarray(b.T).T if form[1] == "T" else b
            around = np.full(rows * columns + 128, 7, dtype)
            c = around[64:-64].reshape(rows, columns)
            if form[0] == "T" and 1 in left.shape or form[1] == "T" and 1 in right.shape:
                continue  # NumPy calls these contiguous in both orders; the module's types do not
            product(left, right, c, np.dtype(dtype).type(0.5))
            tolerance = 40 * np.finfo(dtype).eps * depth
            np.testing.assert_allclose(c, 0.5 * (a.astype(float) @ b.astype(float)), rtol=tolerance, atol=tolerance)
            assert (around[:64] == 7).all() and (around[-64:] == 7).all()
