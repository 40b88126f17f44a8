"""Wrong specs of every kind: an error of the project's form with its place, and nothing is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nablac.cli import main
from nablac.errors import NablacError
from nablac.frontend.load import load_model
from nablac.pipeline import compile_model

WHOLE = {
    "model": "m",
    "inputs": '{x: "real[n, 4]", y: "label[n, 3]"}',
    "network": "[{linear: 5}, tanh, {linear: 3}]",
    "loss": "cross_entropy",
}
WRONG: dict[str, list[str]] = {
    "model": [
        "1",
        "true",
        "",
        "[]",
        "'a b'",
        "__class__",
        "sum",
        "d_x",
        "é",
        "a-b",
        "a.b",
        "../m",
        "lambda",
        "'a\\nb'",
        '\'a"""b\'',
        "a__b",
        "!!python/name:os.system x",
        "&a m",
        "x" * 70,
    ],  # fmt: skip
    "inputs": [
        "1",
        "[]",
        "{x: 3, y: 3}",
        '{x: "real[n, 4"}',
        '{x: "real[n, 0]", y: "label[n, 3]"}',
        '{x: "real[n, 4.5]", y: "label[n, 3]"}',
        '{x: "real[n, 99999999999999]", y: "label[n, 3]"}',
        '{x: "real[n, 4]", y: "label[n]"}',
        '{x: "complex[n, 4]", y: "label[n, 3]"}',
        '{x: "real[n, 4] ~ zeros", y: "label[n, 3]"}',
        '{x: "real[n, 4]", y: "label[m, 3]"}',
        '{x: "real[__import__(1), 4]", y: "label[n, 3]"}',
        '{x: "real[n,4,4,4,4,4,4,4,4]", y: "label[n, 3]"}',
        '{__class__: "real[n, 4]", y: "label[n, 3]"}',
        '{"x y": "real[n, 4]", y: "label[n, 3]"}',
        '{exp: "real[n, 4]", y: "label[n, 3]"}',
        '{x: "label[n, 3]", y: "label[n, 3]"}',
        '{x: "real[n, 4]", y: "label[n, 1]"}',
    ],  # fmt: skip
    "network": [
        "1",
        "{}",
        "[1]",
        "[[linear, 5]]",
        "[{linear: 0}]",
        "[{linear: 2.5}]",
        "[{linear: true}]",
        "[{linear: 100000000000}]",
        "[linear]",
        "[{linear: 5, relu: {}}]",
        "[relux]",
        "[{relu: {alpha: 3}}]",
        "[{linear: {units: 3, unit: 3}}]",
        "[{leaky_relu: {alpha: .inf}}]",
        "[{add: zz}]",
        "[{add: [x]}]",
        "[{linear: {units: 3, from: zz}}]",
        "[{linear: {units: 3, name: x}}]",
        "[{share: zz}]",
        "[{linear: {units: 3, name: a}}, {linear: {units: 3, name: a}}]",
        "[tanh, {share: tanh_1}]",
        "[{linear: {units: 3, W: hello}}]",
        "[{linear: {units: 3, W: 'normal(0, -1)'}}]",
        "[{linear: {units: 3, W: 'constant(__import__(1))'}}]",
        "[{linear: {units: 3, from: y}}]",
        "[{linear: {units: 3, name: a, from: b}}, {linear: {units: 3, name: b, from: a}}]",
    ],  # fmt: skip
    "loss": [
        "1",
        "[]",
        "{}",
        "zz",
        "x",
        "y",
        "linear_1",
        "{cross_entropy: x}",
        "{cross_entropy: [y, linear_2]}",
        "mean[i](linear_2[i,0]",
        "mean[i](linear_2[i,9])",
        "mean[i](linear_2[i])",
        "linear_2[0,0].__class__",
        "__import__('os').system('exit 1')",
        "().__class__.__bases__",
        "lambda x: x",
        "f'{x}'",
        "'a'*10",
        "[x for x in y]",
        "9**9**9",
        "1/0",
        "mean[i](linear_2[i,0])**2000",
        "mean[i](foo(linear_2[i,0]))",
        "mean[i](exp(linear_2[i,0], 3))",
        "sum[i]",
        "mean[i,i](linear_2[i,0])",
        "where(1,2,3)",
        "mean[i](linear_2[i,0] > 0)",
        "mean[i](linear_2[i+1,0])",
        "mean[i](linear_2[k[i],0])",
        "1j",
        "3 % 2",
        "(" * 60 + "1" + ")" * 60,
        "+".join(["1"] * 3000),
        "x" * 5000,
        "mean[i](linear_2[i,0])\nimport os",
        "{binary_cross_entropy: [linear_2, y]}",
        "mean[i](delta(linear_2[i,0], 1))",
    ],  # fmt: skip
    "params": ["3", "{w: 3}", "{w: 'real[n]'}", "{w: 'label[3]'}", "{w: 'real[3] ~ foo'}", "{w: 'real[70000, 70000]'}"],
    "equations": [
        "3",
        "[3]",
        "['a = ']",
        "['a[i] = x[i,0]', 'a[i] = x[i,1]']",
        "['a = a + 1']",
        "['a = b', 'b = a']",
        "['x[i] = 3']",
        "['a[i] = 3']",
        "['a[i,i] = x[i,i]']",
        "['a[i] = x[i,0] for i in 9999999999']",
        "['d_a = 3']",
        "['import os']",
        "['a = tanh_1']",
        "['a = 3\\nimport os']",
    ],  # fmt: skip
    "functions": ["3", "['f(x, x) = x']", "['exp(q) = q']", "['f() = 3']"],
    "metrics": ["3", "[foo]", "[accuracy, accuracy]", "[{'a\"': 'mean[i](x[i,0])'}]", "[{a: 'x[i,0]'}]", "[rmse]"],
    "outputs": ["3", "zz", "[]", "{'a b': linear_2}", "{x: linear_2}", "[linear_2, linear_2]"],
    "optimizer": [
        "3",
        "foo",
        "sgd",
        "{sgd: -1}",
        "{sgd: .nan}",
        "{adam: {beta1: 1.5}}",
        "{adam: {foo: 1}}",
        "{sgd: 0.1, schedule: foo}",
        "{sgd: 0.1, schedule: {step: {every: 0}}}",
        "{adam: {}, sgd: 1}",
        "{sgd: 0.1, schedule: 'lr0*__import__(1)'}",
        "{name: a, lr: 1, equations: []}",
        "{name: a, lr: 1, state: [m], equations: ['theta_next[p] = theta[p]']}",
        "{name: a, lr: 1, equations: ['theta_next[p] = theta[p] - x[p]']}",
    ],  # fmt: skip
    "train": [
        "3",
        "{epochs: 0}",
        "{epochs: 1.5}",
        "{epochs: 1e30}",
        "{batch_size: 0}",
        "{seed: -1}",
        "{shuffle: no}",
        "{patience: -1}",
        "{clip: 0}",
        "{foo: 1}",
    ],  # fmt: skip
    "data": [
        "3",
        "{train: 3}",
        "{train: a.npz, foo: 3}",
        "{train: {zz: a}}",
        "{train: a.csv, validation: 2}",
        "{train: a.csv, prepare: {x: x**2}}",
        "{train: a.csv, standardise: [y]}",
        "{validation: a.csv}",
    ],  # fmt: skip
    "title": ["[3]", '"ends with \\\\"', '"a\\\\nimport os"', '"a\\0b"', '"\\ud800"', "[" * 25 + "]" * 25],
    "layers": [
        "3",
        "{foo: {}}",
        "{relu: {reads: {x: 'real[...]'}, equations: ['y[...] = x[...]']}}",
        "{foo: {reads: {x: 'real[..., ...]'}, equations: ['y[...] = x[...]']}}",
    ],  # fmt: skip
    "dtype": ["float16", "3", "[float32]"],
    "__class__": ["3"],
}
QUOTED = ("loss",)
CASES = [(key, text) for key, texts in WRONG.items() for text in texts]


