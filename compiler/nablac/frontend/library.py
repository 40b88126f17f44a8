"""frontend/library: the layers, activations, losses and metrics that come with nablac, each a row of equation text.

They are written as in a textbook.  Stable spellings, gradients and kernels are the compiler's to find.
"""

from __future__ import annotations

from nablac.frontend.definition import Definition, Option


def _activation(name: str, formula: str, *options: Option, help: str) -> Definition:
    return Definition(name, (("x", "real[...]"),), (f"y[...] = {formula}",), "y", options, help=help)


def _binary(name: str, formula: str, help: str) -> Definition:
    reads = (("a", "real[...]"), ("b", "real[...]"))
    return Definition(name, reads, (f"y[...] = {formula}",), "y", help=help)


_UNITS = Option("units", int, low=1, high=10**7, help="how many features it makes")
_BIAS = Option("bias", bool, True, help="whether it has a bias")

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
)

_SLOPE = Option("alpha", float, 0.01, low=0, high=1, help="the slope below 0")
_SCALE = Option("alpha", float, 1.0, low=0, high=1e6, help="the limit below 0, negated")

ACTIVATIONS: tuple[Definition, ...] = (
    _activation("relu", "relu(x[...])", help="max(x, 0)"),
    _activation("leaky_relu", "where(x[...] > 0, x[...], alpha*x[...])", _SLOPE, help="x above 0, alpha*x below"),
    _activation("elu", "where(x[...] > 0, x[...], alpha*(exp(x[...]) - 1))", _SCALE, help="x, below 0 alpha*(e^x - 1)"),
    _activation("sigmoid", "1/(1 + exp(-x[...]))", help="1/(1 + e^-x)"),
    _activation("tanh", "tanh(x[...])", help="the hyperbolic tangent"),
    _activation("softplus", "log(1 + exp(x[...]))", help="log(1 + e^x)"),
    _activation("silu", "x[...]/(1 + exp(-x[...]))", help="x*sigmoid(x), also called swish"),
    _activation("gelu", "x[...]*(1 + erf(x[...]/sqrt(2)))/2", help="x*Phi(x), exact"),
    Definition(
        "softmax",
        reads=(("x", "real[..., k]"),),
        equations=("y[..., k] = exp(x[..., k])/sum[j](exp(x[..., j]))",),
        gives="y",
        help="probabilities over the last axis",
    ),
    Definition(
        "log_softmax",
        reads=(("x", "real[..., k]"),),
        equations=("y[..., k] = log(exp(x[..., k])/sum[j](exp(x[..., j])))",),
        gives="y",
        help="logarithms of the softmax over the last axis",
    ),
)

_PREDICTED = (("p", "real[...]"), ("y", "number[...]"))

LOSSES: tuple[Definition, ...] = (
    Definition(
        "mse", _PREDICTED, ("loss = mean[...]((p[...] - y[...])**2)",), "loss", help="the mean of squared errors"
    ),
    Definition(
        "binary_cross_entropy",
        reads=_PREDICTED,
        equations=(
            "q[...] = clamp(p[...], 1e-12, 1 - 1e-12)",
            "loss = mean[...](-y[...]*log(q[...]) - (1 - y[...])*log(1 - q[...]))",
        ),
        gives="loss",
        help="of probabilities, kept between 1e-12 and 1 - 1e-12, and targets from 0 to 1",
    ),
    Definition(
        "binary_cross_entropy_logits",
        reads=(("z", "real[...]"), ("y", "number[...]")),
        equations=(
            "q[...] = 1/(1 + exp(-z[...]))",
            "loss = mean[...](-y[...]*log(q[...]) - (1 - y[...])*log(1 - q[...]))",
        ),
        gives="loss",
        help="of logits, whose sigmoid is the probability, and targets from 0 to 1",
    ),
    Definition(
        "cross_entropy",
        reads=(("z", "real[..., C]"), ("y", "label[..., C]")),
        equations=(
            "p[..., c] = exp(z[..., c])/sum[k](exp(z[..., k]))",
            "loss = mean[...](-log(p[..., y[...]]))",
        ),
        gives="loss",
        help="of logits over the last axis, and labels",
    ),
)

METRICS: tuple[Definition, ...] = (
    Definition(
        "accuracy",
        reads=(("z", "real[..., C]"), ("y", "label[..., C]")),
        equations=("accuracy = mean[...](where(argmax[c](z[..., c]) == y[...], 1, 0))",),
        gives="accuracy",
        help="how often the largest of the last axis is the label's",
    ),
    Definition(
        "accuracy",
        reads=_PREDICTED,
        options=(Option("threshold", float, 0.5, help="from where on a value means yes"),),
        equations=("accuracy = mean[...](where(where(p[...] >= threshold, 1, 0) == y[...], 1, 0))",),
        gives="accuracy",
        help="how often a probability of at least the threshold, or one below, meets the target 1 or 0",
    ),
    Definition(
        "rmse", _PREDICTED, ("rmse = sqrt(mean[...]((p[...] - y[...])**2))",), "rmse", help="the root of the mse"
    ),
    Definition(
        "mae", _PREDICTED, ("mae = mean[...](abs(p[...] - y[...]))",), "mae", help="the mean of absolute errors"
    ),
)


def rows(*tables: tuple[Definition, ...]) -> dict[str, tuple[Definition, ...]]:
    """The rows of tables by name."""
    found: dict[str, tuple[Definition, ...]] = {}
    for table in tables:
        for row in table:
            found[row.name] = (*found.get(row.name, ()), row)
    return found


NODES = rows(LAYERS, ACTIVATIONS)
"""What may stand in a network."""

MEASURES = rows(LOSSES, METRICS)
"""What may be measured; the losses among them may be learned from."""

LOSS_NAMES = tuple(rows(LOSSES))
