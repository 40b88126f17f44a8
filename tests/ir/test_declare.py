"""Declarations: what they mean, and how mistakes in them are told."""

from __future__ import annotations

import math

import pytest

from nablac.errors import NablacError, Place
from nablac.ir.declare import check_name, parse_declaration
from nablac.ir.tensor import Kind, Role
from nablac.ir.text import print_tensor
from nablac.ir.tokens import Line

READ_BACK = [
    "x: real",
    "x: real[n, 5]",
    "x: int[n]",
    "y: label[n, 4]",
    "y: label[4]",
    "w: real[13] ~ normal(0.0, 0.1)",
    "w: real[13, 2] ~ uniform(-1.0, 1.0)",
    "w: real ~ constant(-2.0)",
]


@pytest.mark.parametrize("text", READ_BACK)
def test_what_is_printed_reads_back(text: str) -> None:
    name, declaration = text.split(": ")
    role = Role.PARAM if "~" in text else Role.INPUT
    assert print_tensor(parse_declaration(name, declaration, role)) == text


def test_labels() -> None:
    y = parse_declaration("y", "label[n, 3, 4]", Role.INPUT)
    assert (y.kind, [str(e) for e in y.shape], y.bound) == (Kind.INT, ["n", "3"], 4)


@pytest.mark.parametrize(
    ("text", "name", "numbers"),
    [
        ("real", "constant", (0,)),
        ("real[7]", "constant", (0,)),
        ("real[3, 4]", "uniform", (-1 / 2, 1 / 2)),
        ("real[3, 4, 5] ~ fan_in_uniform", "uniform", (-1 / math.sqrt(20), 1 / math.sqrt(20))),
        ("real[3] ~ fan_in_uniform(16)", "uniform", (-1 / 4, 1 / 4)),
        ("real[3, 4] ~ ones", "constant", (1,)),
        ("real[3, 8] ~ he_normal", "normal", (0, 1 / 2)),
        ("real[3, 6] ~ he_uniform", "uniform", (-1, 1)),
        ("real[4, 4] ~ glorot_normal", "normal", (0, 1 / 2)),
        ("real[2, 4] ~ glorot_uniform", "uniform", (-1, 1)),
        ("real[2] ~ normal( 1e-3 , .5 )", "normal", (0.001, 0.5)),
    ],
)
def test_initialisers(text: str, name: str, numbers: tuple[float, ...]) -> None:
    found = parse_declaration("w", text, Role.PARAM).initialiser
    assert found is not None
    assert found.name == name
    assert [float(a) for a in found.arguments] == pytest.approx(numbers)


@pytest.mark.parametrize(
    "text",
    ["", "x", "real[", "real]", "real[n,]", "real[]", "real[0]", "real[-1]", "real[n+1]", "real[1.5]", "label", "int()"]
    + ["real[99999999999]", "real[65536, 65536]", "real[" + "2, " * 9 + "2]", "label[n, C]", "real[sum]", "real[a.b]"]
    + ["real[3] ~", "real[3] ~ normal", "real[3] ~ normal(a, b)", "real[3] ~ normal(0, -1)", "real[3] ~ uniform(2, 1)"]
    + ["real[3] ~ zeros()()", "real[3] ~ zeros(1)", "real[n] ~ zeros", "int[3] ~ zeros", "real[3] ~ exec('1')"]
    + ["real[3, 2] ~ fan_in_uniform(0)", "real[3, 2] ~ fan_in_uniform(-1)"],
)
def test_refused(text: str) -> None:
    with pytest.raises(NablacError) as told:
        parse_declaration("w", Line(text, Place("f", 3, 4)), Role.PARAM)
    assert str(told.value.where) == "f:3:4"


@pytest.mark.parametrize(
    "name",
    ["", "3a", "_a", "a__b", "a-b", "a b", "a.", ".a", "é", "sum", "exp", "for", "lambda", "d_x", "pi", "x" * 61],
)
def test_names_that_cannot_be_given(name: str) -> None:
    with pytest.raises(NablacError):
        check_name(name, Place("f"))


def test_a_data_input_has_no_initial_value() -> None:
    with pytest.raises(NablacError) as told:
        parse_declaration("x", Line("real[3] ~ zeros", Place("f", 3, 4)), Role.INPUT)
    assert str(told.value) == (
        "ParseError: 'x' is not a parameter: it has no initial value\n"
        "  found:    real[3] ~ zeros\n"
        "  where:    f:3:4\n"
        "  remedy:   what the model learns is declared under 'params'"
    )


def test_a_fan_is_above_0() -> None:
    with pytest.raises(NablacError) as told:
        parse_declaration("w", Line("real[3, 2] ~ fan_in_uniform(-1)", Place("f", 3, 4)), Role.PARAM)
    assert str(told.value) == (
        "ParseError: the initialiser of 'w' has no fan\n"
        "  found:    fan_in_uniform(-1)\n"
        "  expected: fan_in_uniform(k), k above 0\n"
        "  where:    f:3:4"
    )
