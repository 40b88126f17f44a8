"""frontend/metrics: rows of the library that are measured and not learned from, over all samples at once."""

from __future__ import annotations

import re

from nablac.frontend.definition import Definition, Option, Value

Reads = tuple[tuple[str, str], ...]
_PREDICTED: Reads = (("p", "real[...]"), ("y", "number[...]"))
_CLASSES: Reads = (("z", "real[..., C]"), ("y", "label[..., C]"))

_THRESHOLD = Option("threshold", float, 0.5, help="from where on a value means yes")
_TOP = Option("k", int, 5, low=1, high=10**7, help="among how many of the largest the label may be")
_MICRO = Option("micro", bool, False, help="whether the classes' counts are added up before they are divided")

_BEST = "best[...] = argmax[c](z[..., c])"
_BY_CLASS = {
    "hits": "hits[cth] = sum[...](where(best[...] == cth and y[...] == cth, 1, 0)) for cth in C",
    "told": "told[cth] = sum[...](where(best[...] == cth, 1, 0)) for cth in C",
    "actual": "actual[cth] = sum[...](where(y[...] == cth, 1, 0)) for cth in C",
}
_OF_YES = {
    "hits": "hits = sum[...](where(p[...] >= threshold and y[...] == 1, 1, 0))",
    "told": "told = sum[...](where(p[...] >= threshold, 1, 0))",
    "actual": "actual = sum[...](where(y[...] == 1, 1, 0))",
}
"""What was told and is so, what was told, and what is so."""


def _rated(name: str, above: str, below: str, help: str) -> tuple[Definition, ...]:
    """A quotient of counts: the mean over the classes (macro), of their sums (micro), and of the target 1 alone.

    What has nothing to divide by is 0.
    """
    used = [count for count in _BY_CLASS if count in above + below]

    def quotient(spelling: str) -> str:
        over, under = (re.sub(r"[a-z]+", lambda count: spelling.format(count.group()), t) for t in (above, below))
        return f"where({under} > 0, ({over})/({under}), 0)"

    def row(reads: Reads, option: Option, when: tuple[str, Value] | None, *equations: str) -> Definition:
        return Definition(name, reads, equations, name, (option,), when=when, help=help)

    by_class = (_BEST, *(_BY_CLASS[count] for count in used))
    sums = (f"all_{count} = sum[c]({count}[c])" for count in used)
    return (
        row(_CLASSES, _MICRO, ("micro", False), *by_class, f"{name} = mean[c]({quotient('{}[c]')})"),
        row(_CLASSES, _MICRO, ("micro", True), *by_class, *sums, f"{name} = {quotient('all_{}')}"),
        row(_PREDICTED, _THRESHOLD, None, *(_OF_YES[count] for count in used), f"{name} = {quotient('{}')}"),
    )


_YES_BEATS_NO = "(1 + sign({i} - {j}))/2"
"""For samples i of a class and j of none: is the score of i the higher?  A tie counts half; NaN is none of these."""

_ROC_AUC = (
    Definition(
        "roc_auc",
        reads=(("z", "real[n, C]"), ("y", "label[n, C]")),
        equations=(
            "q[i, c] = exp(z[i, c])/sum[k](exp(z[i, k]))",
            "actual[cth] = sum[i](where(y[i] == cth, 1, 0)) for cth in C",
            "present = sum[c](where(actual[c] > 0 and actual[c] < n, 1, 0))",
            f"beaten[i] = sum[j](where(y[j] != y[i], {_YES_BEATS_NO.format(i='q[i, y[i]]', j='q[j, y[i]]')}, 0))",
            "area = sum[i](beaten[i]/max(1, actual[y[i]]*(n - actual[y[i]])))",
            "roc_auc = area/max(1, present)",
        ),
        gives="roc_auc",
        help="the area under the ROC curve: how often what is of a class is scored above what is not; the mean over "
        "the classes that are there, by the softmax of logits",
    ),
    Definition(
        "roc_auc",
        reads=(("p", "real[n]"), ("y", "number[n]")),
        equations=(
            "actual = sum[i](where(y[i] == 1, 1, 0))",
            f"beaten[i] = sum[j](where(y[j] != 1, {_YES_BEATS_NO.format(i='p[i]', j='p[j]')}, 0))",
            "roc_auc = sum[i](where(y[i] == 1, beaten[i], 0))/max(1, actual*(n - actual))",
        ),
        gives="roc_auc",
        help="the area under the ROC curve of the target 1",
    ),
)
"""By pairs of samples: Hanley and McNeil, Radiology 143 (1982), p. 29."""

METRICS: tuple[Definition, ...] = (
    Definition(
        "accuracy",
        reads=_CLASSES,
        equations=("accuracy = mean[...](where(argmax[c](z[..., c]) == y[...], 1, 0))",),
        gives="accuracy",
        help="how often the largest of the last axis is the label's",
    ),
    Definition(
        "accuracy",
        reads=_PREDICTED,
        options=(_THRESHOLD,),
        equations=("accuracy = mean[...](where(where(p[...] >= threshold, 1, 0) == y[...], 1, 0))",),
        gives="accuracy",
        help="how often a probability of at least the threshold, or one below, meets the target 1 or 0",
    ),
    Definition(
        "top_k",
        reads=_CLASSES,
        options=(_TOP,),
        equations=(
            "above[...] = sum[c](where(z[..., c] > z[..., y[...]], 1, 0))",
            "top_k = mean[...](where(above[...] < k, 1, 0))",
        ),
        gives="top_k",
        help="how often the label is among the k largest of the last axis",
    ),
    *_rated("precision", "hits", "told", help="of what was told to be of a class, the part that is"),
    *_rated("recall", "hits", "actual", help="of what is of a class, the part that was told"),
    *_rated("f1", "2*hits", "told + actual", help="the harmonic mean of precision and recall"),
    *_ROC_AUC,
    Definition(
        "log_loss",
        reads=_CLASSES,
        equations=(
            "q[..., c] = exp(z[..., c])/sum[k](exp(z[..., k]))",
            "log_loss = mean[...](-log(q[..., y[...]]))",
        ),
        gives="log_loss",
        help="the cross-entropy of logits over the last axis, or of probabilities of the target 1",
    ),
    Definition(
        "log_loss",
        reads=_PREDICTED,
        equations=(
            "q[...] = clamp(p[...], 1e-12, 1 - 1e-12)",
            "log_loss = mean[...](-y[...]*log(q[...]) - (1 - y[...])*log(1 - q[...]))",
        ),
        gives="log_loss",
        help="the cross-entropy of probabilities of the target 1",
    ),
    Definition(
        "rmse", _PREDICTED, ("rmse = sqrt(mean[...]((p[...] - y[...])**2))",), "rmse", help="the root of the mse"
    ),
    Definition(
        "r2",
        reads=_PREDICTED,
        equations=(
            "low = min[...](y[...])",
            "center = low + mean[...](y[...] - low)",  # exact where the target never changes
            "rest = sum[...]((p[...] - y[...])**2)",
            "spread = sum[...]((y[...] - center)**2)",
            "r2 = where(spread == 0, where(rest == 0, 1, 0), 1 - rest/spread)",
        ),
        gives="r2",
        help="the part of the target's variance that is explained; 1 or 0 where the target never changes: is it met?",
    ),
)
