"""frontend/losses: rows of the library that may be learned from, and penalties on weights.

A loss that is a mean over samples may read one tensor more, their weights; then it is the weighted mean.
"""

from __future__ import annotations

from nablac.frontend.definition import Definition, Option, Value

Reads = tuple[tuple[str, str], ...]


def _mean(
    name: str,
    reads: Reads,
    term: str,
    *options: Option,
    before: tuple[str, ...] = (),
    when: tuple[str, Value] | None = None,
    help: str,
) -> tuple[Definition, Definition]:
    """The mean of a term over the leading axes, and its mean with weights."""
    plain = (*before, f"loss = mean[...]({term})")
    weighted = (*before, f"loss = sum[...](w[...]*({term}))/sum[...](w[...])")
    return (
        Definition(name, reads, plain, "loss", options, when=when, help=help),
        Definition(name, (*reads, ("w", "real[...]")), weighted, "loss", options, when=when, help=help),
    )


_PREDICTED: Reads = (("p", "real[...]"), ("y", "number[...]"))
_SCORED: Reads = (("z", "real[...]"), ("y", "number[...]"))
_TWO_CLASSES: Reads = (("z", "real[...]"), ("y", "label[..., 2]"))
_CLASSES: Reads = (("z", "real[..., C]"), ("y", "label[..., C]"))
_SHARES: Reads = (("z", "real[..., C]"), ("y", "real[..., C]"))
_RANKED: Reads = (("a", "real[...]"), ("b", "real[...]"), ("y", "number[...]"))
_PAIR: Reads = (("a", "real[..., k]"), ("b", "real[..., k]"))
_TRIPLE: Reads = (("anchor", "real[..., k]"), ("positive", "real[..., k]"), ("negative", "real[..., k]"))

_SIGMOID = "q[...] = 1/(1 + exp(-z[...]))"
_SOFTMAX = "p[..., c] = exp(z[..., c])/sum[k](exp(z[..., k]))"
_ENTROPY = "-y[...]*log(q[...]) - (1 - y[...])*log(1 - q[...])"
_MISSING = "missing[..., c] = where(c == y[...], 0, relu(1 - z[..., y[...]] + z[..., c]))"
_COSINE = (
    "ab[...] = sum[k](a[..., k]*b[..., k])",
    "aa[...] = sum[k](a[..., k]**2) + 1e-12",
    "bb[...] = sum[k](b[..., k]**2) + 1e-12",
    "cosine[...] = ab[...]/sqrt(aa[...]*bb[...])",
)

_DELTA = Option("delta", float, 1.0, low=0, high=1e6, above=True, help="from which error on it grows linearly")
_BETA = Option("beta", float, 1.0, low=0, high=1e6, above=True, help="from which error on it grows linearly")
_Q = Option("q", float, 0.5, low=0, high=1, help="which quantile is predicted: 0.5 is the median")
_SMOOTHING = Option("smoothing", float, 0.0, low=0, high=1, help="the part of the target spread over all classes")
_GAMMA = Option("gamma", float, 2.0, low=0, high=100, help="how much what is right already is discounted")
_ALPHA = Option("alpha", float, 0.25, low=0, high=1, help="the weight of the target 1; that of 0 is 1 - alpha")
_WIDTH = Option("margin", float, 1.0, low=0, high=1e6, help="the distance that is asked for")
_GAP = Option("margin", float, 0.0, low=-1e6, high=1e6, help="the difference that is asked for")
_ANGLE = Option("margin", float, 0.0, low=-1, high=1, help="up to which cosine a pair counts as different")
_LOG_INPUT = Option("log_input", bool, True, help="whether the prediction is the rate's logarithm")
_TINY = Option("eps", float, 1e-8, low=0, high=1, above=True, help="what is added to a rate under its logarithm")
_LEAST = Option("eps", float, 1e-6, low=0, high=1, above=True, help="the least variance")
_RATIO = Option("ratio", float, 0.5, low=0, high=1, help="the part of l1")

