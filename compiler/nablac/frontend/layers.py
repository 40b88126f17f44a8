"""frontend/layers: rows of the library that mix features, most of them with weights."""

from __future__ import annotations

from nablac.frontend.definition import Definition, Option


def _binary(name: str, formula: str, help: str) -> Definition:
    reads = (("a", "real[...]"), ("b", "real[...]"))
    return Definition(name, reads, (f"y[...] = {formula}",), "y", help=help)


_UNITS = Option("units", int, low=1, high=10**7, help="how many features it makes")
_BIAS = Option("bias", bool, True, help="whether it has a bias")
_PIECES = Option("pieces", int, 2, low=1, high=1000, help="of how many linear functions the largest is taken")
_EPS = Option("eps", float, 1e-5, low=0, high=1, above=True, help="what is added to the variance")
_AFFINE = Option("affine", bool, True, help="whether a factor and an offset of each feature are learned")
_MOMENTS = (
    "center[...] = mean[k](x[..., k])",
    "variance[...] = mean[k]((x[..., k] - center[...])**2)",
)

LAYERS: tuple[Definition, ...] = (
    Definition(
        "linear",
        reads=(("x", "real[..., k]"),),
        options=(_UNITS, _BIAS),
        learns=(("W", "real[units, k] ~ fan_in_uniform"), ("b", "real[units] ~ fan_in_uniform(k)")),
        equations=("y[..., j] = sum[k](W[j, k]*x[..., k]) + b[j]",),
        gives="y",
        when=("bias", True),
        help="a matrix product over the last axis, plus a bias; weights are (out, in)",
    ),
    Definition(
        "linear",
        reads=(("x", "real[..., k]"),),
        options=(_UNITS, _BIAS),
        learns=(("W", "real[units, k] ~ fan_in_uniform"),),
        equations=("y[..., j] = sum[k](W[j, k]*x[..., k])",),
        gives="y",
        when=("bias", False),
        help="a matrix product over the last axis",
    ),
    _binary("add", "a[...] + b[...]", help="the sum of two nodes, e.g. of a skip"),
    _binary("sub", "a[...] - b[...]", help="the difference of two nodes"),
    _binary("mul", "a[...]*b[...]", help="the elementwise product of two nodes, e.g. a gate"),
    _binary("div", "a[...]/b[...]", help="the elementwise quotient of two nodes"),
    Definition(
        "concat",
        reads=(("a", "real[..., k]"), ("b", "real[..., m]")),
        equations=("y[..., jth] = where(jth < k, a[..., jth], b[..., jth - k]) for jth in k + m",),
        gives="y",
        help="the features of two nodes, one after the other",
    ),
    Definition(
        "bilinear",
        reads=(("left", "real[..., k]"), ("right", "real[..., m]")),
        options=(_UNITS, _BIAS),
        learns=(("W", "real[units, k, m] ~ fan_in_uniform(k)"), ("b", "real[units] ~ fan_in_uniform(k)")),
        equations=("y[..., u] = sum[i, j](left[..., i]*W[u, i, j]*right[..., j]) + b[u]",),
        gives="y",
        when=("bias", True),
        help="a product of two nodes with a matrix between them for each feature, plus a bias",
    ),
    Definition(
        "bilinear",
        reads=(("left", "real[..., k]"), ("right", "real[..., m]")),
        options=(_UNITS, _BIAS),
        learns=(("W", "real[units, k, m] ~ fan_in_uniform(k)"),),
        equations=("y[..., u] = sum[i, j](left[..., i]*W[u, i, j]*right[..., j])",),
        gives="y",
        when=("bias", False),
        help="a product of two nodes with a matrix between them for each feature",
    ),
    Definition(
        "maxout",
        reads=(("x", "real[..., k]"),),
        options=(_UNITS, _PIECES),
        learns=(
            ("W", "real[units, pieces, k] ~ fan_in_uniform(k)"),
            ("b", "real[units, pieces] ~ fan_in_uniform(k)"),
        ),
        equations=("y[..., j] = max[q](sum[k](W[j, q, k]*x[..., k]) + b[j, q])",),
        gives="y",
        help="the largest of several linear functions",
    ),
    Definition(
        "layer_norm",
        reads=(("x", "real[..., k]"),),
        options=(_EPS, _AFFINE),
        learns=(("gain", "real[k] ~ ones"), ("b", "real[k] ~ zeros")),
        equations=(*_MOMENTS, "y[..., j] = gain[j]*(x[..., j] - center[...])/sqrt(variance[...] + eps) + b[j]"),
        gives="y",
        when=("affine", True),
        help="each vector of the last axis with mean 0 and deviation 1, then a factor and an offset of each feature",
    ),
    Definition(
        "layer_norm",
        reads=(("x", "real[..., k]"),),
        options=(_EPS, _AFFINE),
        equations=(*_MOMENTS, "y[..., j] = (x[..., j] - center[...])/sqrt(variance[...] + eps)"),
        gives="y",
        when=("affine", False),
        help="each vector of the last axis with mean 0 and deviation 1",
    ),
    Definition(
        "one_hot",
        reads=(("x", "label[..., C]"),),
        equations=("y[..., cth] = where(cth == x[...], 1, 0) for cth in C",),
        gives="y",
        help="1 at the label's place of a new last axis, 0 elsewhere",
    ),
)
