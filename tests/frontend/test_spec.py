# ruff: noqa: E501 - whole messages
"""Specs -> models: what the defaults are, that both front-ends agree, and how mistakes are told."""

from __future__ import annotations

import json
import os
import random
import re
import textwrap
from pathlib import Path

import pytest
from sympy import Rational

from nablac.errors import NablacError
from nablac.frontend.load import json_schema, load_model, train_arguments
from nablac.frontend.model import Model
from nablac.frontend.optimizers import RULES
from nablac.frontend.schema import Spec
from nablac.frontend.spec import load_spec, model_of_spec
from nablac.frontend.yaml_reader import read_yaml
from nablac.ir.check import check
from nablac.ir.text import print_equation, print_expression

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

NET = """model: net
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network:
  - linear: 8
  - relu
  - linear: 3
loss: cross_entropy
"""


def model(text: str) -> Model:
    made = model_of_spec(text, "s.yaml")
    check(made.program)
    check(made.optimizer.program)
    return made


def equations(made: Model) -> list[str]:
    return [print_equation(e) for e in made.program.equations]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load(path: Path) -> None:
    made = load_spec(path)
    check(made.program)
    assert made.name == path.stem
    assert made.loss in made.program.results


def test_defaults() -> None:
    made = model(NET)
    assert made.outputs == ("linear_2",)
    assert made.loss == "loss"
    assert made.program.dtype == "float32"
    assert (made.optimizer.name, made.optimizer.lr) == ("adam", Rational(1, 1000))
    assert (made.training.epochs, made.training.batch_size, made.training.seed) == (10, 32, 0)
    assert made.data is None


def test_the_text_of_a_network() -> None:
    assert equations(model(NET)) == [
        "linear_1.sum[i, j] = sum[k](linear_1.W[j, k]*x[i, k])",
        "linear_1[i, j] = linear_1.sum[i, j] + linear_1.b[j]",
        "relu_1[i, j] = relu(linear_1[i, j])",
        "linear_2.sum[i, j] = sum[k](linear_2.W[j, k]*relu_1[i, k])",
        "linear_2[i, j] = linear_2.sum[i, j] + linear_2.b[j]",
        "loss.p.sum[i] = sum[k](exp(linear_2[i, k]))",
        "loss.p[i, c] = exp(linear_2[i, c])/loss.p.sum[i]",
        "loss = sum[i](-log(loss.p[i, y[i]])/n)",
    ]


def test_initialisers() -> None:
    made = model(NET.replace("linear: 8", 'linear: {units: 8, W: "normal(0, 0.1)", b: 1}'))
    starts = {t.name: str(t.initialiser) for t in made.program.tensors if t.initialiser}
    assert starts == {
        "linear_1.W": "normal(0.0, 0.1)",
        "linear_1.b": "constant(1.0)",
        "linear_2.W": "uniform(-0.35355339059327373, 0.35355339059327373)",
        "linear_2.b": "uniform(-0.35355339059327373, 0.35355339059327373)",
    }


def test_an_output_under_another_name_renames_its_tensor_and_keeps_its_parameters() -> None:
    made = model(NET + "outputs: {logits: linear_2}\n")
    assert made.outputs == ("logits",)
    assert "logits[i, j] = logits.sum[i, j] + linear_2.b[j]" in equations(made)


def test_loss_and_metrics_may_be_named_or_written() -> None:
    by_name = model(NET)
    by_both = model(NET.replace("loss: cross_entropy", "loss: {cross_entropy: [linear_2, y]}"))
    assert by_name.source == by_both.source
    made = model(
        NET.replace("loss: cross_entropy", "loss: mean[i](-log_p[i, y[i]])")
        + "equations: ['log_p[i, c] = linear_2[i, c] - log(sum[k](exp(linear_2[i, k])))']\n"
        + "metrics:\n  - accuracy\n  - {top: 'max[i,j](linear_2[i,j])'}\n  - {also: accuracy}\n"
    )
    assert made.metrics == (("accuracy", "accuracy"), ("top", "top"), ("also", "accuracy"))


def test_metrics_may_be_a_mapping() -> None:
    made = model(NET + "metrics: {acc: accuracy, size: 'mean[i](x[i, 0])'}\n")
    assert made.metrics == (("acc", "acc"), ("size", "size"))


