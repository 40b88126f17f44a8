# ruff: noqa: F821, UP037 - the name of an extent is a text, and no forward reference
"""Wrong arguments of ``nc``'s functions, wrong files and settings: told at the user's own line, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Rational

import nablac as nc
from nablac.errors import NablacError
from nablac.frontend.load import load_model, load_python

WRONG_CALLS = """
nc.linear(x, 0); nc.linear(x, 2.5); nc.linear(x, None); nc.linear(x, 10**400); nc.linear(x=x, units=3); nc.linear(x, x)
nc.linear(x, 3, name=3); nc.linear(x, 3, name='a.b'); nc.linear(x, 3, W=[1]); nc.linear(4)(3); nc.relu(3); nc.add(x, 3)
nc.exp(); nc.exp(3); nc.exp('x'); nc.sum(3); nc.sum(x, 5); nc.sum(x, 1.5); nc.sum(x, (0, 0)); nc.sum(x, True)
nc.sum(x, ()); nc.argmax(x); nc.maximum(3, 4); nc.where(x, 1, 2); nc.where(x > 0, 'a', 2); nc.param(3); nc.param('w', 0)
nc.param('w', None); nc.param('w', 2.5); nc.param('a.b'); nc.param('n'); nc.param('x'); nc.param('w', (10**9, 10**9))
nc.param('w', 3, 'foo'); nc.param('w', 3, True); nc.equations(3); nc.equations(''); nc.equations('f(z) = z'); x['a']
nc.equations('q = 3', x=3); nc.equations('q = 3', **{'a b': x}); nc.equations(['q = 3']); x[x]; x[1:2]; x[None]; x[:, 7]
x[0, 0, 0]; x[-1]; x ** 10**9; x * 10**400; x / 0; x + [1]; x + None; x @ 3; x // 2; round(x); x.foo; f'{x:.3f}'
nc.SGD(lr=1).foo; nc.Training(epochs=0); nc.Training(seed=-1); nc.Training(batch_size='a'); nc.Outputs(x, metrics=3)
nc.compile(3); nc.load(3); nc.model(3); nc.model(optimizer=3); nc.model(training=3); nc.Real['n', 0]; nc.Real[None]
nc.Real['n]~zeros #']; nc.Label[:, 3]; nc.Real('n'); nc.nothing; 3 + nc.relu
"""


@pytest.mark.parametrize("call", [c.strip() for c in WRONG_CALLS.replace("\n", ";").split(";") if c.strip()])
def test_wrong_arguments_of_every_kind_are_told_at_their_line(tmp_path: Path, call: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f'import nablac as nc\n\n@nc.model\ndef net(x: nc.Real["n", 3]):\n    return {call}\n')
    with pytest.raises(NablacError) as told:
        load_model(file)
    text = str(told.value)
    assert f"{file}:5" in text
    assert len(text) < 1200


FILES = [
    ("import sys\nsys.exit(3)\n", "TraceError: the Python file raised SystemExit\n  found:    3\n  where:    FILE:2"),
    ("raise GeneratorExit\n", "TraceError: the Python file raised GeneratorExit\n  where:    FILE:1"),
    ("x = = 3\n", "TraceError: the Python file cannot be read\n  found:    invalid syntax\n  where:    FILE:1"),
    ("import nablac as nc\n@nc.model\nclass A:\n    pass\n", "found:    type: <class"),
    ("import nablac as nc\n@nc.model\nasync def f(x: nc.Real):\n    pass\n", "found:    a coroutine or a generator"),
    ("import nablac as nc\n@nc.model\ndef f(x: nc.Real): yield x\n", "found:    a coroutine or a generator"),
    ("import nablac as nc\n@nc.model\n@nc.model\ndef f(x: nc.Real):\n    pass\n", "only a plain function"),
    ("import nablac as nc\na = nc.model(len)\n", "only a plain function can be a model\n  found:    builtin_function"),
    ("import nablac as nc\n@nc.model(dtype='float16')\ndef f(x): pass\n", "a model's dtype is float32 or float64"),
    ("import nablac as nc\n@nc.model\ndef f(*x: nc.Real): pass\n", "the inputs of a model are given by their names"),
    ("import nablac as nc\n@nc.model\ndef f(x, y: nc.Real): pass\n", "input 'x' has no type\n  found:    nothing"),
    ("import nablac as nc\n@nc.model\ndef wave(x: nc.Real): pass\n", "a model cannot be called 'wave'"),
    (
        "import nablac as nc\n@nc.model\ndef a(x: nc.Real): pass\n@nc.model\ndef b(x: nc.Real): pass\n",
        "'FILE' has several models\n  found:    a, b\n  expected: FILE:NAME",
    ),
    ("def a(x): pass\n", "'FILE' has no models\n  found:    no function with @nc.model"),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_files_that_hold_no_model(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(NablacError) as told:
        load_model(file)
    assert expected in str(told.value).replace(str(file), "FILE")


def test_the_name_of_a_model_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import nablac as nc\ndef plain(x): pass\n@nc.model\ndef mlp(x: nc.Real): pass\n")
    with pytest.raises(NablacError, match="no model 'mpl'") as told:
        load_python(f"{file}:mpl")
    assert told.value.remedy == "did you mean 'mlp'?"
    with pytest.raises(NablacError) as told:
        load_python(f"{file}:plain")
    assert str(told.value.where) == f"{file}:2" and told.value.remedy == "put @nc.model over 'plain'"


def test_tensors_of_two_models_do_not_meet() -> None:
    kept: list[Any] = []

    def first(x: nc.Real["n"]):
        kept.append(x)
        return nc.Outputs(loss=nc.mean(x * nc.param("a")))

    def second(x: nc.Real["n"]):
        return nc.Outputs(loss=nc.mean(x * nc.param("a") * kept[0]))

    nc.model(first).trace()
    with pytest.raises(NablacError, match="tensors of two models meet"):
        nc.model(second).trace()


def test_tensors_may_have_the_names_of_indices() -> None:
    def f(i: nc.Real, j: nc.Real["n", 3], k: nc.Real["n", 3]):
        return nc.Outputs(loss=nc.mean((j * i + k).T), metrics={"p": nc.max(j[:, 0])})

    assert nc.model(f).trace().loss == "loss"


def test_numpys_numbers_are_numbers() -> None:
    two, half = np.int64(2), np.float32(0.5)

    def f(x: nc.Real["n", 3]):
        h = two * nc.linear(x, two) / half - np.float64(1)
        return nc.Outputs(loss=nc.mean(h[:, np.int64(1)]) + nc.sum(nc.param("w", two), axis=np.int64(0)))

    rule = nc.SGD(lr=half)
    assert nc.model(f, optimizer=rule).trace().optimizer.lr == Rational(1, 2)


DATA = [
    ({"train": 3}, "the 'train' of the data cannot be 3"),
    ({"train": {"": 3}}, "the 'train' of '' cannot be 3"),
    ({"train": {"z": "a"}}, "there is no input 'z'"),
    ({"train": "a", "validation": 2.0}, "the 'validation' of the data cannot be 2.0"),
    ({"train": "a", "prepare": {"x": "x/2"}}, "the 'prepare' of 'x' cannot be 'x/2'"),
    ({"train": "a", "target": 3}, "the target of the data cannot be 3"),
]


@pytest.mark.parametrize(("settings", "message"), DATA)
def test_wrong_data(settings: Any, message: str) -> None:
    def f(x: nc.Real["n"]):
        return nc.Outputs(loss=nc.mean(x))

    with pytest.raises(NablacError, match=re.escape(message)) as told:
        nc.model(f, data=nc.Data(**settings)).trace()
    assert Path(__file__).name in str(told.value.where)


OPTIMIZERS: list[tuple[Callable[[], Any], str]] = [
    (lambda: nc.SGD(lr=0), "'lr' cannot be 0"),
    (lambda: nc.SGD(lr="a"), "'lr' cannot be 'a'"),
    (lambda: nc.SGD(lr=1, schedule=3), "a schedule is a formula, or has one name"),
    (lambda: nc.SGD(lr=1, schedule={}), "a schedule is a formula, or has one name"),
    (lambda: nc.SGD(lr=1, schedule={"step": 3}), "the options of schedule 'step' have names"),
    (lambda: nc.SGD(lr=1, schedule={"step": {3: 1}}), "the options of schedule 'step' have names"),
    (lambda: nc.SGD(lr=1, schedule={3: {}}), "there is no schedule '3'"),
    (lambda: nc.SGD(lr=1, schedule="lr0/epoch"), "the schedule gives no learning rate"),
    (lambda: nc.OwnOptimizer(3, lr=1), "an optimizer's equations are texts"),
    (lambda: nc.OwnOptimizer([3], lr=1), "an optimizer's equations are texts"),
    (lambda: nc.OwnOptimizer([], lr=1), "does not say what replaces 'theta'"),
    (lambda: nc.OwnOptimizer(["theta_next[p] = q"], lr=1), "'q' is not known here"),
    (lambda: nc.OwnOptimizer(["theta_next[p] = 1"], state=3, lr=1), "an optimizer's state are texts"),
    (lambda: nc.OwnOptimizer(["theta_next[p] = 1"], lr=1, name="a b"), "'a b' is not a name"),
]


@pytest.mark.parametrize(("rule", "message"), OPTIMIZERS)
def test_wrong_optimizers(rule: Callable[[], Any], message: str) -> None:
    with pytest.raises(NablacError, match=re.escape(message)) as told:
        rule().make("float32", 3)
    assert Path(__file__).name in str(told.value.where)


def test_only_generated_modules_are_loaded(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('was run')\n")
    with pytest.raises(NablacError, match="was not made by nablac"):
        nc.load(file)
    for path in (tmp_path, tmp_path / "none.py", "a\0b", 3):
        with pytest.raises(NablacError):
            nc.load(path)