def spec_with(key: str, text: str) -> str:
    plain = key not in QUOTED or text[:1] in "[{" or text == "1"
    rows = WHOLE | {key: text if plain else json.dumps(text)}
    return "".join(f"{name}: {value}\n" for name, value in rows.items())


@pytest.mark.parametrize(("key", "text"), CASES, ids=[f"{key}-{text[:30]!a}" for key, text in CASES])
def test_specs(key: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(spec_with(key, text))
    with pytest.raises(NablacError) as caught:
        compile_model(load_model(path))
    error = caught.value
    assert error.subject and error.where is not None and str(error.where).startswith(str(path))
    assert len(str(error)) < 2000


TITLES = ['a """ b', "a ''' b", "{{ name }} {% raw %}", "%s {x} {0.__class__}", "ünï", "#"]


@pytest.mark.parametrize("title", TITLES)
def test_titles_stay_words(title: str, tmp_path: Path) -> None:
    path = tmp_path / "titled.yaml"
    path.write_text(spec_with("title", json.dumps(title)))
    out = tmp_path / "titled.py"
    result = CliRunner().invoke(main, ["compile", str(path), "-o", str(out)])
    assert result.exit_code == 0, result.output
    compile(out.read_text(), "titled", "exec")


def test_commands_keep_files_and_say_what_is_wrong(tmp_path: Path) -> None:
    good, kept = tmp_path / "good.yaml", tmp_path / "kept.py"
    good.write_text(spec_with("title", "words"))
    kept.write_text("precious")
    for arguments in (
        ["compile", str(good), "-o", str(kept)],
        ["compile", str(good), "-o", str(good)],
        ["compile", str(tmp_path), "-o", str(tmp_path / "a.py")],
        ["inspect", str(tmp_path / "missing.yaml")],
        ["inspect", str(tmp_path / "missing.py:f")],
        ["inspect", str(good), "--wrt", "zz"],
        ["inspect", str(good), "--dump", "zz"],
        ["compile", str(good), "--dtype", "float16"],
    ):
        before = good.read_text()
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2 and isinstance(result.exception, SystemExit), arguments
        assert kept.read_text() == "precious" and good.read_text() == before
    assert not (tmp_path / "a.py").exists()
