"""Estimators of specs: sizes from the data, one module for all settings, pickling, weights, and what is refused."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nablac
from nablac import network
from nablac import sklearn as estimators
from nablac.errors import NablacError
from nablac.frontend.load import load_model
from nablac.sklearn import Classifier, Regressor, WeightedClassifier, WeightedRegressor, estimator

ROOT = Path(__file__).resolve().parents[2]
X, NUMBERS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
Y = NAMES[NUMBERS]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the models that are compiled, with nothing in the process or in the store before."""
    found, compile_ = [], network.compile
    monkeypatch.setattr(network, "compile", lambda model: found.append(model.name) or compile_(model))
    monkeypatch.setattr(estimators, "_MODULES", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


def test_the_package_has_it_too() -> None:
    assert nablac.estimator is estimator


def test_the_kind_is_that_of_the_target(specs: Path) -> None:
    kinds = {"softmax": Classifier, "binary": Classifier, "weighted": WeightedClassifier, "line": Regressor}
    assert {name: type(estimator(specs / f"{name}.yaml")) for name in kinds} == kinds
    text = (specs / "weighted.yaml").read_text().replace("label[n, C]", "real[n, C]").replace("cross_entropy", "mse")
    (specs / "weighted_line.yaml").write_text(text)
    assert type(estimator(specs / "weighted_line.yaml")) is WeightedRegressor


def test_labels_of_any_kind(specs: Path) -> None:
    made = estimator(specs / "softmax.yaml", epochs=60).fit(X, Y)
    assert list(made.classes_) == list(NAMES) and made.n_features_in_ == 4
    assert made.score(X, Y) > 0.9 and set(made.predict(X)) <= set(NAMES)
    shares = made.predict_proba(X)
    assert np.allclose(shares.sum(axis=1), 1) and (made.decision_function(X).argmax(1) == shares.argmax(1)).all()
    assert [row["epoch"] for row in made.history_] == list(range(1, 61))


def test_a_grid_search_over_24_settings_compiles_once(specs: Path, compiled: list[str]) -> None:
    model = make_pipeline(StandardScaler(), estimator(specs / "softmax.yaml"))
    settings = {"lr": [0.003, 0.01, 0.03, 0.1], "batch_size": [16, 32, 64], "epochs": [2, 5]}
    search = GridSearchCV(model, {f"classifier__{name}": values for name, values in settings.items()}, cv=2).fit(X, Y)
    assert len(search.cv_results_["params"]) == 24 and compiled == ["softmax"]
    assert search.best_score_ > 0.85


def test_a_module_is_made_by_one_process_while_the_other_waits(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from nablac.store import Stored, kept
def make(folder):
    with open(sys.argv[1], "a") as file:
        file.write("made\\n")
    time.sleep(0.5)
    (folder / "m.py").write_text("")
    return Stored(folder / "m.py", ())
assert kept([b"a"], make).path.exists()
"""
    place = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "compiler")}
    command = [sys.executable, "-c", script, str(tmp_path / "told")]
    running = [subprocess.Popen(command, env=place) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert (tmp_path / "told").read_text() == "made\n"


def test_pickled_in_one_process_and_used_in_another(specs: Path, cache: Path, tmp_path: Path) -> None:
    made = estimator(specs / "softmax.yaml", epochs=3).fit(X, Y)
    (tmp_path / "made.pickle").write_bytes(pickle.dumps(made))
    np.savez(tmp_path / "data.npz", X=X, found=made.predict_proba(X))
    script = """
import pickle, sys, numpy as np
made, data = pickle.load(open(sys.argv[1], "rb")), np.load(sys.argv[2])
assert (made.predict_proba(data["X"]) == data["found"]).all()
print(*made.classes_, made.get_params()["epochs"], len(made.history_))
"""
    place = {**os.environ, "PYTHONPATH": str(ROOT / "compiler")}
    command = [sys.executable, "-c", script, str(tmp_path / "made.pickle"), str(tmp_path / "data.npz")]
    told = subprocess.run(command, env=place, capture_output=True, text=True)
    assert told.stdout.split() == ["setosa", "versicolor", "virginica", "3", "3"], told.stderr


def test_what_is_pickled_is_plain(specs: Path) -> None:
    state = estimator(specs / "softmax.yaml", epochs=2).fit(X, Y).__getstate__()["fitted_"]
    kinds = (str, int, float, bool, type(None), list, np.ndarray)
    assert all(isinstance(value, kinds) for value in state.values())
    assert all(isinstance(value, (int, float)) for row in state["history_"] for value in row.values())


def test_a_changed_model_refuses_the_old_state(specs: Path, tmp_path: Path) -> None:
    spec = tmp_path / "changing.yaml"
    spec.write_text((specs / "softmax.yaml").read_text())
    blob = pickle.dumps(estimator(spec, epochs=1).fit(X, Y))
    spec.write_text(spec.read_text().replace("lr: 0.05", "lr: 0.5"))
    with pytest.raises(ValueError, match="what was pickled belongs to another model"):
        pickle.loads(blob)


def test_warm_start_and_partial_fit_go_on_where_learning_stopped(specs: Path) -> None:
    whole = estimator(specs / "softmax.yaml", epochs=4).fit(X, Y)
    twice = estimator(specs / "softmax.yaml", epochs=2, warm_start=True).fit(X, Y).fit(X, Y)
    parts = estimator(specs / "softmax.yaml")
    for _ in range(4):
        parts.partial_fit(X, Y)
    anew = clone(whole).fit(X, Y)
    for other in (twice, parts, anew):
        assert (other.predict_proba(X) == whole.predict_proba(X)).all() and other.history_ == whole.history_
    assert len(whole.fit(X, Y).history_) == 4


def test_partial_fit_learns_whether_or_not_the_loss_falls(specs: Path) -> None:
    made = estimator(specs / "softmax.yaml", lr=3.0, patience=1)
    seen = {made.partial_fit(X, Y).predict_proba(X).tobytes() for _ in range(8)}
    losses = [row["train_loss"] for row in made.history_]
    assert len(seen) == len(losses) == 8 and losses != sorted(losses, reverse=True)


def test_settings_may_change_between_the_parts(specs: Path) -> None:
    made = estimator(specs / "softmax.yaml", epochs=2, lr=0.01, warm_start=True).fit(X, Y)
    made.set_params(lr=None, epochs=1).fit(X[:120], Y[:120])
    assert [row["lr"] for row in made.history_] == [0.01, 0.01, 0.05]


def test_partial_fit_is_told_classes_that_come_later(specs: Path) -> None:
    made = estimator(specs / "softmax.yaml").partial_fit(X[:100], Y[:100], classes=NAMES)
    assert made.partial_fit(X, Y).predict_proba(X).shape == (150, 3)
    with pytest.raises(ValueError) as told:
        made.partial_fit(X, np.where(NUMBERS == 0, "rosa", Y))
    assert str(told.value).splitlines() == [
        "y has a class that is new", "  found:    rosa", "  expected: setosa, versicolor, virginica"
    ]  # fmt: skip


def test_weights_count_as_repetitions(specs: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 3, len(X))
    settings = {"epochs": 5, "batch_size": 1000}
    weighted = estimator(specs / "weighted.yaml", **settings).fit(X, Y, sample_weight=counts)
    repeated = estimator(specs / "weighted.yaml", **settings).fit(np.repeat(X, counts, 0), np.repeat(Y, counts))
    plain = estimator(specs / "weighted.yaml", **settings).fit(X, Y)
    assert np.allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=0, atol=1e-12)
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X), rtol=0, atol=1e-4)


def test_random_states(specs: Path) -> None:
    def learned(state: object) -> np.ndarray:
        return estimator(specs / "softmax.yaml", epochs=1, random_state=state).fit(X, Y).predict_proba(X)

    assert (learned(None) == learned(0)).all()  # the model's own seed
    assert (learned(np.random.RandomState(5)) == learned(np.random.RandomState(5))).all()
    assert not (learned(1) == learned(0)).all() and not (learned(np.random.RandomState(5)) == learned(0)).all()
    assert (learned(np.int64(1)) == learned(1)).all()


def test_validation_and_patience_are_those_of_the_trainer(specs: Path) -> None:
    made = estimator(specs / "softmax.yaml", epochs=50, lr=3.0, validation=0.3, patience=2).fit(X, Y)
    losses = [row["val_loss"] for row in made.history_]
    assert len(losses) < 50 and losses.index(min(losses)) == len(losses) - 3


def test_settings_are_all_those_of_the_modules_own_class(specs: Path) -> None:
    own = estimator(specs / "softmax.yaml", epochs=1).fit(X, Y).fitted_
    assert {*own.get_params(), "spec"} == set(inspect.signature(Classifier).parameters)


@pytest.mark.parametrize(
    ("name", "fit", "told"),
    [
        ("softmax", lambda e: e.fit(X, np.zeros(150)), "found:    1 class"),
        ("softmax", lambda e: e.fit(X, X[:, 0]), "continuous"),
        ("binary", lambda e: e.fit(X, Y), "Only binary classification is supported."),
        ("softmax", lambda e: e.fit(X, Y, sample_weight=np.ones(150)), "found:    sample_weight\n  expected: X and y"),
        ("softmax", lambda e: e.partial_fit(X, Y, epochs=2), "found:    epochs"),
        ("weighted", lambda e: e.fit(X, Y, sample_weight=np.zeros(150)), "every sample_weight is zero"),
        ("weighted", lambda e: e.fit(X, Y, sample_weight=np.ones(3)), "wrong shape"),
        ("softmax", lambda e: e.set_params(epochs=-1).fit(X, Y), "epochs is out of range"),
        ("softmax", lambda e: e.fit(X, Y).predict(X[:, :3]), "X has 3 features"),
        ("softmax", lambda e: e.predict(X), "not fitted"),
        ("line", lambda e: e.fit(X, Y), "the input 'y' has the wrong dtype"),
    ],
)
def test_what_is_refused(name: str, fit: Callable[[Classifier], object], told: str, specs: Path) -> None:
    with pytest.raises(ValueError, match=told):
        fit(estimator(specs / f"{name}.yaml"))


def test_models_that_are_no_estimators(tmp_path: Path) -> None:
    spec = tmp_path / "pair.yaml"
    spec.write_text(
        "model: pair\ninputs: {a: 'real[n, 3]', b: 'real[n, 3]', y: 'real[n]', z: 'real[n]'}\n"
        "equations: ['p[i] = sum[k](a[i,k]*b[i,k]) + y[i] + z[i]']\nloss: mean[i](p[i])\n"
    )
    with pytest.raises(NablacError, match="the model cannot be an estimator") as told:
        estimator(spec)
    assert told.value.found == "real[n, 3], real[n, 3], real[n], real[n]"
    spec.write_text(
        "model: reading\ninputs: {x: 'real[n, d]', y: 'real[n]'}\nparams: {w: 'real[d]'}\n"
        "equations: ['p[i] = sum[k](w[k]*x[i,k]) + y[i]']\nloss: mean[i](p[i]**2)\noutputs: p\n"
    )
    with pytest.raises(NablacError, match="the model 'reading' is no regressor"):
        estimator(spec).fit(X, NUMBERS)


def test_a_model_of_fixed_sizes(specs: Path) -> None:
    model = load_model(specs / "softmax.yaml", sizes={"d": 4, "C": 3})
    made = estimator(model, epochs=3)
    assert made.fit(X[:100], Y[:100]).predict_proba(X).shape == (150, 2)
    assert (pickle.loads(pickle.dumps(made)).predict_proba(X) == made.predict_proba(X)).all()
    with pytest.raises(ValueError, match="the input 'x' has the wrong shape"):
        made.fit(X[:, :3], Y)
    with pytest.raises(ValueError) as told:
        made.fit(X, np.arange(150) % 5)
    assert str(told.value).splitlines() == [
        "y cannot be learned", "  found:    5 classes", "  expected: 2 to 3 classes"
    ]  # fmt: skip


def test_without_scikit_learn_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "nablac.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(NablacError) as caught:
        nablac.estimator("wine.yaml")
    told = str(caught.value).splitlines()
    assert told[0] == "CompileError: an estimator needs a package that is not installed"
    assert told[-1].strip() == "remedy:   pip install 'nablac[sklearn]'"
