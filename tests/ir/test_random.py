"""Random numbers: the authors' known answers, their statistics, and that all evaluators draw the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.errors import NablacError
from nablac.ir.functions import Random
from nablac.ir.interpret import interpret
from nablac.ir.mode import has_modes, in_evaluation, in_training
from nablac.ir.parse import parse_program
from nablac.ir.random import stream_number, uniform
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation, print_equations

KNOWN = [
    (0, 0, 0, 0xFF1DAE59),
    (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x2C3F628B),
    (0x13198A2E, 0x85A308D3, 0x243F6A88, 0xDD7CE038),
]
"""Key, both counters (the step second), and the first word of Philox2x32-10, from the kat_vectors of Random123."""


@pytest.mark.parametrize(("key", "step", "number", "word"), KNOWN)
def test_known_answers(key: int, step: int, number: int, word: int) -> None:
    assert float(uniform(key, step, 0, number)) == (word >> 8) / 2**24


def test_statistics() -> None:
    drawn = uniform(3, np.arange(100)[:, None], stream_number("dropout_1.draw"), np.arange(20_000))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 1 / 2) < 5 / np.sqrt(12 * drawn.size)
    assert abs(drawn.var() - 1 / 12) < 1e-4
    counts = np.histogram(drawn, 64, (0, 1))[0]
    assert ((counts - drawn.size / 64) ** 2 / (drawn.size / 64)).sum() < 63 + 5 * np.sqrt(2 * 63)
    for other in (np.roll(drawn, 1, 0), np.roll(drawn, 1, 1), uniform(4, 0, 1, np.arange(20_000)), drawn[:, ::-1]):
        assert abs(np.mean((drawn - 1 / 2) * (other - 1 / 2))) < 5 / (12 * np.sqrt(20_000))
    streams = [uniform(0, 0, stream_number(f"dropout_{k}.draw"), np.arange(1000)) for k in range(20)]
    assert abs(np.corrcoef(streams) - np.eye(20)).max() < 5 / np.sqrt(1000)


def test_what_is_drawn() -> None:
    p = parse_program({"x": "real[n, 3]"}, ["a[i, k] = uniform(i, k) - x[i, k]", "r[i, k] = uniform(i)*x[i, k]",
                                            "c[k] = uniform(k) for k in 3", "s = uniform() + uniform()"],
                      ["a", "r", "c", "s"])  # fmt: skip
    assert print_equations(p).splitlines() == [
        "a[i, k] = uniform(a.draw, 3*random.row + 3*i + k) - x[i, k]",
        "r[i, k] = x[i, k]*uniform(r.draw, random.row + i)",
        "c[k] = uniform(c.draw, k)",
        "s = uniform(s.draw, 0) + uniform(s.draw2, 0)",
    ]
    values = {"x": np.zeros((4, 3)), "random.seed": 5, "random.step": 9}
    found = interpret(p, values)
    np.testing.assert_array_equal(found["a"], uniform(5, 9, stream_number("a.draw"), np.arange(12).reshape(4, 3)))
    np.testing.assert_array_equal(found["c"], uniform(5, 9, stream_number("c.draw"), np.arange(3)))
    part = interpret(p, {**values, "x": np.zeros((2, 3)), "random.row": 2})
    np.testing.assert_array_equal(part["a"], found["a"][2:])
    np.testing.assert_array_equal(part["c"], found["c"])


def test_what_is_printed_is_read_back() -> None:
    p = parse_program({"x": "real[n, m]"}, ["a[i, k] = where(training and uniform(i, k) < 1/2, 0, x[i, k])"], ["a"])
    again = parse_program({"x": "real[n, m]"}, [print_equation(p.equations[0])], ["a"])
    assert again.equations == p.equations and again.equations[0].body.atoms(Random)


def test_modes() -> None:
    lines = ["a[i] = where(training, x[i]*uniform(i), x[i])", "b[i] = uniform(i) for i in 3"]
    p = parse_program({"x": "real[n]"}, lines, ["a", "b"])
    assert has_modes(p) and p.having(Role.COUNTER) and not in_evaluation(p).having(Role.COUNTER)
    trained = in_training(p)
    assert trained is not p and in_training(trained) is trained
    plain = parse_program({"x": "real[n]"}, ["a[i] = x[i]**2"], ["a"])
    assert in_training(plain) is plain and in_evaluation(plain) is plain and not has_modes(plain)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a[i] = uniform(x[i, 0])", "'uniform' takes the indices for each of which it draws another number"),
        ("a[i] = training*x[i, 0]", "'training' is not a number"),
        ("a[i] = where(x[i, 0], 1, 0)", "a condition is needed, and this is a number"),
        ("uniform[i] = x[i, 0]", "'uniform' cannot be defined: it is a name of the language"),
    ],
)
def test_mistakes(line: str, told: str) -> None:
    with pytest.raises(NablacError) as error:
        parse_program({"x": "real[n, 3]"}, [line], ["a"])
    assert error.value.subject == told
