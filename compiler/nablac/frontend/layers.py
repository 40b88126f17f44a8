"""frontend/layers: rows of the library that mix features, most of them with weights."""

from __future__ import annotations

from nablac.frontend.definition import Definition, Option, Size


def _binary(name: str, formula: str, help: str) -> Definition:
    reads = (("a", "real[...]"), ("b", "real[...]"))
    return Definition(name, reads, (f"y[...] = {formula}",), "y", help=help)


_UNITS = Option("units", int, low=1, high=10**7, help="how many features it makes")
_BIAS = Option("bias", bool, True, help="whether it has a bias")
_PIECES = Option("pieces", int, 2, low=1, high=1000, help="of how many linear functions the largest is taken")
_EPS = Option("eps", float, 1e-5, low=0, high=1, above=True, help="what is added to the variance")
_AFFINE = Option("affine", bool, True, help="whether a factor and an offset of each feature are learned")
_ROWS = Option("rows", int, low=1, high=10**7, help="how many rows the matrix has")
_COLUMNS = Option("columns", int, low=1, high=10**7, help="how many columns the matrix has")
_RATE = Option("rate", float, 0.5, low=0, high=1, short=True, help="which part of the values becomes 0 in training")
_MOMENTUM = Option("momentum", float, 0.1, low=0, high=1, help="how much a batch counts in the running statistics")
_BATCH = (
    "center[j] = mean[i](x[i, j])",
    "spread[j] = mean[i]((x[i, j] - center[j])**2)",
    "mean_next[j] = (1 - momentum)*running_mean[j] + momentum*center[j]",
    "variance_next[j] = (1 - momentum)*running_variance[j] + momentum*sum[i]((x[i, j] - center[j])**2)/(n - 1)",
    "scaled[i, j] = where(training, (x[i, j] - center[j])/sqrt(spread[j] + eps),"
    " (x[i, j] - running_mean[j])/sqrt(running_variance[j] + eps))",
)
_RUNNING = (("running_mean", "real[k] ~ zeros"), ("running_variance", "real[k] ~ ones"))
_NEXT = (("running_mean", "mean_next"), ("running_variance", "variance_next"))
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
        "flatten",
        reads=(("x", "real[n, a, b]"),),
        equations=(
            "row[jth] = argmax[p](where(p*b <= jth, p, -1)) for jth in a*b, p in a",
            "column[jth] = argmax[q](where(row[jth]*b + q == jth, 1, 0)) for jth in a*b, q in b",
            "y[i, jth] = x[i, row[jth], column[jth]]",
        ),
        gives="y",
        help="the axes after the first as one, the last of them running fastest",
    ),
    Definition(
        "flatten",
        reads=(("x", "real[n, a, b, c]"),),
        equations=(
            "plane[jth] = argmax[p](where(p*b*c <= jth, p, -1)) for jth in a*b*c, p in a",
            "row[jth] = argmax[q](where(plane[jth]*b*c + q*c <= jth, q, -1)) for jth in a*b*c, q in b",
            "column[jth] = argmax[r](where(plane[jth]*b*c + row[jth]*c + r == jth, 1, 0)) for jth in a*b*c, r in c",
            "y[i, jth] = x[i, plane[jth], row[jth], column[jth]]",
        ),
        gives="y",
        help="the axes after the first as one, the last of them running fastest",
    ),
    Definition(
        "flatten",
        reads=(("x", "real[n, a]"),),
        equations=("y[i, jth] = x[i, jth]",),
        gives="y",
        help="what has one axis after the first, as it is",
    ),
    Definition(
        "reshape",
        reads=(("x", "real[n, k]"),),
        options=(_ROWS, _COLUMNS),
        equations=("y[i, jth, kth] = x[i, columns*jth + kth] for jth in rows, kth in columns",),
        gives="y",
        extents=(Size("k", ("rows", "columns")),),
        help="a vector as a matrix of so many rows and columns",
    ),
    Definition(
        "batch_norm",
        reads=(("x", "real[n, k]"),),
        options=(_EPS, _MOMENTUM, _AFFINE),
        learns=(("gain", "real[k] ~ ones"), ("b", "real[k] ~ zeros"), *_RUNNING),
        equations=(*_BATCH, "y[i, j] = gain[j]*scaled[i, j] + b[j]"),
        gives="y",
        when=("affine", True),
        help="each feature with the batch's mean 0 and deviation 1, or the running ones; then a factor and an offset",
        statistics=_NEXT,
    ),
    Definition(
        "batch_norm",
        reads=(("x", "real[n, k]"),),
        options=(_EPS, _MOMENTUM, _AFFINE),
        learns=_RUNNING,
        equations=(*_BATCH, "y[i, j] = scaled[i, j]"),
        gives="y",
        when=("affine", False),
        help="each feature with the batch's mean 0 and deviation 1, in use with the running ones",
        statistics=_NEXT,
    ),
    Definition(
        "dropout",
        reads=(("x", "real[...]"),),
        options=(_RATE,),
        equations=("y[...] = where(training, where(uniform(...) < rate, 0, x[...]/(1 - rate)), x[...])",),
        gives="y",
        help="in training some values become 0, by chance, and the others larger, so that the mean stays",
    ),
    Definition(
        "standardise",
        reads=(("x", "real[n, k]"),),
        learns=(("mean", "real[k] ~ zeros"), ("variance", "real[k] ~ ones")),
        equations=(
            "mean_rows[j] = mean[i](x[i, j])",
            "variance_rows[j] = mean[i]((x[i, j] - mean[j])**2)",
            "deviation[j] = where(variance[j] > 1e-28*mean[j]**2, sqrt(variance[j]), 1)",
            "y[i, j] = (x[i, j] - mean[j])/deviation[j]",
        ),
        gives="y",
        help="each feature with mean 0 and deviation 1 over the training rows; one that is constant is moved to 0",
        fitted=(("mean", "mean_rows"), ("variance", "variance_rows")),
    ),
    Definition(
        "one_hot",
        reads=(("x", "label[..., C]"),),
        equations=("y[..., cth] = where(cth == x[...], 1, 0) for cth in C",),
        gives="y",
        help="1 at the label's place of a new last axis, 0 elsewhere",
    ),
)
