# ruff: noqa: F821 - extents are named by strings
"""Extents that have names become numbers wherever they are written."""

from pathlib import Path

import pytest

import nablac as nc
from nablac.errors import NablacError
from nablac.frontend.load import declared_inputs, load_model
from nablac.ir.text import print_program

SPEC = """
model: open
inputs: {x: "real[n, d]", y: "label[n, C]"}
params: {w: "real[C, d] ~ normal(0, 0.1)"}
functions: ["part(v) = v/C"]
layers:
  spread:
    reads: {u: "real[..., k]"}
    params: {s: "real[k]"}
    equations: ["out[..., j] = s[j]*u[..., j]/(k + C)"]
network:
  - linear: {units: C, name: head}
  - spread
equations:
  - z[i, c] = spread_1[i, c] + part(sum[k](w[c, k]*x[i, k])) + sum[j](j) for j in d
loss: {cross_entropy: [z, y]}
outputs: z
metrics:
  - {most: "mean[i](max[c](z[i, c]))/C"}
"""
SIZES = {"d": 5, "C": 3}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec that names its sizes in every place that takes one."""
    (tmp_path / "open.yaml").write_text(SPEC)
    return tmp_path / "open.yaml"


def test_a_named_size_is_as_good_as_its_number(spec: Path) -> None:
    text = SPEC
    for old, new in (("n, d]", "n, 5]"), ("n, C]", "n, 3]"), ("[C, d]", "[3, 5]"), ("v/C", "v/3"), ("+ C)", "+ 3)"),
                     ("units: C", "units: 3"), ("in d", "in 5"), ("c]))/C", "c]))/3")):  # fmt: skip
        assert text.count(old) == 1
        text = text.replace(old, new)
    plain = spec.with_name("plain.yaml")
    plain.write_text(text)
    assert print_program(load_model(spec, sizes=SIZES).program) == print_program(load_model(plain).program)


def test_inputs_are_known_before_their_sizes(spec: Path) -> None:
    assert {name: str(pattern) for name, pattern in declared_inputs(spec).items()} == {
        "x": "real[n, d]",
        "y": "label[n, C]",
    }
    closed = load_model(spec, sizes=SIZES)
    assert [str(pattern) for pattern in declared_inputs(closed).values()] == ["real[n, 5]", "label[n, 3]"]


def test_a_function_names_its_sizes() -> None:
    @nc.model
    def named(x: nc.Real["n", "d"], y: nc.Label["n", "C"]):
        z = nc.linear(x, "C") + x @ nc.param("w", ("d", "C"), 0.5)
        return nc.Outputs(loss=nc.cross_entropy(z, y), z=z)

    @nc.model
    def plain(x: nc.Real["n", 5], y: nc.Label["n", 3]):
        z = nc.linear(x, 3) + x @ nc.param("w", (5, 3), 0.5)
        return nc.Outputs(loss=nc.cross_entropy(z, y), z=z)

    assert {name: str(pattern) for name, pattern in declared_inputs(named).items()} == {
        "x": "real[n, d]",
        "y": "label[n, C]",
    }
    one, two = load_model(named, sizes=SIZES), load_model(plain)
    assert print_program(one.program).replace("named", "plain") == print_program(two.program)


def test_the_name_of_a_size_is_no_tensors_but_may_be_a_formal_one(spec: Path) -> None:
    text = SPEC.replace("C", "W")
    spec.write_text(text)
    plain = load_model(spec, sizes={"d": 5, "W": 3})  # linear calls its own weights W
    spec.write_text(SPEC)
    assert print_program(plain.program) == print_program(load_model(spec, sizes=SIZES).program)
    spec.write_text(SPEC.replace("  - z[i, c] =", "  - d = 1\n  - z[i, c] ="))
    with pytest.raises(NablacError, match="'d' is defined twice"):
        load_model(spec, sizes=SIZES)


def test_without_sizes_an_open_spec_is_refused(spec: Path) -> None:
    with pytest.raises(NablacError, match="the number of classes of 'y' is not a number"):
        load_model(spec)
