"""runs/samples: some samples with what was said of them: pictures as a picture, others as a table (CSV)."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from nablac.runs.images import pictures
from nablac.runs.plots import RED, figure, shown_name
from nablac.runs.scores import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nablac.runs.evaluation import Evaluation

COLUMNS = 50
"""Of an input, in a table."""
ACROSS, ROWS = 8, 2
"""Pictures in a row, and rows of each of the two groups."""


def draw_samples(evaluation: Evaluation) -> Figure | None:
    """Samples as they come, and the worst mistakes; None where the samples are no pictures."""
    assert evaluation.answer
    answer = evaluation.answer
    if answer.kind == "numbers":
        return _reproductions(evaluation)
    groups = {"samples as they come": np.arange(min(evaluation.rows, ACROSS * ROWS))}
    wrong = worst_mistakes(evaluation)[: ACROSS * ROWS]
    if len(wrong):
        groups["the mistakes of which it was most certain"] = wrong
    shown = _pictures(evaluation, np.concatenate([*groups.values()]))
    if shown is None:
        return None
    images = iter(shown)
    heights = [-(-len(rows) // ACROSS) for rows in groups.values()]
    picture = figure(1.15 * ACROSS, 0.4 * len(groups) + 1.45 * sum(heights))
    frames: Any = picture.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for frame, (title, rows), height in zip(frames, groups.items(), heights, strict=True):
        frame.suptitle(title, fontsize=11)
        places = frame.subplots(height, ACROSS, squeeze=False).ravel()
        for axes in places:
            axes.axis("off")
        for axes, row in zip(places, rows, strict=False):
            _show(axes, next(images))
            said, true = evaluation.predicted[row], answer.truth[row]
            label = f"{shown_name(evaluation.names[said])}  {evaluation.confidence[row]:.0%}"
            right = said == true
            axes.set_title(label if right else f"{label}\ntrue: {shown_name(evaluation.names[true])}", fontsize=8.5)
            axes.title.set_color("black" if right else RED)
    return picture


def _pictures(evaluation: Evaluation, rows: Array) -> Array | None:
    """These rows of the first input that holds pictures, one for each answer."""
    assert evaluation.answer
    others = [value for name, value in evaluation.inputs.items() if name != evaluation.answer.target]
    fitting = [value for value in others if np.ndim(value) > 1 and len(value) == evaluation.rows]
    return next((found for value in fitting if (found := pictures(value, rows)) is not None), None)


def worst_mistakes(evaluation: Evaluation) -> Array:
    """The rows whose class was not found, the most certain first."""
    assert evaluation.answer
    wrong = np.flatnonzero(evaluation.predicted != evaluation.answer.truth)
    return wrong[np.argsort(-evaluation.confidence[wrong], kind="stable")]


def _reproductions(evaluation: Evaluation) -> Figure | None:
    """Pictures that a model was to reproduce, above those that it made."""
    assert evaluation.answer
    target, count = evaluation.inputs[evaluation.answer.target], min(evaluation.rows, ACROSS)
    true = pictures(target, np.arange(count)) if np.ndim(target) > 1 else None
    if true is None:
        return None
    made = pictures_like(evaluation.answer.said[:count].reshape((count, *target.shape[1:])), true)
    picture = figure(1.15 * ACROSS, 3.1)
    rows = picture.subplots(2, ACROSS, squeeze=False)
    for axes in rows.ravel():
        axes.axis("off")
    for column in range(count):
        for axes, image in zip(rows[:, column], (true[column], made[column]), strict=True):
            _show(axes, image)
        error = float(np.sqrt(np.mean((true[column] - made[column]) ** 2)))
        rows[1, column].set_title(f"rmse {error:.3g}", fontsize=8.5)
    picture.suptitle("above: the samples; below: what the model makes of them", fontsize=11)
    return picture


def pictures_like(array: Array, like: Array) -> Array:
    """Reproductions in the shape of what they reproduce, also where they are too rough to be known as pictures."""
    if array.ndim == 4 and like.ndim == 4 and array.shape != like.shape:
        array = np.moveaxis(array, 1, -1)
    return array.reshape(like.shape)


def _show(axes: Any, image: Array) -> None:
    """Grey, or in colours, from the smallest value to the largest of this picture."""
    low, high = float(image.min()), float(image.max())
    scaled = (image - low) / (high - low) if high > low else np.zeros_like(image, np.float64)
    axes.imshow(scaled, cmap="gray", vmin=0, vmax=1)


def table(evaluation: Evaluation, rows: int = 20) -> str:
    """The first samples and the worst as lines of CSV: what was true, what was predicted, what went in."""
    assert evaluation.answer
    answer = evaluation.answer
    if answer.kind == "numbers":
        worst = np.argsort(-np.abs(answer.said - answer.truth).mean(axis=1), kind="stable")
    else:
        worst = worst_mistakes(evaluation)
    chosen = dict.fromkeys([*range(min(rows, evaluation.rows)), *worst[:rows].tolist()])
    found = [_row(evaluation, row) for row in chosen]
    text = StringIO()
    lines = csv.DictWriter(text, found[0], lineterminator="\n")
    lines.writeheader()
    lines.writerows(found)
    return text.getvalue()


def _row(evaluation: Evaluation, row: int) -> dict[str, Any]:
    assert evaluation.answer
    answer = evaluation.answer
    cells: dict[str, Any] = {"row": row}
    truth, said = f"true {answer.target}", f"predicted {answer.target}"
    if answer.kind == "numbers":
        for k, pair in enumerate(zip(answer.truth[row].tolist(), answer.said[row].tolist(), strict=True)):
            part = f" {k}" if answer.truth.shape[1] > 1 else ""
            cells |= dict(zip((f"{truth}{part}", f"{said}{part}"), pair, strict=True))
    else:
        labels = (evaluation.names[labels[row]] for labels in (answer.truth, evaluation.predicted))
        cells |= dict(zip((truth, said), labels, strict=True))
        cells["probability"] = round(float(evaluation.confidence[row]), 6)
    for name, value in evaluation.inputs.items():
        if name != answer.target and np.ndim(value) and len(value) == evaluation.rows:
            flat = np.ravel(value[[row]]).tolist()[:COLUMNS]
            cells |= {f"{name} {k}" if len(flat) > 1 else name: v for k, v in enumerate(flat)}
    return cells
