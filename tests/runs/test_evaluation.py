"""What a model's answers are taken for, and the numbers, tables and plots that follow; against scikit-learn's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

import nablac.runs as nt
from nablac.errors import DataError
from tests.runs.stand_ins import module

RANDOM = np.random.default_rng(0)
PARAMS = RANDOM.normal(size=8)


def scores(params: Any, x: Any) -> Any:
    return x @ np.stack([params, params**2 - 0.3, -params], axis=1)


def softmax(z: Any) -> Any:
    parts = np.exp(z - z.max(axis=-1, keepdims=True))
    return parts / parts.sum(axis=-1, keepdims=True)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


X = RANDOM.normal(size=(300, 8))
Y = np.array([RANDOM.choice(3, p=p) for p in softmax(scores(PARAMS, X))])
BITS = (RANDOM.random(300) < sigmoid(X @ PARAMS)).astype(np.int64)
LABELLED = {"x": (("n", 8), "float64"), "y": (("n",), "int64")}
REAL = {"x": (("n", 8), "float64"), "y": (("n",), "float64")}


@pytest.mark.parametrize("form", [lambda z: z, softmax, lambda z: np.log(softmax(z))])
def test_logits_probabilities_and_their_logarithms_are_judged_alike(form: Any) -> None:
    made = module(LABELLED, {"z": (("n", 3), "float64")}, lambda p, x: form(scores(p, x)), {"y": 3})
    facts = nt.evaluate(made, PARAMS, x=X, y=Y).facts()
    parts = softmax(scores(PARAMS, X))
    assert (facts["kind"], facts["target"], facts["output"], facts["rows"]) == ("classes", "y", "z", 300)
    assert facts["confusion_matrix"] == sk.confusion_matrix(Y, parts.argmax(axis=1)).tolist()
    assert facts["accuracy"] == pytest.approx(sk.accuracy_score(Y, parts.argmax(axis=1)))
    assert facts["roc_auc"] == pytest.approx(sk.roc_auc_score(Y, parts, multi_class="ovr"), abs=1e-12)
    assert facts["log_loss"] == pytest.approx(sk.log_loss(Y, parts), rel=1e-9)
    each = sk.roc_auc_score(Y, parts, multi_class="ovr", average=None)
    assert list(facts["roc_auc_per_class"].values()) == pytest.approx(each.tolist(), abs=1e-12)


def bits(form: Any, values: Any, labels: dict[str, int]) -> dict[str, Any]:
    inputs = LABELLED if labels else REAL
    made = module(inputs, {"p": (("n",), "float64")}, lambda p, x: form(x @ p), labels)
    return nt.evaluate(made, PARAMS, x=X, y=values).facts()


@pytest.mark.parametrize("form", [lambda z: z, sigmoid])
def test_two_classes_by_logit_or_probability_labelled_or_as_numbers(form: Any) -> None:
    part = sigmoid(X @ PARAMS)
    for facts in (bits(form, BITS, {"y": 2}), bits(form, BITS.astype(float), {}), bits(form, 2.0 * BITS - 1, {})):
        assert facts["kind"] == "binary"
        assert facts["roc_auc"] == pytest.approx(sk.roc_auc_score(BITS, part), abs=1e-12)
        assert facts["log_loss"] == pytest.approx(sk.log_loss(BITS, part), rel=1e-9)
        assert facts["confusion_matrix"] == sk.confusion_matrix(BITS, part > 0.5).tolist()
        used = np.array(facts["calibration"]["count"]) > 0
        often = np.array(facts["calibration"]["accuracy"])[used]
        from sklearn.calibration import calibration_curve

        np.testing.assert_allclose(often, calibration_curve(BITS, part, n_bins=15)[0], rtol=1e-12)


def test_a_score_that_happens_to_lie_between_0_and_1_is_no_probability() -> None:
    """The sigmoid of 0.4 is above a half: what was taken for a probability would be class 0."""
    inputs = {"x": (("n", 8), "float64"), "y": (("n",), "int64")}
    made = module(inputs, {"z": (("n",), "float64")}, lambda p, x: x @ p, {"y": 2})
    x = np.full((6, 8), 0.1)
    facts = nt.evaluate(made, np.full(8, 0.5), x=x, y=np.array([0, 1, 0, 1, 0, 1])).facts()
    assert facts["confusion_matrix"] == [[0, 3], [0, 3]]


def test_one_hot_targets_are_classes() -> None:
    inputs = {"x": (("n", 8), "float64"), "y": (("n", 3), "float64")}
    made = module(inputs, {"z": (("n", 3), "float64")}, scores)
    facts = nt.evaluate(made, PARAMS, x=X, y=np.eye(3)[Y]).facts()
    assert facts["confusion_matrix"] == sk.confusion_matrix(Y, scores(PARAMS, X).argmax(axis=1)).tolist()


def test_probabilities_of_one_hot_targets_are_each_for_itself() -> None:
    inputs = {"x": (("n", 8), "float64"), "y": (("n", 3), "float64")}
    made = module(inputs, {"z": (("n", 3), "float64")}, lambda p, x: sigmoid(scores(p, x)))
    facts = nt.evaluate(made, PARAMS, x=X, y=np.eye(3)[Y]).facts()
    parts = sigmoid(scores(PARAMS, X))
    assert facts["log_loss"] == pytest.approx(sk.log_loss(Y, parts / parts.sum(axis=1, keepdims=True)), rel=1e-9)


def test_labels_of_a_sequence_are_counted_place_by_place() -> None:
    inputs = {"x": (("n", 5, 8), "float64"), "y": (("n", 5), "int64")}
    made = module(inputs, {"z": (("n", 5, 3), "float64")}, scores, {"y": 3})
    x, y = X.reshape(60, 5, 8), Y.reshape(60, 5)
    facts = nt.evaluate(made, PARAMS, x=x, y=y).facts()
    assert facts["rows"] == 300
    assert facts["confusion_matrix"] == sk.confusion_matrix(Y, scores(PARAMS, X).argmax(axis=1)).tolist()


def test_numbers() -> None:
    inputs = {"x": (("n", 8), "float64"), "y": (("n", 3), "float64")}
    made = module(inputs, {"z": (("n", 3), "float64")}, scores)
    said = scores(PARAMS, X)
    truth = said + RANDOM.normal(size=said.shape)
    truth[:, 2] = 3.0
    facts = nt.evaluate(made, PARAMS, x=X, y=truth).facts()
    assert facts["mae"] == pytest.approx(sk.mean_absolute_error(truth, said))
    assert facts["r2"] == pytest.approx(sk.r2_score(truth, said))
    assert facts["rmse"] == pytest.approx(sk.mean_squared_error(truth, said) ** 0.5)
    assert facts["per_value"]["r2"] == pytest.approx(sk.r2_score(truth, said, multioutput="raw_values").tolist())


def test_the_last_of_several_is_the_target() -> None:
    inputs = {"x": (("n", 8), "float64"), "weight": (("n",), "float64"), "y": (("n",), "float64")}
    made = module(inputs, {"p": (("n",), "float64")}, lambda p, x: x @ p)
    facts = nt.evaluate(made, PARAMS, x=X, weight=np.ones(300), y=X @ PARAMS + 1).facts()
    assert facts["target"] == "y" and facts["mae"] == pytest.approx(1)


def test_what_reproduces_its_input_is_compared_with_it() -> None:
    made = module({"x": (("n", 8), "float64")}, {"z": (("n", 8), "float64")}, lambda p, x: x + 0.1)
    facts = nt.evaluate(made, PARAMS, x=X).facts()
    assert (facts["kind"], facts["target"]) == ("numbers", "x") and facts["mae"] == pytest.approx(0.1)


def test_a_model_without_an_answer_has_its_own_measures_only(tmp_path: Path) -> None:
    made = module({"x": (("n", 8), "float64")}, {"z": (("n", 4), "float64")}, lambda p, x: x[:, :4])
    found = nt.evaluate(made, PARAMS, x=X)
    assert found.facts() == {"measures": {"loss": 0.5}} and not list(found.lines())
    assert [path.name for path in found.save(tmp_path)] == ["evaluation.json"]


def classified(classes: int, names: tuple[str, ...] = (), rows: int = 400, pixels: int = 8) -> nt.Evaluation:
    random = np.random.default_rng(classes)
    truth = np.append(np.arange(classes), random.integers(classes, size=rows - classes))
    x = random.normal(size=(rows, pixels))
    z = random.normal(size=(rows, classes)) + 3 * np.eye(classes)[truth]
    inputs = {"x": (("n", pixels), "float64"), "y": (("n",), "int64")}
    made = module(inputs, {"z": (("n", classes), "float64")}, lambda p, x: z[: len(x)], {"y": classes})
    return nt.evaluate(made, PARAMS, names=names, x=x, y=truth)


def test_the_table_of_a_few_classes() -> None:
    lines = list(classified(3, ("setosa", "versicolor", "virginica")).lines())
    assert lines[0].startswith("on 400 samples: accuracy 0.9")
    assert lines[1].split() == ["class", "count", "precision", "recall", "f1", "auc"]
    assert [line.split()[0] for line in lines[2:5]] == ["setosa", "versicolor", "virginica"]
    assert lines[6].startswith("confusion: a row for each true class")
    assert lines[7].split() == ["setosa", "versicol", "virginic"]


def test_of_many_classes_the_worst_are_told() -> None:
    lines = list(classified(50).lines())
    assert len(lines) == 3 and lines[1].startswith("lowest recall of 50 classes: ")
    assert lines[2].startswith("most often mistaken: ") and " as " in lines[2]


@pytest.mark.parametrize("classes", [12])
def test_the_files(classes: int, tmp_path: Path) -> None:
    found = classified(classes)
    names = [path.name for path in found.save(tmp_path)]
    assert names == ["evaluation.json", "samples.csv", "confusion.png", "roc.png", "calibration.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert json.loads((tmp_path / "evaluation.json").read_text())["confusion_matrix"] == found.confusion.tolist()
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names[2:])
    before = {name: (tmp_path / name).read_bytes() for name in names[:3]}
    found.save(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names[:3]} == before


@pytest.mark.parametrize("classes", [1, 2])
def test_names_are_no_formulas_and_of_any_script(classes: int, tmp_path: Path) -> None:
    names = ("$\\frac{$", "\u732b", "$x$")[: classes + 1]
    found = classified(classes + 1, names, pixels=144)
    assert len(found.save(tmp_path)) == 5
    assert any(line.startswith("$\\frac{$ ") for line in found.lines())


def test_samples_that_are_no_pictures_are_a_table(tmp_path: Path) -> None:
    found = classified(3)
    found.save(tmp_path, plots=False)
    header, first, *rest = (tmp_path / "samples.csv").read_text().splitlines()
    assert header == "row,true y,predicted y,probability," + ",".join(f"x {k}" for k in range(8))
    assert first.startswith("0,0,") and len(rest) >= 19
    wrong = [line.split(",") for line in rest[19:]]
    assert wrong and all(cells[1] != cells[2] for cells in wrong)


def test_pictures_are_shown() -> None:
    from nablac.runs.images import pictures

    steps = np.cumsum(np.cumsum(np.random.default_rng(0).normal(size=(40, 12, 12)), axis=1), axis=2)

    def shape(array: np.ndarray) -> tuple[int, ...] | None:
        found = pictures(array, [3, 1])
        return None if found is None else found.shape

    assert shape(steps.reshape(40, 144)) == (2, 12, 12)
    assert shape(np.random.default_rng(0).normal(size=(40, 144))) is None, "rows of a table"
    assert shape(steps[:, :5, :5].reshape(40, 25)) is None, "too small"
    assert shape(np.zeros((4, 3, 16, 16))) == (2, 16, 16, 3)
    assert shape(np.zeros((4, 16, 16, 1))) == (2, 16, 16)


def test_names_must_fit() -> None:
    with pytest.raises(DataError, match="there is a name for each class") as caught:
        classified(3, ("a", "b"))
    assert (caught.value.found, caught.value.expected) == ("2 names", "3")


def test_answers_that_are_not_finite_are_told() -> None:
    made = module(LABELLED, {"z": (("n", 3), "float64")}, lambda p, x: scores(p, x) * np.nan, {"y": 3})
    with pytest.raises(DataError) as caught:
        nt.evaluate(made, PARAMS, x=X, y=Y)
    assert caught.value.found == "no finite 'z' in row 0"


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot be written"):
        classified(3).save(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("reproduced", [False, True])
def test_pictures_are_drawn(reproduced: bool, tmp_path: Path) -> None:
    steps = np.cumsum(np.cumsum(np.random.default_rng(0).normal(size=(40, 12, 12)), axis=1), axis=2)
    x, y = steps.reshape(40, 144), np.arange(40) % 3
    inputs = {"x": (("n", 144), "float64")} | ({} if reproduced else {"y": (("n",), "int64")})
    outputs = {"z": (("n", 144 if reproduced else 3), "float64")}
    made = module(inputs, outputs, lambda p, x: x + 0.1 if reproduced else x[:, :3], {"y": 3}, size=144)
    found = nt.evaluate(made, np.zeros(144), x=x, **({} if reproduced else {"y": y}))
    names = [path.name for path in found.save(tmp_path)]
    assert "samples.png" in names and "samples.csv" not in names