def test_skips_sums_and_several_inputs() -> None:
    made = model("""
model: two
inputs: {left: "real[n, 6]", right: "real[n, 6]", y: "real[n, 1]"}
network:
  - linear: {units: 6, name: encoder, from: left}
  - add: left
  - tanh: {name: u}
  - share: encoder
    from: right
  - mul: [u, encoder_2]
  - linear: 1
    name: p
loss: mse
metrics: [rmse]
""")
    names = {t.name for t in made.program.tensors}
    assert {"encoder.W", "encoder_2", "add_1", "mul_1", "p.W"} <= names
    assert "encoder_2.W" not in names
    assert made.outputs == ("p",)


def test_a_function_of_ones_own_is_an_activation() -> None:
    own = "params: {beta: real ~ ones}\nfunctions: [swish(z) = z*sigmoid(beta*z)]\n"
    made = model(NET.replace("- relu", "- swish") + own)
    assert "swish_1[i, j] = linear_1[i, j]*sigmoid(beta*linear_1[i, j])" in equations(made)


def test_what_is_ones_own_stands_before_the_library() -> None:
    """A row that is added to the library changes no spec."""
    own = "functions: [mish(z) = 2*z]\n"
    assert "mish_1[i, j] = 2*linear_1[i, j]" in equations(model(NET.replace("- relu", "- mish") + own))
    layer = "layers: {glu: {reads: {a: 'real[...]'}, equations: ['q[...] = 3*a[...]']}}\n"
    assert "glu_1[i, j] = 3*linear_1[i, j]" in equations(model(NET.replace("- relu", "- glu") + layer))
    loss = "layers: {l2: {reads: {a: 'real[..., C]', b: 'label[..., C]'}, equations: ['q = mean[...](a[..., b[...]])']}}\n"
    made = model(NET.replace("loss: cross_entropy", "loss: l2") + loss)
    assert equations(made)[-1] == "loss = sum[i](linear_2[i, y[i]]/n)"


def test_an_activation_by_formula() -> None:
    own = "params: {beta: real ~ ones}\n"
    made = model(NET.replace("- relu", '- activation: "x*tanh(log(1 + exp(beta*x)))"') + own)
    assert "activation_1[i, j] = linear_1[i, j]*tanh(log(exp(beta*linear_1[i, j]) + 1))" in equations(made)
    made = model(NET.replace("- relu", '- activation: {formula: "max(x, -x/2)", name: bent}\n  - share: bent'))
    assert [e for e in equations(made) if e.startswith("bent")] == [
        "bent[i, j] = max(linear_1[i, j], -linear_1[i, j]/2)",
        "bent_2[i, j] = max(bent[i, j], -bent[i, j]/2)",
    ]


def test_several_losses_with_weights() -> None:
    made = model(NET.replace("loss: cross_entropy", "loss: [{cross_entropy: {smoothing: 0.1}, weight: 0.5}, {l1: linear_1.W}, 'linear_1.b[0]**2']"))
    assert equations(made)[-3:] == [
        "term_2 = sum[i, j](abs(linear_1.W[i, j]))",
        "term_3 = linear_1.b[0]**2",
        "loss = term/2 + term_2 + term_3",
    ]
    made = model(NET.replace("loss: cross_entropy", "loss: {cross_entropy: [linear_2, y], weight: 2}"))
    assert equations(made)[-1] == "loss = 2*term"


def test_a_number_after_a_loss_is_its_first_option() -> None:
    short, long = (
        model(NET.replace("loss: cross_entropy", f"loss: {{cross_entropy: {given}}}")) for given in ("0.1", "{smoothing: 0.1}")
    )
    assert equations(short) == equations(long) != equations(model(NET))


def test_penalties_are_of_all_weights_unless_named() -> None:
    made = model(NET.replace("loss: cross_entropy", "loss: [cross_entropy, {l2: {}, weight: 1e-4}]"))
    assert equations(made)[-4:] == [
        "term_of = sum[i, j](linear_1.W[i, j]**2)",
        "term_of_2 = sum[i, j](linear_2.W[i, j]**2)",
        "term_2 = term_of + term_of_2",
        "loss = term + 0.0001*term_2",
    ]
    made = model(NET.replace("loss: cross_entropy", "loss: cross_entropy\nmetrics: [l1, {size: {l2: linear_1.W}}]"))
    assert "l1 = l1_of + l1_of_2" in equations(made)
    assert "size = sum[i, j](linear_1.W[i, j]**2)" in equations(made)


def test_schedules() -> None:
    def schedule(text: str) -> str:
        return print_expression(model(NET + f"optimizer: {{sgd: 0.1, schedule: {text}}}\n").optimizer.schedule)

    assert schedule("cosine") == schedule("{cosine: {over: 10}}") == "lr0*(cos(0.1*pi*min(epoch, 10)) + 1)/2"
    assert schedule("{multi_step: [2, 4]}") == schedule("[{multi_step: 2}, {multi_step: {at: 4}}]")
    assert schedule("[{exponential: 0.9}, 'lr0/(1 + epoch)']") == "lr0*(0.9)**epoch/(epoch + 1)"


