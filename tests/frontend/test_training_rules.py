"""What any rule may be given: clipped gradients and a mean of theta; L-BFGS's equations; schedules that count steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import nablac as nc
from nablac.errors import SpecError
from nablac.frontend.model import Optimizer
from nablac.frontend.optimizers import RULES, make_optimizer, own_rule
from nablac.frontend.schedules import SCHEDULES, drops, formula_schedule, named_schedule, one_after_another
from nablac.frontend.spec import model_of_spec
from nablac.ir.check import check
from nablac.ir.functions import Access, IntAccess
from nablac.ir.interpret import interpret
from nablac.ir.text import print_equation

Array = np.ndarray
RANDOM = np.random.default_rng(11)
GRADIENTS = RANDOM.normal(size=(60, 4)) * 2
PLAIN = [name for name, rule in RULES.items() if not rule.search]
OWN = own_rule(["m_next[p] = 0.9*m[p] + g[p]**3", "theta_next[p] = theta[p] - lr*m_next[p]"], ["m"])


def path(rule: Optimizer, gradients: Array) -> list[dict[str, Array]]:
    """What is kept after each step, theta from 1."""
    check(rule.program)
    values = {kept: np.zeros(gradients.shape[1]) for kept, _ in rule.updates} | {"theta": np.ones(gradients.shape[1])}
    found = []
    for step, gradient in enumerate(gradients, 1):
        new = interpret(rule.program, {**values, "g": gradient, "lr": 0.01, "t": step})
        values = {kept: new[made] for kept, made in rule.updates}
        found.append(values)
    return found


def made(name: str, **options: object) -> Optimizer:
    rule = OWN if name == "own" else RULES[name]
    return make_optimizer(rule, {"lr": 0.01, **options}, dtype="float64")


# --- clipping ---------------------------------------------------------------------------------------------------------


def clipped(g: Array, value: float | None = None, norm: float | None = None) -> Array:
    """As torch.nn.utils has it: by value, then by norm."""
    g = g if value is None else np.clip(g, -value, value)
    return g if norm is None else g * min(1.0, norm / (np.linalg.norm(g) + 1e-6))


@pytest.mark.parametrize("given", [{"clip_value": 1.0}, {"clip_norm": 2.5}, {"clip_value": 1.5, "clip_norm": 2.0}])
@pytest.mark.parametrize("name", [*PLAIN, "own"])
def test_clipping_is_what_the_rule_reads(name: str, given: Mapping[str, float]) -> None:
    more = {"weight_decay": 0.1} if name in ("adam", "momentum", "rmsprop") else {}
    found = path(made(name, **more, **given), GRADIENTS)
    cut = np.array([clipped(g, given.get("clip_value"), given.get("clip_norm")) for g in GRADIENTS])
    assert (cut != GRADIENTS).any() and ("clip_value" in given or (cut == GRADIENTS).any(axis=1).any())
    expected = path(made(name, **more), cut)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_allclose(one[key], other[key], rtol=1e-12, atol=1e-14)


def test_clipping_as_equations() -> None:
    lines = [print_equation(e) for e in made("sgd", clip_value=3, clip_norm=0.5).program.equations]
    assert lines == [
        "clip_value.g[p] = min(max(g[p], -3), 3)",
        "clip_norm.norm.sum = sum[p](clip_value.g[p]**2)",
        "clip_norm.norm = sqrt(clip_norm.norm.sum)",
        "clip_norm.scale = min(1, 1/(2*(clip_norm.norm + 1e-06)))",
        "clip_norm.g[p] = clip_norm.scale*clip_value.g[p]",
        "theta_next[p] = theta[p] - lr*clip_norm.g[p]",
    ]


def test_a_gradient_of_zero_is_not_divided_by() -> None:
    assert (path(made("sgd", clip_norm=1e-3), np.zeros((1, 4)))[0]["theta"] == 1).all()


# --- the mean of theta ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PLAIN, "own"])
def test_ema_is_the_last_state_vector(name: str) -> None:
    rule = made(name, ema=0.9)
    assert rule.state[-1] == "ema" and rule.ema is not None and float(rule.ema) == 0.9
    mean: Any = 0.0
    for found, plain in zip(path(rule, GRADIENTS), path(made(name), GRADIENTS), strict=True):
        mean = 0.9 * mean + 0.1 * plain["theta"]
        assert (found["theta"] == plain["theta"]).all()
        np.testing.assert_allclose(found["ema"], mean, rtol=1e-13)


def test_options_of_every_rule_in_specs_and_in_python() -> None:
    text = "model: t\nparams: {w: real}\nequations: [loss = (w - 1)**2]\noptimizer: "
    by_name = model_of_spec(text + "{adam: {lr: 0.1, clip_norm: 2, ema: 0.5}}\n").optimizer
    assert by_name == nc.Adam(0.1, clip_norm=2, ema=0.5).make()
    lines = "['theta_next[p] = theta[p] - lr*sign(g[p])']"
    own = model_of_spec(text + f"{{equations: {lines}, lr: 0.1, clip_value: 3}}\n").optimizer
    given = nc.OwnOptimizer(["theta_next[p] = theta[p] - lr*sign(g[p])"], lr=0.1, clip_value=3).make()
    assert [print_equation(e) for e in own.program.equations] == [print_equation(e) for e in given.program.equations]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("adam", {"clip_norm": 0}, "'clip_norm' cannot be 0"),
        ("own", {"clip_value": -1}, "'clip_value' cannot be -1"),
        ("sgd", {"clip_norm": True}, "'clip_norm' cannot be True"),
        ("sgd", {"ema": 1}, "'ema' cannot be 1"),
        ("sgd", {"clip": 1}, "has no option 'clip'\n  expected: one of lr, .*, clip_value, clip_norm, ema"),
        ("lbfgs", {"clip_norm": 1}, "has no option 'clip_norm'\n  expected: one of lr, history"),
        ("lbfgs", {"ema": 0.9}, "has no option 'ema'"),
        ("lbfgs", {"history": 0}, "'history' cannot be 0"),
    ],
)
def test_wrong_options(name: str, options: Mapping[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        made(name, **options)


def test_a_vector_of_an_option_s_name() -> None:
    rule = own_rule(["ema_next[p] = 0.9*ema[p] + g[p]", "theta_next[p] = theta[p] - lr*ema_next[p]"], ["ema"])
    assert make_optimizer(rule, {"lr": 0.1}).state == ("ema",)
    with pytest.raises(SpecError, match="'ema' is an option of the optimizer and a vector of its equations"):
        make_optimizer(rule, {"lr": 0.1, "ema": 0.5})


@pytest.mark.parametrize("key", ["batch_size: 8", "accumulate: 2"])
def test_a_line_search_takes_all_samples(key: str) -> None:
    text = 'model: t\ninputs: {x: "real[n]"}\nparams: {w: real}\nequations: ["loss = mean[i]((w - x[i])**2)"]\n'
    with pytest.raises(SpecError, match=f"takes all samples in each step: '{key.split(':')[0]}' has no effect") as told:
        model_of_spec(text + f"optimizer: {{lbfgs: {{history: 5}}}}\ntrain: {{{key}}}\n", "s.yaml")
    assert "s.yaml:6:9" in str(told.value)


# --- L-BFGS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [1, 3, 10])
def test_the_two_loops_are_the_inverse_hessian(history: int) -> None:
    """The direction is -H g, H being updated densely, by its own formula, for each pair that is kept."""
    rule = made("lbfgs", history=history)
    hessian = np.diag([1.0, 3, 10, 30]) + 0.5
    theta, kept, pairs = np.ones(4), {name: np.zeros(4) for name in rule.state}, []
    last = np.zeros((2, 4))
    for step in range(1, 9):
        g = hessian @ theta if step != 5 else -hessian @ theta  # a change that tells of no minimum is left out
        if step > 1:
            s, y = theta - last[0], g - last[1]
            pairs = [*pairs, (s, y)][-history:] if s @ y > 1e-10 * (y @ y) else pairs
        dense = np.eye(4) * (pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1]) if pairs else 1.0)
        for s, y in pairs:
            left = np.eye(4) - np.outer(s, y) / (s @ y)
            dense = left @ dense @ left.T + np.outer(s, s) / (s @ y)
        new = interpret(rule.program, {**kept, "theta": theta, "g": g, "lr": 0.3, "t": step})
        np.testing.assert_allclose(new["theta_next"], theta - 0.3 * dense @ g, rtol=1e-9, atol=1e-12)
        last, kept = np.array([theta, g]), {name: new[f"{name}_next"] for name in rule.state}
        theta = new["theta_next"]
    assert 0 < len(pairs) <= history and len(rule.state) == 2 * history + 2


# --- schedules --------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, object]] = {
    "step": {"every": 7},
    "multi_step": {"at": [3, 20]},
    "exponential": {"gamma": 0.9},
    "restarts": {"every": 4, "longer": 2},
    "warmup": {"over": 15},
}


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in ("constant", "plateau")])
def test_counting_steps_is_counting_shorter_epochs(name: str) -> None:
    by_step = named_schedule(name, {**OPTIONS.get(name, {}), "by": "step"}, {}, 6)
    by_epoch = named_schedule(name, OPTIONS.get(name, {}), {}, 6 * 5)
    for k in range(6 * 5):
        lr0 = {Access("lr0"): 1}
        found = by_step.xreplace({**lr0, IntAccess("step"): k, IntAccess("steps"): 5, IntAccess("epoch"): k // 5})
        assert float(found) == pytest.approx(float(by_epoch.xreplace({**lr0, IntAccess("epoch"): k})), rel=1e-14)


def test_a_formula_of_steps() -> None:
    rate = formula_schedule("lr0/(1 + step/steps)", epochs=4)
    assert rate.xreplace({Access("lr0"): 8, IntAccess("step"): 30, IntAccess("steps"): 10}) == 2
    with pytest.raises(SpecError, match="lr0 times inf in epoch 0, step 0\n.*\n.*\n  remedy:   the first step is 0"):
        formula_schedule("lr0/step", epochs=4)
    with pytest.raises(SpecError, match="lr0 times -0.9 in epoch 1, step 19"):
        formula_schedule("lr0*(1 - step/10)*where(step == 19, 1, 0) + lr0*where(step < 19, 1, 0)", epochs=4)


def test_plateau_is_a_factor_of_the_rate_before_it() -> None:
    both = one_after_another(
        [named_schedule("warmup", {"over": 4}, {}, 9), named_schedule("plateau", {"factor": 0.5, "patience": 2}, {}, 9)]
    )
    (falls,) = both.atoms(drops)
    assert [float(a) for a in falls.args] == [2, 1e-4, 0]
    rate = both.xreplace({falls: 3, Access("lr0"): 8, IntAccess("epoch"): 4})
    assert rate == 1
    floor = named_schedule("plateau", {"min_lr": 0.01}, {}, 9)
    fallen = floor.xreplace(dict.fromkeys(floor.atoms(drops), 5))
    assert [float(fallen.xreplace({Access("lr0"): rate})) for rate in (1, 1e-3)] == [0.01, 1e-3]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("cosine", {"by": "week"}, "schedule 'cosine': 'by' cannot be 'week'\n  expected: epoch or step"),
        ("plateau", {"by": "step"}, "schedule 'plateau' has no option 'by'"),
        ("constant", {"by": "step"}, "schedule 'constant' has no option 'by'"),
        ("plateau", {"factor": 1}, "'factor' cannot be 1"),
        ("plateau", {"patience": 0.5}, "'patience' cannot be 0.5"),
        ("multi_step", {"at": []}, "schedule 'multi_step': 'at' is empty\n  expected: a number, or some of them"),
    ],
)
def test_wrong_schedules(name: str, options: Mapping[str, object], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        named_schedule(name, options, {}, 9)


LISTS = {
    "{cosine: {low: 5}}": (
        "schedule 'cosine' would rise: it goes down to 'low'\n"
        "  found:    low: 5, above lr: 0.02\n"
        "  expected: at most 0.02"
    ),
    "[{warmup: {over: 2}}, {restarts: {every: 3, low: 1}}]": "schedule 'restarts' would rise: it goes down to 'low'",
    "[plateau, {plateau: {patience: 3}}]": "'plateau' stands twice in a list of schedules",
}


@pytest.mark.parametrize("text", LISTS)
def test_schedules_that_do_not_fit(text: str) -> None:
    """To the rate, or to each other; told with their place, and the same in Python."""
    head = "model: m\nparams: {a: real}\nloss: a**2\n"
    with pytest.raises(SpecError) as error:
        model_of_spec(head + f"optimizer:\n  sgd: 0.02\n  schedule: {text}\n")
    assert str(error.value).startswith(f"SpecError: {LISTS[text]}") and "<spec>:6:" in str(error.value)
    with pytest.raises(SpecError, match=re.escape(LISTS[text])):
        nc.SGD(0.02, schedule=YAML(typ="safe").load(text)).make()


def test_a_formula_may_rise_before_a_fall_to_more() -> None:
    head = "model: m\nparams: {a: real}\nloss: a**2\n"
    model_of_spec(head + "optimizer:\n  sgd: 0.02\n  schedule: [100*lr0, {cosine: {low: 1}}]\n")


def test_a_plateau_from_above_is_refused() -> None:
    with pytest.raises(SpecError, match="cannot have the schedule 'plateau' with 'maximize'"):
        make_optimizer(RULES["sgd"], {"lr": 1, "maximize": True}, schedule=named_schedule("plateau", {}, {}, 9))
