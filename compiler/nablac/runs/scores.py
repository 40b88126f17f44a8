"""runs/scores: confusion matrix, precision and recall, ROC curve and its area, calibration; in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BINS = 15
"""Of the reliability diagram, of equal width; the number that the papers on calibration use."""


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    """How often each class (row) was taken for each (column).

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: Array) -> dict[str, Array]:
    """Precision, recall, F1 and how many there are, of each class; 0 where there is nothing to divide by."""
    hits, there, said = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)

    def part(a: Array, b: Array) -> Array:
        return np.divide(a, b, out=np.zeros(len(a)), where=b > 0)

    return {
        "precision": part(hits, said),
        "recall": part(hits, there),
        "f1": part(2 * hits, there + said),
        "count": there,
    }


@dataclass(frozen=True)
class Roc:
    """The part of the wrong (x) and of the right (y) that pass, threshold by threshold, from (0, 0) to (1, 1)."""

    false_positives: Array
    true_positives: Array

    @property
    def area(self) -> float:
        """The chance that one that is right scores higher than one that is wrong, ties counted as half."""
        return float(np.trapezoid(self.true_positives, self.false_positives))


def roc(right: Array, score: Array) -> Roc | None:
    """The ROC curve of a score; None where all are right, or none.

    >>> roc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).area
    0.75
    """
    order = np.argsort(-score, kind="stable")
    right, score = right[order].astype(bool), score[order]
    passed, positives = np.cumsum(right), int(right.sum())
    if positives in (0, len(right)):
        return None
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of each value: those that tie pass together
    true, false = passed[last], last + 1 - passed[last]
    return Roc(np.append(0.0, false / (len(right) - positives)), np.append(0.0, true / positives))


@dataclass(frozen=True)
class Calibration:
    """By bin of the confidence: how many there are, their mean confidence, and how often they were right."""

    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance between confidence and accuracy."""
        return float(np.sum(self.counts * np.abs(self.confidence - self.accuracy)) / self.counts.sum())


def calibration(right: Array, confidence: Array, bins: int = BINS) -> Calibration:
    """Confidences in bins of equal width, each closed above; empty ones are 0."""
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right.astype(float))]
    mean, often = (np.divide(s, counts, out=np.zeros(bins), where=counts > 0) for s in sums)
    return Calibration(counts, mean, often)