def test_a_layer_of_ones_own() -> None:
    made = model(NET.replace("- relu", "- scaled: {power: 3}") + """
layers:
  scaled:
    reads: {a: "real[..., k]"}
    options: {power: int, bias: 0.5}
    params: {gain: "real[k] ~ ones"}
    equations:
      - size[...] = sqrt(sum[k](a[..., k]**2))
      - z[..., k] = gain[k]*a[..., k]**power/size[...] + bias
""")
    assert "scaled_1.size[i] = sqrt(scaled_1.size.sum[i])" in equations(made)
    assert "scaled_1[i, k] = scaled_1.gain[k]*linear_1[i, k]**3/scaled_1.size[i] + 1/2" in equations(made)


def test_equations_and_network_may_read_each_other() -> None:
    made = model("""
model: mixed
inputs: {x: "real[n, 4]", y: "real[n]"}
equations:
  - p[i] = sum[j](linear_1[i, j]**2)
  - z[i, k] = x[i, k]**2
network:
  - linear: 3
    from: z
loss: mean[i]((p[i] - y[i])**2)
outputs: p
""")
    assert [e.target for e in made.program.equations][:2] == ["z", "linear_1.sum"]


def test_without_a_network_the_outputs_are_what_needs_less_than_the_loss() -> None:
    made = model("""
model: line
inputs: {x: "real[n]", y: "real[n]"}
params: {a: real, b: real}
equations:
  - p[i] = a*x[i] + b
  - e[i] = p[i] - y[i]
loss: mean[i](e[i]**2)
""")
    assert made.outputs == ("p",)


def test_extents_may_have_the_name_of_a_librarys_index() -> None:
    made = model(NET.replace("[n, ", "[k, "))
    assert equations(made)[0] == "linear_1.sum[i, j] = sum[k2](linear_1.W[j, k2]*x[i, k2])"


def test_optimizers() -> None:
    made = model(NET + "optimizer:\n  momentum: {lr: 0.1, momentum: 0.5}\n  schedule: {step: {every: 5, gamma: 0.5}}\n")
    assert equations_of(made) == ["v_next[p] = g[p] + v[p]/2", "theta_next[p] = theta[p] - lr*v_next[p]"]
    assert str(made.optimizer.schedule) == "lr0/2**floor(epoch/5)"
    assert made.optimizer.state == ("v",)
    assert model(NET + "optimizer: {sgd: 0.1}\n").optimizer.lr == Rational(1, 10)
    own = model(NET + """
optimizer:
  lr: 0.1
  state: [m]
  equations: |
    m_next[p] = 0.5*m[p] + g[p]
    theta_next[p] = theta[p] - lr*sign(m_next[p])
  schedule: lr0*(1 - epoch/epochs)
""")
    assert own.optimizer.updates == (("theta", "theta_next"), ("m", "m_next"))
    assert str(own.optimizer.schedule) == "(1 - epoch/10)*lr0"


def equations_of(made: Model) -> list[str]:
    return [print_equation(e) for e in made.optimizer.program.equations]


@pytest.mark.parametrize("name", RULES)
def test_every_optimizer_by_its_name(name: str) -> None:
    assert model(NET + f"optimizer: {{{name}: {{lr: 0.1}}}}\n").optimizer.name == name


def test_data() -> None:
    made = model(NET + 'data: {train: a.npz, validation: 0.2, prepare: {x: (x/255 - 0.5)/0.5}}\n')
    assert made.data is not None
    assert made.data.prepare == {"x": (2 / 255, -1.0)}
    assert train_arguments(made) == ["--data", "a.npz", "--val", "0.2"]
    made = model(NET + "data:\n  train: {y: b.gz, x: a.gz}\n  validation: {x: c, y: d}\n")
    assert train_arguments(made) == ["--data", "a.gz", "b.gz", "--val", "c", "d"]
    made = model(NET + "data: {train: a.csv.gz, target: y}\n")
    assert train_arguments(made) == ["--data", "a.csv.gz", "--target", "y"]


PYTHON = """
import nablac as nc

@nc.model(training=nc.Training(epochs=10, batch_size=32))
def net(x: nc.Real["n", 4], y: nc.Label["n", 3]):
    h = nc.relu(nc.linear(x, 8))
    z = nc.linear(h, 3)
    return nc.Outputs(loss=nc.cross_entropy(z, y), linear_2=z, metrics={"accuracy": nc.accuracy(z, y)})
"""


