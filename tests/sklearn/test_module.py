"""The class of a generated module: it works where nablac is not, and a module works where scikit-learn is not."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from nablac import network
from nablac.frontend.load import load_model
from nablac.frontend.spec import model_of_spec
from tests.sklearn.conftest import HEAD, SPECS

X, Y = load_iris(return_X_y=True)
FLOWERS = HEAD.format(name="flowers", inputs='x: "real[n, 4]", y: "label[n, 3]"')
FLOWERS += SPECS["softmax"][1].replace("C", "3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module in it, as a user has one."""
    place = tmp_path_factory.mktemp("own")
    network.compile(model_of_spec(FLOWERS)).write(place / "flowers.py")
    return place


@pytest.fixture
def flowers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported by its name."""
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("flowers")


def run(script: str, folder: Path) -> str:
    """A program of its own, with the module but without nablac on the search path."""
    place = {**os.environ, "PYTHONPATH": str(folder)}
    told = subprocess.run([sys.executable, "-c", script], env=place, cwd=folder, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_class_is_made_once(flowers: ModuleType) -> None:
    assert flowers.Classifier is flowers.Classifier and is_classifier(flowers.Classifier())
    assert flowers.Classifier(epochs=2).get_params() == {
        "epochs": 2, "batch_size": 32, "lr": 0.05, "patience": 0, "random_state": 0, "validation": None,
        "warm_start": False,
    }  # fmt: skip
    with pytest.raises(AttributeError, match="module 'flowers' has no attribute 'Regressor'"):
        flowers.Regressor  # noqa: B018


def test_it_learns_what_fit_does(flowers: ModuleType) -> None:
    made = flowers.Classifier(epochs=3, lr=0.1, random_state=7).fit(X, Y)
    learned = flowers.fit(x=X, y=Y, epochs=3, lr=0.1, seed=7, progress=False)
    assert (made.params_ == learned.params).all() and (made.state_ == learned.state).all()
    assert made.history_ == learned.history
    assert (made.decision_function(X) == flowers.predict(learned.params, x=X)["linear_1"]).all()


def test_two_jobs_import_the_module_by_its_name(flowers: ModuleType, workers: None) -> None:
    found = cross_val_score(flowers.Classifier(), X, Y, cv=4, n_jobs=2)
    assert (found == cross_val_score(flowers.Classifier(), X, Y, cv=4)).all()


def test_pickled_it_goes_where_nablac_is_not(flowers: ModuleType, folder: Path) -> None:
    made = flowers.Classifier(epochs=2).fit(X, Y)
    (folder / "made.pickle").write_bytes(pickle.dumps(made))
    np.savez(folder / "data.npz", X=X, found=made.predict_proba(X))
    told = run(
        "import pickle, sys, numpy as np\n"
        "made, data = pickle.load(open('made.pickle', 'rb')), np.load('data.npz')\n"
        "assert (made.predict_proba(data['X']) == data['found']).all() and 'nablac' not in sys.modules\n"
        "print(type(made).__module__, made.epochs)",
        folder,
    )
    assert told.split() == ["flowers", "2"]


def test_a_state_of_another_model_is_refused(flowers: ModuleType) -> None:
    state = flowers.Classifier(epochs=1).fit(X, Y).__getstate__() | {"model": "another"}
    with pytest.raises(flowers.InputError) as told:
        flowers.Classifier().__setstate__(state)
    assert str(told.value).splitlines()[:2] == ["what was pickled belongs to another model", "  found:    another"]


def test_all_but_the_class_works_without_scikit_learn(folder: Path) -> None:
    told = run(
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import flowers, numpy as np\n"
        "print(flowers.predict(flowers.init(), x=np.ones((2, 4)))['linear_1'].shape)\n"
        "try:\n    flowers.Classifier\nexcept ImportError as error:\n    print(error)",
        folder,
    )
    assert told.splitlines() == ["(2, 3)", "No module named 'sklearn.base'; 'sklearn' is not a package"]


def offered(spec: str, name: str) -> bool:
    """Whether a model's module has a class of that name."""
    return f'"""{name}, a class' in network.compile(model_of_spec(spec)).source


def test_the_class_is_there_where_it_fits_and_is_wanted(specs: Path) -> None:
    assert offered(FLOWERS, "Classifier") and not offered(FLOWERS, "Regressor")
    assert not offered(FLOWERS + "module: {estimator: false}\n", "Classifier")
    assert not offered("model: c\nparams: {a: real}\nequations: ['b = a**2']\nloss: b\n", "Regressor")
    line = load_model(specs / "line.yaml", sizes={"d": 3})
    assert '"""Regressor, a class' in network.compile(line).source


@pytest.mark.deep
def test_a_regressor_of_columns(specs: Path, tmp_path: Path) -> None:
    net = network.compile(load_model(specs / "lines.yaml", sizes={"d": 4, "k": 2}))
    made = net.module.Regressor(epochs=300, lr=0.05).fit(X, X[:, :2])
    assert is_regressor(made) and made.predict(X).shape == (150, 2) and made.score(X, X[:, :2]) > 0.95


def test_one_score_for_two_classes_is_read_as_what_it_is(specs: Path) -> None:
    """Logits and their sigmoid give the same probabilities."""
    rest = "network:\n  - linear: 1\n{more}loss: {{{loss}: [p, y]}}\nequations:\n  - p[i] = {last}[i, 0]\noutputs: p\n"
    found = []
    for name, more, loss, last in (
        ("logit", "", "binary_cross_entropy_logits", "linear_1"),
        ("share", "  - sigmoid\n", "binary_cross_entropy", "sigmoid_1"),
    ):
        text = HEAD.format(name=name, inputs='x: "real[n, 4]", y: "label[n, 2]"')
        spec = text + rest.format(more=more, loss=loss, last=last)
        module = network.compile(model_of_spec(spec)).module
        state = {"params_": module.init(3), "classes_": np.arange(2), "n_features_in_": 4}
        found.append(module.Classifier())
        found[-1].__setstate__({"model": module.SPEC} | state)
    one, two = found
    assert np.allclose(one.predict_proba(X), two.predict_proba(X), rtol=0, atol=1e-12)
    assert np.allclose(one.decision_function(X), two.decision_function(X), rtol=0, atol=1e-9)
    assert one.decision_function(X).shape == (150,) and (one.predict(X) == (one.decision_function(X) > 0)).all()