LOSSES: tuple[Definition, ...] = (
    *_mean("mse", _PREDICTED, "(p[...] - y[...])**2", help="the mean of squared errors"),
    *_mean("mae", _PREDICTED, "abs(p[...] - y[...])", help="the mean of absolute errors"),
    *_mean(
        "huber",
        _PREDICTED,
        "where(abs(e[...]) <= delta, e[...]**2/2, delta*(abs(e[...]) - delta/2))",
        _DELTA,
        before=("e[...] = p[...] - y[...]",),
        help="half the squared error, linear from delta on",
    ),
    *_mean(
        "smooth_l1",
        _PREDICTED,
        "where(abs(e[...]) < beta, e[...]**2/(2*beta), abs(e[...]) - beta/2)",
        _BETA,
        before=("e[...] = p[...] - y[...]",),
        help="the absolute error, a parabola below beta",
    ),
    *_mean("log_cosh", _PREDICTED, "log(cosh(p[...] - y[...]))", help="the logarithm of the error's cosh"),
    *_mean(
        "quantile",
        _PREDICTED,
        "max(q*e[...], (q - 1)*e[...])",
        _Q,
        before=("e[...] = y[...] - p[...]",),
        help="the pinball loss, whose best prediction is a quantile",
    ),
    *_mean(
        "binary_cross_entropy",
        _PREDICTED,
        _ENTROPY,
        before=("q[...] = clamp(p[...], 1e-12, 1 - 1e-12)",),
        help="of probabilities, kept between 1e-12 and 1 - 1e-12, and targets from 0 to 1",
    ),
    *_mean(
        "binary_cross_entropy_logits",
        _SCORED,
        _ENTROPY,
        before=(_SIGMOID,),
        help="of logits, whose sigmoid is the probability, and targets from 0 to 1",
    ),
    *_mean(
        "cross_entropy",
        _CLASSES,
        "-log(p[..., y[...]])",
        _SMOOTHING,
        before=(_SOFTMAX,),
        when=("smoothing", 0.0),
        help="of logits over the last axis, and labels or shares of the classes",
    ),
    *_mean(
        "cross_entropy",
        _CLASSES,
        "-log(p[..., y[...]]) - smoothing*mean[c](z[..., c] - z[..., y[...]])",
        _SMOOTHING,
        before=(_SOFTMAX,),
        help="of logits over the last axis, and labels a part of which is spread over all classes",
    ),
    *_mean(
        "cross_entropy",
        _SHARES,
        "-sum[c](y[..., c]*log(p[..., c]))",
        before=(_SOFTMAX,),
        help="of logits over the last axis, and each class's share",
    ),
    *_mean(
        "cross_entropy_probabilities",
        (("p", "real[..., C]"), ("y", "label[..., C]")),
        "-log(clamp(p[..., y[...]], 1e-12, 1))",
        help="of probabilities over the last axis, kept from 1e-12 on, and labels",
    ),
    *_mean(
        "nll",
        (("x", "real[..., C]"), ("y", "label[..., C]")),
        "-x[..., y[...]]",
        help="of logarithms of probabilities over the last axis, and labels",
    ),
    *_mean(
        "focal",
        _CLASSES,
        "-(1 - p[..., y[...]])**gamma*l[...]",
        _GAMMA,
        before=(_SOFTMAX, "l[...] = log(p[..., y[...]])"),
        help="the cross-entropy, less of what is right already",
    ),
    *_mean(
        "focal",
        _SCORED,
        "-alpha*y[...]*(1 - q[...])**gamma*log(q[...]) - (1 - alpha)*(1 - y[...])*q[...]**gamma*log(1 - q[...])",
        _GAMMA,
        _ALPHA,
        before=(_SIGMOID,),
        help="the binary cross-entropy of logits, less of what is right already",
    ),
    *_mean("hinge", _TWO_CLASSES, "relu(1 - (2*y[...] - 1)*z[...])", help="max(1 - y*z, 0), targets being -1 and 1"),
    *_mean("hinge", _SCORED, "relu(1 - y[...]*z[...])", help="max(1 - y*z, 0), targets being -1 and 1"),
    *_mean(
        "hinge",
        _CLASSES,
        "mean[c](missing[..., c])",
        before=(_MISSING,),
        help="over the classes, how much a wrong one comes nearer to the right one than 1",
    ),
    *_mean("squared_hinge", _TWO_CLASSES, "relu(1 - (2*y[...] - 1)*z[...])**2", help="max(1 - y*z, 0)**2"),
    *_mean("squared_hinge", _SCORED, "relu(1 - y[...]*z[...])**2", help="max(1 - y*z, 0)**2"),
    *_mean(
        "squared_hinge",
        _CLASSES,
        "mean[c](missing[..., c]**2)",
        before=(_MISSING,),
        help="over the classes, the square of what hinge has",
    ),
    *_mean(
        "kl_divergence",
        (("x", "real[..., C]"), ("y", "real[..., C]")),
        "sum[c](where(y[..., c] > 0, y[..., c]*(log(y[..., c]) - x[..., c]), 0))",
        help="of logarithms of probabilities over the last axis, from each class's share",
    ),
    *_mean(
        "poisson",
        _PREDICTED,
        "exp(p[...]) - y[...]*p[...]",
        _LOG_INPUT,
        _TINY,
        when=("log_input", True),
        help="of a rate's logarithm, or the rate, and counts; without what depends on the counts only",
    ),
    *_mean(
        "poisson",
        _PREDICTED,
        "p[...] - y[...]*log(p[...] + eps)",
        _LOG_INPUT,
        _TINY,
        help="of a rate and counts; without what depends on the counts only",
    ),
    *_mean(
        "gaussian_nll",
        (("p", "real[...]"), ("variance", "real[...]"), ("y", "number[...]")),
        "(log(v[...]) + (p[...] - y[...])**2/v[...])/2",
        _LEAST,
        before=("v[...] = max(variance[...], eps)",),
        help="of a mean and a variance, of at least eps; without its constant",
    ),
    Definition(
        "cosine",
        _PAIR,
        (*_COSINE, "loss = mean[...](1 - cosine[...])"),
        "loss",
        (_ANGLE,),
        help="1 - the cosine of two vectors; of a pair with target -1, the cosine above the margin",
    ),
    Definition(
        "cosine",
        (*_PAIR, ("y", "number[...]")),
        (
            *_COSINE,
            "loss = mean[...](where(y[...] > 0, 1 - cosine[...],"
            " where(cosine[...] >= margin, cosine[...] - margin, 0)))",
        ),
        "loss",
        (_ANGLE,),
        help="1 - the cosine of two vectors; of a pair with target -1, the cosine above the margin",
    ),
    *_mean(
        "margin_ranking",
        _RANKED,
        "where(u[...] >= 0, u[...], 0)",
        _GAP,
        before=("u[...] = margin - y[...]*(a[...] - b[...])",),
        help="how much the first is too small where y is 1, or the second where y is -1",
    ),
    *_mean(
        "triplet",
        _TRIPLE,
        "where(u[...] >= 0, u[...], 0)",
        _WIDTH,
        before=(
            "near[...] = sqrt(sum[k]((anchor[..., k] - positive[..., k] + 1e-6)**2))",
            "far[...] = sqrt(sum[k]((anchor[..., k] - negative[..., k] + 1e-6)**2))",
            "u[...] = near[...] - far[...] + margin",
        ),
        help="how much nearer than the negative by the margin the positive should be",
    ),
)

PENALTIES: tuple[Definition, ...] = (
    Definition("l1", (("w", "real[...]"),), ("loss = sum[...](abs(w[...]))",), "loss", help="the sum of |w|"),
    Definition("l2", (("w", "real[...]"),), ("loss = sum[...](w[...]**2)",), "loss", help="the sum of w**2"),
    Definition(
        "elastic",
        (("w", "real[...]"),),
        ("loss = sum[...](ratio*abs(w[...]) + (1 - ratio)*w[...]**2/2)",),
        "loss",
        (_RATIO,),
        help="the sum of ratio*|w| + (1 - ratio)*w**2/2",
    ),
)