def test_both_front_ends_give_the_same_program(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PYTHON)
    assert load_model(f"{file}:net").source == model(NET + "metrics: [accuracy]\n").source


def test_equal_specs_have_equal_sources_and_others_do_not() -> None:
    assert model(NET).digest == model("# a comment\n" + NET).digest
    for other in (NET.replace("8", "9"), NET + "train: {seed: 1}\n", NET + "dtype: float64\n", NET + "title: a\n"):
        assert model(other).digest != model(NET).digest


def test_dtype_and_optimizer_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(NET)
    made = load_model(file, dtype="float64", optimizer=load_model(file).optimizer)
    assert (made.program.dtype, made.optimizer.program.dtype) == ("float64", "float64")


# --- mistakes ---------------------------------------------------------------------------------------------------------

ERRORS = [
    (
        NET + "optimiser: adam\n",
        """
        SpecError: the spec has no key 'optimiser'
          expected: one of model, title, dtype, inputs, params, functions, layers, network, equations, freeze, statistics, fitted, loss, outputs, metrics, optimizer, train, data, module
          where:    s.yaml:8:1
          remedy:   did you mean 'optimizer'?
        """,
    ),
    (
        NET.replace("model: net\n", ""),
        """
        SpecError: the spec needs 'model'
          expected: the model's name; the generated module is NAME.py
          where:    s.yaml:1:1
        """,
    ),
    (
        NET.replace("model: net", "model: ../net"),
        """
        NameError: '../net' is not a name
          expected: letters a-z, A-Z, digits and single _, a letter first, at most 60
          where:    s.yaml:1:8
        """,
    ),
    (
        NET.replace("- relu", "- rellu"),
        """
        NameError: there is no layer 'rellu'
          expected: one of linear, add, sub, mul, div, concat, bilinear, maxout, layer_norm, flatten, reshape, batch_norm, dropout, standardise, one_hot, relu, leaky_relu, elu, sigmoid, tanh, softplus, silu, gelu, softmax, log_softmax, softmin, relu6, selu, celu, mish, softsign, tanhshrink, logsigmoid, hardtanh, hardsigmoid, hardswish, hardshrink, softshrink, threshold, prelu, swish, glu, activation
          where:    s.yaml:5:5
          remedy:   did you mean 'relu'?
        """,
    ),
    (
        NET.replace("- relu", '- activation: "x*tanh(gamma*x)"'),
        """
        NameError: 'gamma' is not known here
          where:    s.yaml:5:25
        """,
    ),
    (
        NET.replace("- relu", "- activation: 3"),
        """
        SpecError: an activation is a formula of x
          expected: - activation: "x*tanh(log(1 + exp(x)))"
          where:    s.yaml:5:17
        """,
    ),
    (
        NET.replace("loss: cross_entropy", "loss: {cross_entropy: [linear_2, y], l2: linear_1.W}"),
        """
        SpecError: a loss has one name
          found:    cross_entropy, l2
          where:    s.yaml:7:7
          remedy:   several losses are a list, each with its weight: - {mae: [p, y], weight: 0.5}
        """,
    ),
    (
        NET.replace("loss: cross_entropy", "loss: [{cross_entropy: [linear_2, y], weight: -1}]"),
        """
        SpecError: the loss: 'weight' cannot be -1
          expected: a number from 0 to 1,000,000,000
          where:    s.yaml:7:47
        """,
    ),
    (
        "model: m\ninputs: {x: 'real[n, 2]', y: 'real[n]'}\nparams: {w: 'real[2]'}\n"
        "equations: ['p[i] = sum[k](w[k]*x[i, k])']\nloss: [{mse: [p, y]}, l2]\n",
        """
        SpecError: 'l2' finds no weights
          found:    no parameter of two axes or more
          where:    s.yaml:5:23
          remedy:   name what it is applied to: l2: w
        """,
    ),
    (
        NET.replace("loss: cross_entropy", "loss: {nll: 0.1}"),
        """
        SpecError: 'nll' has no options
          found:    0.1
          where:    s.yaml:7:13
        """,
    ),
    (
        NET + "optimizer: {sgd: 0.1, schedule: [{warm_up: 3}]}\n",
        """
        SpecError: there is no schedule 'warm_up'
          expected: one of constant, step, multi_step, exponential, cosine, restarts, warmup, polynomial, one_cycle, plateau, or a formula of lr0, epoch, epochs, step and steps
          where:    s.yaml:8:35
        """,
    ),
    (
        NET.replace("linear: 8", "linear: {unit: 8}"),
        """
        SpecError: 'linear_1' has no option 'unit'
          expected: one of units, bias, W, b
          where:    s.yaml:4:14
          remedy:   did you mean 'units'?
        """,
    ),
    (
        NET.replace("linear: 8", "linear: 0"),
        """
        SpecError: 'linear_1': 'units' cannot be 0
          expected: a whole number from 1 to 10,000,000
          where:    s.yaml:4:13
        """,
    ),
    (
        NET.replace("linear: 8", "linear: {units: 8, W: normal(0, 0.1)}"),
        """
        SpecError: 'linear_1' has no option '0.1)'
          expected: one of units, bias, W, b
          where:    s.yaml:4:37
          remedy:   a text with commas is put in quotes: W: "normal(0, 0.1)"
        """,
    ),
    (
        NET.replace("linear: 8", "linear: {units: 8, from: z}"),
        """
        NameError: there is no node or input 'z'
          expected: one of x, y
          where:    s.yaml:4:24
        """,
    ),
    (
        NET.replace("linear: 3", "linear: 4"),
        """
        ShapeError: 'loss' reads tensors that do not fit together
          found:    C is 3 in y: label[n, 3]
          expected: C = 4, as in linear_2[n, 4]
          where:    s.yaml:7:1
          remedy:   cross_entropy reads z: real[..., C], y: label[..., C]
        """,
    ),
    (
        NET.replace("label[n, 3]", "real[n]"),
        """
        ShapeError: 'loss' cannot read 'y'
          found:    y: real[n]
          expected: y: label[..., C]
          where:    s.yaml:7:1
          remedy:   declare it as a label: y: "label[n, C]", C being the number of classes
        """,
    ),
    (
        NET.replace("loss: cross_entropy", "loss: linear_2"),
        """
        ShapeError: the loss is not one real number
          found:    linear_2: real[n, 3]
          where:    s.yaml:6:5
          remedy:   take its mean: mean[i, j](linear_2[i, j])
        """,
    ),
    (
        NET.replace("loss: cross_entropy", "loss: mean[i](linear_2[i, z])"),
        """
        NameError: 'z' is not known here
          expected: a declared name, or an index of the target or of a reduction around it (these: i)
          where:    s.yaml:7:27
          remedy:   for a reduction over it: sum[z](...)
        """,
    ),
    (
        NET + "equations: |\n  q[i] = x[i,0]\n  r[i] = q[i] + zz\n",
        """
        NameError: 'zz' is not known here
          expected: one of i, x, y, linear_1, relu_1, linear_2, q, n, pi
          where:    s.yaml:10:17
        """,
    ),
    (
        NET + 'equations: [a = b, "b = a"]\n',
        """
        ParseError: equation 'a' reads itself
          found:    a <- b <- a
          where:    s.yaml:8:13
          remedy:   an equation defines its target once, from others
        """,
    ),
    (
        NET.replace('"real[n, 4]"', '"float[n, 4]"'),
        """
        ParseError: the declaration of 'x' cannot be read
          found:    float[n, 4]
          expected: real[n, 5], label[n, 4], int[n], real, or real[13] ~ normal(0, 0.1)
          where:    s.yaml:2:14
        """,
    ),
    (
        NET.replace('x: "real[n, 4]"', "x: real[n, 4]"),
        """
        SpecError: this is not YAML: expected ',' or '}', but got '['
          where:    s.yaml:2:17
          remedy:   a text with ": ", brackets or commas is put in quotes: x: "real[n, 4]"
        """,
    ),
    (
        NET + "params: {w: real}\n",
        """
        NameError: nothing reads parameter 'w'
          where:    s.yaml:8:13
          remedy:   use it or leave it out
        """,
    ),
    (
        NET + "train: {epochs: 0}\n",
        """
        SpecError: 'train.epochs' cannot be 0
          expected: at least 1
          where:    s.yaml:8:17
        """,
    ),
    (
        NET + "train: {epoch: 3}\n",
        """
        SpecError: 'train' has no key 'epoch'
          expected: one of epochs, batch_size, seed, patience, checkpoint_every, accumulate
          where:    s.yaml:8:9
          remedy:   did you mean 'epochs'?
        """,
    ),
    (
        NET + "optimizer: {adam: {rate: 1}}\n",
        """
        SpecError: optimizer 'adam' has no option 'rate'
          expected: one of lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, clip_value, clip_norm, ema
          where:    s.yaml:8:20
        """,
    ),
    (
        NET + "optimizer:\n  sgd: {lr: 1}\n  schedule: lr0*0.9**epok\n",
        """
        NameError: 'epok' is not known here
          expected: one of epochs, lr0, epoch, step, steps, pi
          where:    s.yaml:10:22
          remedy:   did you mean 'epoch'?
        """,
    ),
    (
        NET + "optimizer: {lr: 0.1, state: [m], equations: ['theta_next[p] = theta[p] - lr*g[p]']}\n",
        """
        SpecError: optimizer 'own' does not say what replaces 'm'
          expected: an equation m_next[p] = ...
          where:    s.yaml:8:12
        """,
    ),
    (
        NET + "data: {train: {x: a.gz}}\n",
        """
        SpecError: 'data.train' has no file for input 'y'
          expected: x, y
          where:    s.yaml:8:15
        """,
    ),
    (
        NET.replace("- relu", "- share: linear_1"),
        """
        ShapeError: 'linear_1' is shared between tensors of different sizes
          found:    linear_1: real[n, 8]
          expected: k = 4
          where:    s.yaml:5:12
        """,
    ),
    (
        NET + "dtype: float16\n",
        """
        SpecError: 'dtype' cannot be 'float16'
          expected: 'float32' or 'float64'
          where:    s.yaml:8:8
        """,
    ),
    (
        NET + "loss: mse\n",
        """
        SpecError: the key 'loss' is given twice
          found:    also at s.yaml:7:1
          where:    s.yaml:8:1
          remedy:   keep one of them
        """,
    ),
    (
        "a: &x 1\n",
        """
        SpecError: a spec has no anchors and aliases (& and *)
          where:    s.yaml:1:4
          remedy:   write the value out; a text that begins with & * or ! is put in quotes
        """,
    ),
    (
        "a: !!python/object/apply:os.system ['true']\n",
        """
        SpecError: a spec has no tags (!)
          where:    s.yaml:1:4
          remedy:   write the value out; a text that begins with & * or ! is put in quotes
        """,
    ),
    (
        NET + "functions: [swish(z) = z*sigmoid(beta*z)]\n",
        """
        NameError: 'beta' is not known here
          where:    s.yaml:8:34
        """,
    ),
    (
        NET + "layers: {l: {reads: {a: 'real[..., k]'}, equations: ['q[...] = sum[k](a[..., k])*zz']}}\n",
        """
        NameError: 'zz' is not known here
          where:    s.yaml:8:82
        """,
    ),
    (
        NET + "optimizer: {sgd: 0}\n",
        """
        SpecError: optimizer 'sgd': 'lr' cannot be 0
          expected: a number above 0, at most 1,000,000
          where:    s.yaml:8:18
        """,
    ),
    (
        NET + "optimizer: {sgd: {lr: 1, schedule: {step: {every: 2, gamma: 0}}}}\n",
        """
        SpecError: schedule 'step': 'gamma' cannot be 0
          expected: a number above 0, at most 1
          where:    s.yaml:8:54
        """,
    ),
    (
        NET + "optimizer: {sgd: 1, schedule: lr0/epoch}\n",
        """
        SpecError: the schedule gives no learning rate
          found:    lr0 times inf in epoch 0
          expected: a finite number that is at least 0
          where:    s.yaml:8:31
          remedy:   the first epoch is 0
        """,
    ),
    (
        NET + "optimizer: {sgd: 1, schedule: lr0 - 2*lr0*epoch}\n",
        """
        SpecError: the schedule gives no learning rate
          found:    lr0 times -1 in epoch 1
          expected: a finite number that is at least 0
          where:    s.yaml:8:31
        """,
    ),
    (
        NET + "optimizer: {adam: 0.1, shedule: lr0}\n",
        """
        SpecError: an optimizer has one name
          found:    adam, shedule
          expected: adam: {lr: 0.001}, or equations of your own
          where:    s.yaml:8:24
          remedy:   did you mean 'schedule'?
        """,
    ),
    (
        "model: c\nparams: {a: real ~ ones}\nloss: a**2\ntrain: {batch_size: 4}\n",
        """
        SpecError: no input is taken in batches: 'batch_size' has no effect
          found:    no input whose first axis is a name
          expected: such as x: "real[n, 4]"
          where:    s.yaml:4:9
          remedy:   leave it out
        """,
    ),
    (
        "model: c\nparams: {a: real ~ ones}\nloss: a**2\ndata: {train: a.npz}\n",
        """
        SpecError: the model reads no data: it has no inputs
          where:    s.yaml:4:1
        """,
    ),
    (
        NET + "data: {train: a.npz, target: y}\n",
        """
        SpecError: 'data.target' is of a table's columns, and there is none
          found:    a.npz
          expected: a .csv or .parquet file
          where:    s.yaml:8:22
        """,
    ),
    (
        NET + "data: {train: a.npz, prepare: {x: 0*x}}\n",
        """
        ParseError: 'prepare' of 'x' is no factor and offset
          found:    0*x
          expected: a formula such as (x/255 - 0.5)/0.5
          where:    s.yaml:8:35
        """,
    ),
    (
        NET.replace("[n, 4]", "[n, 1000000]").replace("linear: 8", "linear: 2000").replace("relu", "linear: 1000000"),
        """
        ShapeError: the model has too many parameters
          found:    4,000,002,000 with those of 'linear_2.W'
          expected: at most 2,147,483,648
          where:    s.yaml:5:5
        """,
    ),
    (
        NET + "equations: ['q = sum[y](x[0, 0])']\n",
        """
        ShapeError: the extent of index 'y' is not known
          where:    s.yaml:8:18
          remedy:   say how far it runs at the end of the equation: for y in 4
        """,
    ),
    (
        NET + "equations: ['q = x[0, 4]']\n",
        """
        ShapeError: x[0, 4] reads outside 'x'
          found:    the index 4
          expected: 0 ... 3, as x[n, 4] is declared at s.yaml:2:14
          where:    s.yaml:8:18
        """,
    ),
    (
        NET + "train: {epochs: 3, checkpoint_every: 2}\nmodule: {runs: false}\n",
        """
        SpecError: the module has no part for runs, which 'checkpoint_every' asks for
          found:    module: {runs: false}
          where:    s.yaml:8:20
          remedy:   leave out one of the two
        """,
    ),
    (
        NET + "params: {w: real}\nequations: ['q = clamp(w, 2, 1)']\n",
        """
        ParseError: clamp has its limits the wrong way round
          found:    clamp(w, 2, 1)
          expected: clamp(value, low, high)
          where:    s.yaml:9:18
        """,
    ),
    (
        "- 3\n",
        """
        SpecError: a spec is a mapping
          found:    a list
          expected: model: name, and what it is made of
          where:    s.yaml:1:1
        """,
    ),
]


