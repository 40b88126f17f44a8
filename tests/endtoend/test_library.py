"""The library's rows in whole modules: value, gradient, outputs, metrics and steps against the interpreter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.frontend.optimizers import make_optimizer
from nablac.frontend.spec import model_of_spec
from nablac.frontend.update_rules import RULES
from tests.endtoend.modules import as_python, imported, text_of
from tests.endtoend.test_random import check_module
from tests.endtoend.test_specs import check_metrics, check_steps, values_of

KEEPING = (
    *("relu", "leaky_relu", "elu", "celu: 0.5", "selu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold"),
    *("hardshrink: 0.1", "softshrink: 0.1", "sigmoid", "logsigmoid", "tanh", "tanhshrink", "softplus", "softsign"),
    *("silu", "swish", "mish", "gelu", "gelu: true", "softmax", "log_softmax", "softmin", "prelu", "prelu: true"),
    *("layer_norm", "layer_norm: {affine: false, eps: 0.1}", "bilinear: {units: 4, from: [h, x]}", "maxout: 4"),
    "activation: 'x*tanh(log(1 + exp(x)))'",
)
"""What gives as many features as it reads."""


def nodes(dtype: str) -> str:
    """A spec in which each of them reads the same node, and the rest reads their sum."""
    lines = ["  - linear: {units: 4, name: h}", "  - {tanh: {}, name: t0}"]
    for number, item in enumerate(KEEPING):
        own = "" if "from:" in item else ", from: h"
        written = item if ":" in item else f"{item}: {{}}"
        lines.append(f"  - {{{written}{own}, name: u{number}}}")
        lines.append(f"  - {{add: [t{number}, u{number}], name: t{number + 1}}}")
    last = f"t{len(KEEPING)}"
    lines += [f"  - {{glu: {{}}, from: {last}}}", "  - concat: h", "  - linear: 3"]
    head = f'model: nodes\ndtype: {dtype}\ninputs: {{x: "real[n, 4]", y: "label[n, 3]"}}\nnetwork:\n'
    metrics = "top_k: {k: 2}, precision: {}, recall: {}, f1: {}, roc_auc: {}, log_loss: {}, hinge: {}, focal: {}"
    return (
        head + "\n".join(lines) + f"\nmetrics: {{{metrics}, accuracy: {{}}, micro: {{f1: {{micro: true}}}}}}\n"
        "loss: [{cross_entropy: {smoothing: 0.1}}, {elastic: {}, weight: 0.01}, {l1: h.W, weight: 0.1}]\n"
        "optimizer: {adamw: {lr: 0.01}, schedule: [{warmup: 2}, cosine]}\n"
    )


NAMED = {
    "regression": """
inputs: {x: "real[n, 4]", y: "real[n, 2]", w: "real[n, 2]"}
network: [{linear: 3}, tanh, {linear: 2, name: p}]
loss:
  - {huber: [p, y, w], weight: 0.5}
  - {quantile: {from: [p, y], q: 0.9}, weight: 0.25}
  - {smooth_l1: [p, y]}
  - {log_cosh: [p, y]}
  - {mae: [p, y]}
  - {poisson: [p, y]}
  - {l2: [linear_1.W, p.W], weight: 0.001}
  - mean[i](p[i, 0]**4)
metrics: [{rmse: [p, y]}, {r2: [p, y]}, {mse: [p, y, w]}]
optimizer: {rmsprop: {centered: true, momentum: 0.9, weight_decay: 0.1}, schedule: one_cycle}
""",
    "embeddings": """
inputs: {a: "real[n, 4]", b: "real[n, 4]", c: "real[n, 4]", word: "label[n, 5]", s: "real[n]"}
network:
  - {linear: 3, from: a, name: u}
  - {share: u, from: b, name: v}
  - {share: u, from: c, name: q}
  - {one_hot: {}, from: word}
  - {linear: 3, name: e}
loss:
  - {triplet: {from: [u, v, q], margin: 2}}
  - {cosine: [u, e]}
  - {cosine: {from: [v, e, s], margin: 0.1}}
optimizer: {nadam: {lr: 0.01, weight_decay: 0.1}}
""",
    "binary": """
