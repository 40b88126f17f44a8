"""Confusion matrix, precision, recall, F1, ROC and calibration, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.calibration import calibration_curve

from nablac.runs.scores import calibration, confusion, per_class, roc


def drawn(classes: int, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that know something of them."""
    random = np.random.default_rng(classes)
    truth = random.integers(classes, size=rows)
    scores = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[truth]
    parts = np.exp(scores)
    return truth, parts / parts.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_confusion_matrix_and_what_follows_from_it(classes: int) -> None:
    truth, parts = drawn(classes)
    predicted = parts.argmax(axis=1)
    matrix = confusion(truth, predicted, classes)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, predicted))
    wanted = sk.precision_recall_fscore_support(truth, predicted)
    for found, expected in zip(per_class(matrix).values(), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_class_that_is_never_there_or_never_said_counts_as_0() -> None:
    truth, predicted = np.array([0, 0, 2]), np.array([0, 2, 2])
    found = per_class(confusion(truth, predicted, 4))
    wanted = sk.precision_recall_fscore_support(truth, predicted, labels=range(4), zero_division=0)
    for values, expected in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(values, expected)


@pytest.mark.parametrize("digits", [1, 2, 17])
def test_the_roc_curve_with_and_without_ties(digits: int) -> None:
    truth, parts = drawn(2)
    score = parts[:, 1].round(digits)
    found = roc(truth, score)
    assert found is not None
    false, true, _ = sk.roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose(found.false_positives, false, atol=1e-15)
    np.testing.assert_allclose(found.true_positives, true, atol=1e-15)
    assert found.area == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-14)


def test_no_curve_where_nothing_is_to_be_told_apart() -> None:
    assert roc(np.zeros(4, int), np.arange(4.0)) is None
    assert roc(np.ones(4, int), np.arange(4.0)) is None


def test_the_bins_of_the_calibration() -> None:
    truth, parts = drawn(2, rows=5000)
    found = calibration(truth == 1, parts[:, 1], bins=10)
    used = found.counts > 0
    often, mean = calibration_curve(truth, parts[:, 1], n_bins=10)
    np.testing.assert_allclose(found.accuracy[used], often, rtol=1e-12)
    np.testing.assert_allclose(found.confidence[used], mean, rtol=1e-12)
    assert found.counts.sum() == 5000


def test_the_calibration_error_by_hand() -> None:
    right, confidence = np.array([1, 1, 0, 1]), np.array([0.95, 0.95, 0.55, 0.55])
    assert calibration(right, confidence, bins=10).error == pytest.approx((2 * 0.05 + 2 * 0.05) / 4)
    assert calibration(np.array([1, 0]), np.array([1.0, 0.0])).error == 0