@pytest.mark.parametrize(("text", "expected"), ERRORS)
def test_errors(text: str, expected: str) -> None:
    with pytest.raises(NablacError) as told:
        model_of_spec(text, "s.yaml")
    assert str(told.value) == textwrap.dedent(expected).strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: net",
        NET.replace("  - linear: 8\n  - relu\n  - linear: 3\n", "  linear: 8\n"),
        NET.replace("- relu", "- relu: 3"),
        NET.replace("- relu", "- relu: {name: x}"),
        NET.replace("- relu", "- relu: {name: 3}"),
        NET.replace("- relu", "- {linear: 3, relu: 4}"),
        NET.replace("- relu", "- {}"),
        NET.replace("- relu", "- {share: 3}"),
        NET.replace("- relu", "- 3"),
        NET.replace("- relu", "- []"),
        NET.replace("- relu", "- linear: true"),
        NET.replace("- relu", "- linear: 1e999"),
        NET.replace("- relu", "- linear: 10000000000000000000000"),
        NET.replace("loss: cross_entropy", "loss: {}"),
        NET.replace("loss: cross_entropy", "loss: [a]"),
        NET.replace("loss: cross_entropy", "loss: {cross_entropy: [linear_2]}"),
        NET.replace("loss: cross_entropy", "loss: {cross_entropy: {a: 3}}"),
        NET + "outputs: []\n",
        NET + "outputs: {a.b: x}\n",
        NET + "outputs: {q: x, q2: nope}\n",
        NET + "metrics: [[accuracy]]\n",
        NET + "metrics: {a: 3}\n",
        NET + "metrics: [accuracy, accuracy]\n",
        NET + "optimizer: []\n",
        NET + "optimizer: {}\n",
        NET + "optimizer: {sgd: {lr: .inf}}\n",
        NET + "optimizer: {sgd: {lr: 1e400}}\n",
        NET + "optimizer: {sgd: 1, adam: 2}\n",
        NET + "optimizer: {equations: 3}\n",
        NET + "optimizer: {equations: ['theta_next[p] = 1'], lr: 0.1, state: [theta]}\n",
        NET + "optimizer: {sgd: 1, schedule: {}}\n",
        NET + "optimizer: {sgd: 1, schedule: 'mean[i](lr0)'}\n",
        NET + "train: {batch_size: -1}\n",
        NET + "train: {seed: 1.5}\n",
        NET + "train: {shuffle: true}\n",
        NET + "train: []\n",
        NET + "data: 3\n",
        NET + "data: {train: [a]}\n",
        NET + "data: {train: a, prepare: {y: y/2}}\n",
        NET + "data: {train: a, prepare: {x: 1/x}}\n",
        NET + "data: {train: a, prepare: {z: z/2}}\n",
        NET + "functions: ['f(x) = f(x)', 'g(x) = x', 'g(x) = x']\n",
        NET + "functions: ['h = 3']\n",
        NET + "layers: {relu: {reads: {a: 'real[...]'}, equations: ['y[...] = a[...]']}}\n",
        NET + "layers: {l: {reads: {a: 'real[...'}, equations: ['y[...] = a[...]']}}\n",
        NET + "layers: {l: {reads: {a: 'real[...]'}, equations: []}}\n",
        NET + "layers: {l: {reads: {a: 'real[...]'}, equations: ['y[...] = a[...]'], gives: z}}\n",
        NET + "title: [a]\n",
        NET + "inputs: {}\n",
        NET + "params: {x: real}\n",
        NET + "params: {n: real}\nequations: ['q = n']\n",
        NET + "params: {d_x: real}\nequations: ['q = d_x']\n",
        NET + "params: {exp: real}\nequations: ['q = exp']\n",
        NET + 'params: {w: "label[3, 4]"}\n',
        NET + 'params: {w: "real[100000, 100000]"}\n',
        NET + 'params: {w: "real[3] ~ normal(0)"}\n',
        NET + 'params: {w: "real[3] ~ import(os)"}\n',
        NET.replace('"real[n, 4]"', '"real[n, 4] ~ zeros"'),
        NET.replace('"label[n, 3]"', '"label[n, C]"'),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(NablacError) as told:
        model_of_spec(text, "s.yaml")
    assert "s.yaml:" in str(told.value.where)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content in (("latin.yaml", "model: \xe9".encode("latin-1")), ("long.yaml", b"#" * 2_000_000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NablacError):
            load_spec(tmp_path / name)
    with pytest.raises(NablacError):
        load_spec(tmp_path / "missing.yaml")
    with pytest.raises(NablacError):
        load_spec(tmp_path)


def test_yaml_is_that_of_1_2() -> None:
    text = "a: 1e-3\nb: NO\nc: 1:30\nd: 0o17\ne: 2026-01-01\nf: '3'\ng: -4\nh: .5\ni: true\nj: ~\nk: 1_000\n"
    assert read_yaml(text, "f").data == {
        "a": 0.001, "b": "NO", "c": "1:30", "d": 15, "e": "2026-01-01", "f": "3", "g": -4, "h": 0.5, "i": True,
        "j": None, "k": "1_000",
    }  # fmt: skip


def test_the_schema_has_every_key_and_layer() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Spec.model_fields)
    assert "linear" in json.dumps(schema["properties"]["network"])
    assert json.loads(json.dumps(schema)) == schema


