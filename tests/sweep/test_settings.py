"""What ``--set`` may say, what it is laid over, and how mistakes are told: all before anything is compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nablac.errors import NablacError
from nablac.frontend.spec import model_of_document, read_spec
from nablac.frontend.yaml_reader import read_yaml
from nablac.sweep.overlay import overlay
from nablac.sweep.settings import Range, draws, grid, read_settings


def shown(*texts: str) -> list[tuple[str, ...]]:
    return [tuple(value.text for value in values) for values in grid(read_settings(texts))]


def test_a_grid_is_every_combination_in_order() -> None:
    assert shown("lr=1e-3,1e-2", "epochs=1,2") == [("1e-3", "1"), ("1e-3", "2"), ("1e-2", "1"), ("1e-2", "2")]
    assert shown("optimizer=sgd,{adam: {lr: 0.1}}") == [("sgd",), ("{adam: {lr: 0.1}}",)]
    assert shown('loss="max(x, 0)",mse') == [("max(x, 0)",), ("mse",)]
    assert shown() == [()]


def test_values_have_the_kinds_that_yaml_gives_them() -> None:
    (setting,) = read_settings(["k=1, 1e-3, true, NO, '2', [3, 4]"])
    assert isinstance(setting.values, tuple)
    assert [value.data for value in setting.values] == [1, 0.001, True, "NO", "2", [3, 4]]


def test_draws_stay_in_their_ranges_and_go_on_where_fewer_ended() -> None:
    settings = read_settings(["lr=1e-4..1e-1 log", "epochs=3..5", "x=-1.5..2", "rule=sgd,adam"])
    drawn = [[value.data for value in values] for values in draws(settings, 400, 0)]
    lr, epochs, x, rule = zip(*drawn, strict=True)
    assert min(lr) >= 1e-4 and max(lr) <= 0.1 and 0.4 < np.mean(np.array(lr) < 10**-2.5) < 0.6
    assert set(epochs) == {3, 4, 5} and min(epochs.count(k) for k in (3, 4, 5)) > 100
    assert -1.5 <= min(x) < -1.4 and 1.9 < max(x) <= 2 and set(rule) == {"sgd", "adam"}
    assert [[value.data for value in values] for values in draws(settings, 20, 0)] == drawn[:20]
    assert [[value.data for value in values] for values in draws(settings, 20, 1)] != drawn[:20]
    (alone,) = zip(*([value.data for value in values] for values in draws(settings[:1], 400, 0)), strict=True)
    assert alone == lr


def test_whole_ranges_by_the_logarithm_reach_both_ends() -> None:
    (setting,) = read_settings(["k=1..4 log"])
    assert isinstance(setting.values, Range)
    random = np.random.default_rng(0)
    found = [setting.values.draw(random).data for _ in range(300)]
    assert set(found) == {1, 2, 3, 4} and found.count(1) > found.count(4)


@pytest.mark.parametrize(
    ("spec", "text", "wanted"),
    [
        ("optimizer: adam", "lr=0.1", {"optimizer": {"adam": {"lr": 0.1}}}),
        ("optimizer: adam", "optimizer.adam.beta1=0.8", {"optimizer": {"adam": {"beta1": 0.8}}}),
        ("optimizer: {sgd: 0.2, schedule: cosine}", "lr=1", {"optimizer": {"sgd": 1, "schedule": "cosine"}}),
        ("optimizer: {equations: [], lr: 1}", "lr=2", {"optimizer": {"equations": [], "lr": 2}}),
        ("model: m", "lr=2", {"model": "m", "optimizer": {"adam": {"lr": 2}}}),
        ("model: m", "epochs=2", {"model": "m", "train": {"epochs": 2}}),
        ("network: [{linear: 4}, relu]", "network.1=tanh", {"network": [{"linear": 4}, "tanh"]}),
        ("a: {b: {c: 1}}", "a.b.d=2", {"a": {"b": {"c": 1, "d": 2}}}),
    ],
)
def test_a_value_goes_to_its_place(spec: str, text: str, wanted: object) -> None:
    settings, document = read_settings([text]), read_yaml(spec, "spec")
    (values,) = grid(settings)
    before = repr(document.data)
    assert overlay(document, settings, values).data == wanted
    assert repr(document.data) == before


def test_sections_are_set_before_what_is_in_them() -> None:
    settings = read_settings(["lr=0.5", "optimizer=sgd"])
    (values,) = grid(settings)
    assert overlay(read_yaml("model: m", "spec"), settings, values).data["optimizer"] == {"sgd": {"lr": 0.5}}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lr"], "SpecError: a setting is a key and its values\n  expected: such as train.epochs=10,20\n"
                 "  where:    --set lr"),
        (["lr=1", "lr=2"], "SpecError: 'lr' is set twice\n  where:    --set lr=2\n"
                           "  remedy:   give all its values at once: KEY=A,B"),
        (["lr=1,1"], "SpecError: the value 1 is given twice\n  where:    --set lr=1,1\n  remedy:   give it once"),
        (["lr=1, ~"], "SpecError: a setting has values between its commas\n  found:    1, ~\n"),
        (["lr=[1"], "SpecError: this is not YAML"),
        (["lr=&a 1"], "SpecError: a spec has no anchors and aliases (& and *)"),
        (["lr=1..0.1"], "SpecError: this is no range\n  found:    1..0.1\n"),
        (["lr=0..1 log"], "SpecError: this is no range\n  found:    0..1 log\n"),
        (["lr=0..1 exp"], "SpecError: this is no range\n  found:    0..1 exp\n"),
        (["lr=0..1"], "SpecError: 'lr' has a range, and a grid needs its values\n  where:    --set lr=0..1\n"
                      "  remedy:   give a list, A,B,C, or draw at random: --random 20"),
        (["a=" + ",".join(map(str, range(101))), "b=" + ",".join(map(str, range(100)))],
         "SpecError: the sweep is too large\n  found:    10,100 settings\n  expected: at most 10,000\n"),
        (["optimizer.sgd.rate=1"], "SpecError: 'optimizer.sgd' has no key 'rate'\n  found:    0.1\n"
         "  where:    --set optimizer.sgd.rate=1\n  remedy:   set 'optimizer.sgd' itself"),
        (["optimizer=adam", "optimizer.adam.rate=1"], "SpecError: optimizer 'adam' has no option 'rate'\n"),
        (["lr=fast"], "SpecError: optimizer 'sgd': 'lr' cannot be 'fast'\n"),
        (["epochs=0"], "SpecError: 'train.epochs' cannot be 0\n  expected: at least 1\n  where:    --set epochs=0"),
        (["optimiser=sgd"], "SpecError: the spec has no key 'optimiser'\n"),
        (["train.epoch=3"], "SpecError: 'train' has no key 'epoch'\n"),
        (["params.a.b=3"], "SpecError: 'params.a' has no key 'b'\n  found:    'real'\n"),
        (["equations.1=q"], "SpecError: 'equations' is a list, and has no item '1'\n"
                            "  expected: a number from 0 to 0\n  where:    --set equations.1=q"),
        (["loss=max[i](p[i])"], "SpecError: this is not YAML: expected ',' or ']', but got '['\n"
         "  where:    --set loss=max[i](p[i])\n  remedy:   a value with a comma, a colon or brackets is put in quotes"),
        (["loss='mean[i](q[i])'"], "NameError: 'q' is not known here"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_runs(line: Path, texts: list[str], message: str) -> None:
    with pytest.raises(NablacError) as error:
        settings = read_settings(texts)
        for values in grid(settings):
            model_of_document(overlay(read_spec(line), settings, values))
    assert str(error.value).startswith(message)
    assert "--set " in str(error.value) or len(texts) == 2 and "too large" in str(error.value)


def test_formulas_that_are_set_are_read_as_those_of_a_spec(line: Path) -> None:
    settings = read_settings(["equations.0='p[i] = a*x[i]**2 + b'", "optimizer.schedule=lr0/(1 + epoch)"])
    (values,) = grid(settings)
    model = model_of_document(overlay(read_spec(line), settings, values))
    assert "x[i]**2" in model.source and "lr0/(epoch + 1)" in model.source
