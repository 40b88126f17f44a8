"""frontend/activations: rows of the library that keep a tensor's shape, or the most of it.

At a kink they have the derivative that PyTorch's users expect: the branch of a ``where`` that is taken gives it, so
``<=`` or ``<`` decides.
"""

from __future__ import annotations

from nablac.frontend.definition import Definition, Option, Size, Value


def _activation(
    name: str, formula: str, *options: Option, help: str, when: tuple[str, Value] | None = None
) -> Definition:
    return Definition(name, (("x", "real[...]"),), (f"y[...] = {formula}",), "y", options, when=when, help=help)


def _over_last(name: str, formula: str, help: str) -> Definition:
    return Definition(name, (("x", "real[..., k]"),), (f"y[..., k] = {formula}",), "y", help=help)


_SLOPE = Option("alpha", float, 0.01, low=0, high=1, help="the slope below 0")
_SCALE = Option("alpha", float, 1.0, low=0, high=1e6, help="the limit below 0, negated")
_ROUND = Option("alpha", float, 1.0, low=0, high=1e6, above=True, help="the limit below 0, negated")
_BOUND = Option("bound", float, 0.5, low=0, high=1e6, help="up to which size a value counts as nothing")
_LOW = Option("low", float, -1.0, low=-1e6, high=1e6, below="high", help="the smallest value")
_HIGH = Option("high", float, 1.0, low=-1e6, high=1e6, help="the largest value")
_AT = Option("at", float, 0.0, low=-1e6, high=1e6, help="up to where a value is replaced")
_VALUE = Option("value", float, 0.0, low=-1e6, high=1e6, help="by what")
_APPROXIMATE = Option("approximate", bool, False, help="whether Phi is approximated with tanh")
_EACH = Option("each", bool, False, help="whether every feature of the last axis has a slope of its own")

ACTIVATIONS: tuple[Definition, ...] = (
    _activation("relu", "relu(x[...])", help="max(x, 0)"),
    _activation("leaky_relu", "where(x[...] > 0, x[...], alpha*x[...])", _SLOPE, help="x above 0, alpha*x below"),
    _activation("elu", "where(x[...] > 0, x[...], alpha*(exp(x[...]) - 1))", _SCALE, help="x, below 0 alpha*(e^x - 1)"),
    _activation("sigmoid", "1/(1 + exp(-x[...]))", help="1/(1 + e^-x)"),
    _activation("tanh", "tanh(x[...])", help="the hyperbolic tangent"),
    _activation("softplus", "log(1 + exp(x[...]))", help="log(1 + e^x)"),
    _activation("silu", "x[...]/(1 + exp(-x[...]))", help="x*sigmoid(x)"),
    _activation(
        "gelu",
        "x[...]*(1 + erf(x[...]/sqrt(2)))/2",
        _APPROXIMATE,
        when=("approximate", False),
        help="x*Phi(x), Phi exact or approximated with tanh",
    ),
    _activation(
        "gelu",
        "x[...]*(1 + tanh(sqrt(2/pi)*(x[...] + 0.044715*x[...]**3)))/2",
        _APPROXIMATE,
        when=("approximate", True),
        help="x*Phi(x), Phi approximated with tanh",
    ),
    _over_last("softmax", "exp(x[..., k])/sum[j](exp(x[..., j]))", help="probabilities over the last axis"),
    _over_last(
        "log_softmax",
        "log(exp(x[..., k])/sum[j](exp(x[..., j])))",
        help="logarithms of the softmax over the last axis",
    ),
    _over_last("softmin", "exp(-x[..., k])/sum[j](exp(-x[..., j]))", help="the softmax of -x over the last axis"),
    _activation("relu6", "where(x[...] <= 0, 0, where(x[...] < 6, x[...], 6))", help="x, kept between 0 and 6"),
    _activation(
        "selu",
        "1.0507009873554804934193349852946"
        "*where(x[...] > 0, x[...], 1.6732632423543772848170429916717*(exp(x[...]) - 1))",
        help="elu scaled so that mean 0 and deviation 1 stay",
    ),
    _activation(
        "celu",
        "where(x[...] > 0, x[...], alpha*(exp(x[...]/alpha) - 1))",
        _ROUND,
        help="x, below 0 alpha*(e^(x/alpha) - 1)",
    ),
    _activation("mish", "x[...]*tanh(log(1 + exp(x[...])))", help="x*tanh(softplus(x))"),
    _activation("softsign", "x[...]/(1 + abs(x[...]))", help="x/(1 + |x|)"),
    _activation("tanhshrink", "x[...] - tanh(x[...])", help="x - tanh(x)"),
    _activation("logsigmoid", "log(1/(1 + exp(-x[...])))", help="the logarithm of the sigmoid"),
    _activation(
        "hardtanh",
        "where(x[...] <= low, low, where(x[...] < high, x[...], high))",
        _LOW,
        _HIGH,
        help="x, kept between low and high",
    ),
    _activation(
        "hardsigmoid",
        "where(x[...] <= -3, 0, where(x[...] < 3, x[...]/6 + 1/2, 1))",
        help="x/6 + 1/2, kept between 0 and 1",
    ),
    _activation(
        "hardswish",
        "where(x[...] <= -3, 0, where(x[...] < 3, x[...]*(x[...] + 3)/6, x[...]))",
        help="x*hardsigmoid(x)",
    ),
    _activation("hardshrink", "where(abs(x[...]) <= bound, 0, x[...])", _BOUND, help="x, within the bound 0"),
    _activation(
        "softshrink",
        "where(x[...] > bound, x[...] - bound, where(x[...] < -bound, x[...] + bound, 0))",
        _BOUND,
        help="x moved towards 0 by the bound, within it 0",
    ),
    _activation("threshold", "where(x[...] > at, x[...], value)", _AT, _VALUE, help="x, up to a point a value"),
    Definition(
        "prelu",
        reads=(("x", "real[..., k]"),),
        options=(_EACH,),
        learns=(("alpha", "real ~ constant(0.25)"),),
        equations=("y[..., j] = where(x[..., j] > 0, x[..., j], alpha*x[..., j])",),
        gives="y",
        when=("each", False),
        help="x above 0, alpha*x below; alpha is learned",
    ),
    Definition(
        "prelu",
        reads=(("x", "real[..., k]"),),
        options=(_EACH,),
        learns=(("alpha", "real[k] ~ constant(0.25)"),),
        equations=("y[..., j] = where(x[..., j] > 0, x[..., j], alpha[j]*x[..., j])",),
        gives="y",
        when=("each", True),
        help="x above 0, alpha*x below; an alpha of each feature is learned",
    ),
    Definition(
        "swish",
        reads=(("x", "real[...]"),),
        learns=(("beta", "real ~ ones"),),
        equations=("y[...] = x[...]/(1 + exp(-beta*x[...]))",),
        gives="y",
        help="x*sigmoid(beta*x); beta is learned",
    ),
    Definition(
        "glu",
        reads=(("x", "real[..., k]"),),
        equations=("y[..., jth] = x[..., jth]/(1 + exp(-x[..., jth + k/2])) for jth in k/2",),
        gives="y",
        extents=(Size("k", ("2",), multiple=True),),
        help="the first half of the last axis, times the sigmoid of the second",
    ),
)