def test_mutations_of_specs_give_nothing_but_errors_of_the_project() -> None:
    seed = int(os.environ.get("NABLAC_SEED", random.randrange(10**9)))
    print(f"NABLAC_SEED={seed}")
    generator = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    words = re.findall(r"\w+|[^\w\s]", "\n".join(texts))
    for _ in range(250):
        parts = re.split(r"(\s+|[^\w\s])", generator.choice(texts))
        for _ in range(generator.randint(1, 3)):
            new = generator.choice([*words, "", "\n", "- ", ": ", "0", "-1", "[", "{"])
            parts[generator.randrange(len(parts))] = new
        try:
            made = model_of_spec("".join(parts), "s.yaml")
        except NablacError as error:
            assert error.where is not None
            continue
        check(made.program)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("metrics: [{loss: 'mean[i](x[i])'}]", "no metric can be called 'loss'"),
        ("outputs: [x]", "output 'x' is given, not computed"),
        ("params: {a: 'real ~ constant(1e999)'}", "the initialiser of 'a' is too large"),
    ],
)
def test_results_that_would_hide_one_another(change: str, message: str) -> None:
    """Each of these was once accepted, and the model then did something else."""
    base = ["model: line", 'inputs: {x: "real[n]", y: "real[n]"}', "params: {a: real}", "equations: ['p[i] = a*x[i]']",
            "loss: mean[i]((p[i] - y[i])**2)"]  # fmt: skip
    kept = [line for line in base if line.split(":")[0] != change.split(":")[0]]
    with pytest.raises(NablacError) as caught:
        model_of_spec("\n".join([*kept, change]))
    assert message in str(caught.value)
