"""Specs that follow the schema and make no model: what is told of them, as text."""

from __future__ import annotations

import pytest

from nablac.errors import NablacError
from nablac.frontend.load import with_dtype
from nablac.frontend.spec import model_of_spec

LINE = 'model: m\ninputs: {x: "real[n, 4]", y: "real[n]"}\n'
CLASSES = 'model: m\ninputs: {x: "real[n, 4]", y: "label[n, 3]"}\nnetwork: [{linear: 3}]\nloss: cross_entropy\n'


def features(count: int, network: str) -> str:
    return f'model: m\ninputs: {{x: "real[n, {count}]"}}\nnetwork: [{network}, {{linear: 3}}]\nloss: mean[i](x[i, 0])\n'


REFUSED = {
    "nothing trained": (
        f'{LINE}params: {{w: "real[4]"}}\nequations: ["p[i] = sum[k](w[k]*x[i,k])"]\n'
        "loss: mean[i](y[i]**2)\noutputs: [p]",
        """\
SpecError: nothing is trained
  found:    a loss that does not depend on w
  expected: a loss that depends on a parameter
  where:    m.yaml:3:14""",
    ),
    "all others frozen": (
        f'{LINE}params: {{w: "real[4]", v: real}}\nequations: ["p[i] = sum[k](w[k]*x[i,k])", "q = v**2"]\n'
        "loss: mean[i]((y[i] - p[i])**2)\noutputs: [q]\nfreeze: [w]",
        """\
SpecError: nothing is trained
  found:    a loss that does not depend on v
  expected: a loss that depends on a parameter
  where:    m.yaml:3:27""",
    ),
    "all frozen": (
        f'{LINE}params: {{w: "real[4]"}}\nloss: mean[i]((y[i] - sum[k](w[k]*x[i,k]))**2)\nfreeze: [w]',
        """\
SpecError: nothing is trained
  found:    frozen: w
  expected: a parameter that is not frozen
  where:    m.yaml:3:14""",
    ),
    "an odd number of features": (
        features(5, "glu"),
        """\
ShapeError: 'glu_1' cannot read 'x'
  found:    k is 5 in x: real[n, 5]
  expected: k a multiple of 2
  where:    m.yaml:3:11""",
    ),
    "a matrix of more numbers": (
        features(4, "{reshape: {rows: 3, columns: 2}}, flatten"),
        """\
ShapeError: 'reshape_1' cannot read 'x'
  found:    k is 4 in x: real[n, 4]
  expected: k = rows*columns = 3*2 = 6
  where:    m.yaml:3:11""",
    ),
    "an option and an extent": (
        features(5, "twice")
        + 'layers: {twice: {reads: {x: "real[..., k]"}, options: {k: 3}, equations: ["z[...] = k"]}}',
        """\
NameError: layer 'twice' gives 'k' two meanings
  found:    also an extent of what it reads
  where:    m.yaml:5:56
  remedy:   name one of them otherwise""",
    ),
    "what drops out": (
        'model: m\nparams: {x: real}\nequations: ["loss = exp(x)*exp(-x)"]',
        """\
NameError: nothing depends on parameter 'x'
  found:    it drops out of the equation at m.yaml:3:14
  where:    m.yaml:2:13
  remedy:   use it or leave it out""",
    ),
    "a fraction that is no number": (
        f"{CLASSES}data: {{train: a.csv, validation: .nan}}",
        """\
SpecError: 'data.validation' cannot be nan
  expected: a text or a mapping or a number below 1
  where:    m.yaml:5:34""",
    ),
    "a default that is no number": (
        f'{CLASSES}layers: {{f: {{reads: {{x: "real[...]"}}, options: {{k: -.inf}}, equations: ["y = k"]}}}}',
        """\
SpecError: 'layers.f.options.k' cannot be -inf
  expected: 'int' or 'real' or a whole number or a finite number
  where:    m.yaml:5:52""",
    ),
    "a rate that is rounded to 0": (
        f"{CLASSES}optimizer: {{sgd: 1e-60}}",
        """\
SpecError: the learning rate is 0 in float32
  found:    lr: 1e-60
  expected: at least 1.4013e-45
  where:    m.yaml:5:18
  remedy:   a larger one, or dtype: float64""",
    ),
    "no schedule": (
        f"{CLASSES}optimizer: {{sgd: 0.1, schedule: []}}",
        """\
SpecError: a schedule's list is empty
  expected: one item or more
  where:    m.yaml:5:33
  remedy:   leave it out""",
    ),
    "no epochs of a schedule": (
        f"{CLASSES}optimizer: {{sgd: 0.1, schedule: {{multi_step: {{at: []}}}}}}",
        """\
SpecError: schedule 'multi_step': 'at' is empty
  expected: a number, or some of them
  where:    m.yaml:5:47""",
    ),
    "what is not read": (
        "model: m\nparams: {x: real, z: real}\nloss: z**2",
        """\
NameError: nothing reads parameter 'x'
  where:    m.yaml:2:13
  remedy:   use it or leave it out""",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, told = REFUSED[name]
    with pytest.raises(NablacError) as error:
        model_of_spec(text, "m.yaml")
    assert str(error.value) == told


def test_a_small_rate_of_another_width() -> None:
    model = model_of_spec(f"{CLASSES}optimizer: {{sgd: 1e-60}}\ndtype: float64")
    with pytest.raises(NablacError, match="the learning rate is 0 in float32"):
        with_dtype(model, "float32")


def test_integers_of_other_bases() -> None:
    training = model_of_spec(f"{CLASSES}train: {{epochs: 0x1F, batch_size: 0o17, seed: 010}}").training
    assert (training.epochs, training.batch_size, training.seed) == (31, 15, 10)