inputs: {x: "real[n, 4]", y: "label[n, 2]"}
network: [{linear: 3}, swish, {linear: {units: 1, name: l}}]
equations: ["z[i] = l[i, 0]", "p[i] = sigmoid(z[i])", "rare[i] = where(y[i] == 1, 3, 1)"]
loss: [{focal: [z, y]}, {binary_cross_entropy: [p, y, rare]}, {squared_hinge: [z, y]}, {hinge: [z, y, rare]}]
metrics: [{accuracy: [p, y]}, {precision: [p, y]}, {recall: [p, y]}, {f1: [p, y], roc_auc: [p, y], log_loss: [p, y]}]
outputs: p
optimizer: {radam: {lr: 0.01, decoupled: true, weight_decay: 0.1}}
""",
}


def model_of(name: str, dtype: str = "float64") -> Model:
    text = nodes(dtype) if name == "nodes" else f"model: {name}\ndtype: {dtype}\n{NAMED[name]}"
    return model_of_spec(text, f"{name}.yaml")


@pytest.mark.parametrize("name", ["nodes", *NAMED])
def test_as_python(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    module = as_python(text_of(model), tmp_path, f"library_{name}")
    values = values_of(module, 1, 3)
    check_module(module, model, values, 1e-10)
    check_metrics(module, model, values)
    check_steps(module, model, values, 7)


@pytest.mark.parametrize("name", ["binary"])
def test_by_numba(name: str, folder: Path) -> None:
    model = model_of(name, "float32")
    module = imported(text_of(model), folder, f"library_native_{name}")
    check_module(module, model, values_of(module, 1, 3), 2e-4)


def test_pairs_of_many_samples_are_all_counted_in_float32(folder: Path) -> None:
    """Nineteen million pairs of a sample of the class with one of none: a float32 counts to 2^24 one by one."""
    text = (
        'model: pairs\ninputs: {x: "real[n, 1]", y: "label[n, 2]"}\nnetwork: [{linear: 2}]\nloss: cross_entropy\n'
        "metrics: [roc_auc, {one: {roc_auc: [s, t]}}]\n"
        'equations: ["s[i] = linear_1[i, 1] - linear_1[i, 0]", "t[i] = where(y[i] == 1, 1, 0)"]\n'
    )
    module = imported(text_of(model_of_spec(text, "pairs.yaml")), folder, "pairs")
    params = module.pack({"linear_1.W": np.array([[0.0], [1.0]]), "linear_1.b": np.zeros(2)})
    scores = np.arange(10_000) / 10_000
    labels = (np.arange(10_000) % 4 == 3).astype(int)
    told = module.evaluate(params, x=scores[:, None], y=labels)
    # the sample of rank r = 4 m + 3 is above 3 (m + 1) others, m = 0 ... 2499: 3*2500*2501/2 of 2500*7500 pairs
    assert [told["roc_auc"], told["one"]] == pytest.approx([2501 / 5000] * 2, rel=1e-6)
    for sample in (0, 3):  # of none, of the class
        scores[sample] = np.nan
        told = module.evaluate(params, x=scores[:, None], y=labels)
        assert np.isnan([told["roc_auc"], told["one"]]).all()
        scores[sample] = sample / 10_000


OPTIONS: list[tuple[str, dict[str, object]]] = [
    ("momentum", {"dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("heavy_ball", {"weight_decay": 0.1}),
    ("adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("adamw", {"amsgrad": True, "maximize": True}),
    ("nadam", {"weight_decay": 0.1, "maximize": True}),
    ("nadam", {"weight_decay": 0.1, "decoupled": True}),
    ("radam", {"weight_decay": 0.1}),
    ("adamax", {"weight_decay": 0.1}),
    ("adagrad", {"lr_decay": 0.1, "initial": 0.1, "weight_decay": 0.1}),
    ("rmsprop", {"centered": True, "weight_decay": 0.1}),
    ("adadelta", {"weight_decay": 0.1}),
    ("rprop", {}),
    ("lion", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_optimizers_fused_into_the_step(name: str, options: dict[str, object], tmp_path: Path) -> None:
    text = 'model: t\ndtype: float64\ninputs: {x: "real[n, 3]", y: "real[n, 2]"}\nnetwork: [{linear: 2}]\nloss: mse\n'
    rule = make_optimizer(RULES[name], {"lr": 0.05, **options}, dtype="float64")
    model = replace(model_of_spec(text, "t.yaml"), optimizer=rule)
    module = as_python(text_of(model), tmp_path, "fused")
    check_steps(module, model, values_of(module, 1, 3), 12)
