"""runs/plots: confusion matrix, ROC curve, calibration, predicted beside true numbers; PNG files by matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nablac.emit.write import replace
from nablac.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nablac.runs.evaluation import Evaluation

BLUE, RED, GREY = "#2f6fb0", "#c4432b", "#9aa0a6"
PALE, PINK = "#8fb4d9", "#e6b0a5"
PLOTS = ("confusion.png", "roc.png", "calibration.png", "predictions.png", "samples.png")
"""The files of all plots."""
NAMED, NUMBERED, LETTERS = 40, 20, 20
"""Classes whose names, and whose counts, a confusion matrix has room for; and letters of a name."""
CURVES = 10
"""ROC curves in one picture."""


def draw_all(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Every plot that fits what was evaluated; none where matplotlib is not installed."""
    from nablac.runs.samples import draw_samples

    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return []
    kind = evaluation.answer.kind if evaluation.answer else None
    plots: dict[str, Callable[[Evaluation], Figure | None]] = {}
    if kind in ("classes", "binary"):
        plots = {"confusion.png": draw_confusion, "roc.png": draw_roc, "calibration.png": draw_calibration}
    elif kind == "numbers":
        plots = {"predictions.png": draw_predictions}
    if kind:
        plots["samples.png"] = draw_samples
    drawn = {folder / name: plot(evaluation) for name, plot in plots.items()}
    return [write(path, figure) for path, figure in drawn.items() if figure]


def figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def shown_name(name: str) -> str:
    """A class's name, not too long, and not taken for a formula."""
    short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
    return short.replace("$", r"\$")


def write(path: Path, picture: Figure) -> Path:
    """Write a PNG file whole or not at all; equal pictures give equal bytes."""
    data = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a script that the font has not
        picture.savefig(data, format="png", dpi=120, metadata={"Software": None})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, data.getvalue())
    except OSError as error:
        raise DataError(f"{path} cannot be written", found=error.strerror) from None
    return path


def draw_confusion(evaluation: Evaluation) -> Figure:
    """Counts, coloured by their part of the true class, small parts brought out."""
    from matplotlib.colors import PowerNorm

    counts = evaluation.confusion
    names = [shown_name(name) for name in evaluation.names]
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    longest = max(map(len, names))
    size = min(max(4.0, 1.8 + 0.44 * len(names)), 11) + 0.08 * longest
    picture = figure(size + 0.9, size)
    axes = picture.subplots()
    image = axes.imshow(parts, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    if len(names) <= NAMED:
        axes.set_xticks(range(len(names)), names, rotation=90 if longest * len(names) > 40 else 0)
        axes.set_yticks(range(len(names)), names)
    if len(names) <= NUMBERED:
        small = 9 if counts.max() < 1000 else 7
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if parts[row, column] > 0.4 else RED if row != column else "black"
                axes.text(column, row, f"{count}", ha="center", va="center", fontsize=small, color=colour)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(f"accuracy {np.trace(counts) / counts.sum():.4g} on {counts.sum():,} samples")
    picture.colorbar(image, shrink=0.8, label="fraction of the true class", ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    return picture


def draw_roc(evaluation: Evaluation) -> Figure | None:
    """The curves, and the corner where good ones lie; of many classes, the worst."""
    curves = {name: curve for name, curve in evaluation.rocs.items() if curve}
    if not curves:
        return None
    shown = sorted(curves.items(), key=lambda pair: pair[1].area)[:CURVES]
    shown.sort(key=lambda pair: evaluation.names.index(pair[0]))
    good = max(curve.area for _, curve in shown) > 0.9
    picture = figure(9.6 if good else 5.2, 4.6)
    whole, *corner = picture.subplots(1, 1 + good, squeeze=False)[0]
    for axes in (whole, *corner):
        for name, curve in shown:
            label = f"{shown_name(name)}: {curve.area:.4f}" if len(curves) > 1 else f"area {curve.area:.4f}"
            axes.plot(curve.false_positives, curve.true_positives, lw=1.4, label=label)
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="chance")
        axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
        axes.grid(alpha=0.3)
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    for axes in corner:
        axes.set(xticks=np.linspace(0, 0.2, 5), yticks=np.linspace(0.8, 1, 5), title="the same, upper left corner")
        axes.set(xlim=(-0.002, 0.2), ylim=(0.8, 1.002))
    whole.set_title(f"area {evaluation.roc_auc:.4f}" + (", mean over the classes" if len(curves) > 1 else ""))
    title = f"the {CURVES} worst of {len(curves)} classes" if len(curves) > CURVES else "each class against the rest"
    whole.legend(loc="lower right", fontsize=8, title=title if len(curves) > 1 else None, title_fontsize=8)
    return picture


def draw_calibration(evaluation: Evaluation) -> Figure:
    """The reliability diagram: how often what was said with a confidence is right; below, how often it was said."""
    bins = evaluation.calibration
    count, two = len(bins.counts), len(evaluation.names) == 2
    edges, used = np.arange(count) / count, bins.counts > 0
    picture = figure(5.2, 6.0)
    upper, lower = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    said, happened = bins.confidence[used], bins.accuracy[used]
    bars: dict[str, Any] = {"width": 1 / count, "align": "edge", "edgecolor": "white"}
    upper.bar(edges[used], happened, **bars, color=BLUE, label="observed")
    foot = np.minimum(said, happened)
    for more, colour, label in ((said - foot, PINK, "overestimated"), (happened - foot, PALE, "underestimated")):
        upper.bar(edges[used], more, bottom=foot, **bars, color=colour, hatch="///", label=label)
    upper.plot([0, 1], [0, 1], ":", color="black", lw=1)
    second = shown_name(evaluation.names[1])
    subject = f"predicted probability of {second}" if two else "probability of the predicted class"
    upper.set(xlim=(0, 1), ylim=(0, 1.02), title=f"expected calibration error {bins.error:.4f}")
    upper.set_ylabel(f"fraction that is {second}" if two else "fraction that is right")
    upper.legend(loc="upper left", fontsize=8)
    lower.bar(edges, bins.counts, 1 / count, align="edge", color=GREY, edgecolor="white")
    lower.set(xlabel=subject, ylabel="samples", yscale="symlog" if bins.counts.max() > 100 else "linear")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return picture


def draw_predictions(evaluation: Evaluation) -> Figure:
    """Numbers: what was said beside what is true, and how the differences are spread."""
    assert evaluation.answer
    facts, answer = evaluation.facts(), evaluation.answer
    chosen: Any = np.random.Generator(np.random.Philox(key=0)).permutation(answer.truth.size)[:5000]
    truth, said = answer.truth.ravel()[chosen], answer.said.ravel()[chosen]
    picture = figure(9.6, 4.4)
    left, right = picture.subplots(1, 2, width_ratios=(1, 1))
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    left.plot(ends, ends, ":", color="black", lw=1)
    left.scatter(
        truth, said, s=24 if len(truth) < 1000 else 8, alpha=0.6 if len(truth) < 1000 else 0.2, color=BLUE, linewidths=0
    )
    left.set(xlabel=f"true {answer.target}", ylabel=f"predicted ({answer.output})")
    left.set_title(f"R² {facts['r2']:.4f}, rmse {facts['rmse']:.4g}")
    right.axvline(0, color="black", lw=1, ls=":")
    right.hist(said - truth, bins=min(max(int(len(truth) ** 0.5), 10), 40), color=BLUE, edgecolor="white")
    right.set(xlabel="predicted - true", ylabel="samples")
    right.set_title(f"mean {np.mean(said - truth):.3g}, mae {facts['mae']:.4g}")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return picture
