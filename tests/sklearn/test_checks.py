"""scikit-learn's own checks: hundreds of fits, on data of many widths and numbers of classes and of many mistakes."""

from __future__ import annotations

from pathlib import Path
from unittest import SkipTest

import pytest
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_regressor_multioutput,
    estimator_checks_generator,
)

from nablac.sklearn import estimator

SKIPPED = ("pandas is not installed", "SCIPY_ARRAY_API is not set")


def passes(spec: Path) -> None:
    """All checks; those alone may be skipped that need what is not there."""
    results = check_estimator(estimator(spec), on_skip=None, on_fail="raise")
    assert len(results) > 45
    for result in results:
        told = str(result["exception"])
        assert result["status"] == "passed" or told.startswith(SKIPPED), f"{result['check_name']}: {told}"


def test_a_classifier_passes_every_check(specs: Path) -> None:
    passes(specs / "softmax.yaml")


def test_a_regressor_passes_the_checks_of_regressors(specs: Path) -> None:
    every = list(estimator_checks_generator(estimator(specs / "line.yaml")))
    chosen = [(made, check) for made, check in every if "regressor" in str(check)]
    assert len(chosen) >= 5
    for made, check in chosen:
        try:
            check(made)
        except SkipTest as reason:
            assert str(reason).startswith(SKIPPED)


@pytest.mark.deep
@pytest.mark.parametrize("name", ["line", "lines", "shares", "weighted", "binary"])
def test_every_form_of_output_passes_every_check(name: str, specs: Path) -> None:
    passes(specs / f"{name}.yaml")


def test_targets_of_a_narrow_model_are_as_scikit_learn_has_them(specs: Path, tmp_path: Path) -> None:
    """In float64, whatever the model's dtype."""
    narrow = tmp_path / "lines.yaml"
    narrow.write_text((specs / "lines.yaml").read_text().replace("float64", "float32"))
    check_regressor_multioutput("lines", estimator(narrow))
