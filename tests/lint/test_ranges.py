"""The intervals of tensors hold their values: on random programs, and end by end on functions."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_program
from nablac.lint.interval import Interval
from nablac.lint.ranges import Ranges
from nablac.pipeline import forward_program
from tests.random_programs import random_program


@pytest.mark.parametrize("seed", range(60))
def test_values_lie_in_their_ranges(seed: int) -> None:
    program, values = random_program(seed)
    for one in (program, forward_program(program, ("loss",))[4].program):
        ranges, found = Ranges(one), interpret(one, values)
        for name, interval in ranges.tensors.items():
            slack = 1e-12 * (1 + np.abs(found[name]).max())
            assert found[name].min() >= interval.low - slack, (name, interval)
            assert found[name].max() <= interval.high + slack, (name, interval)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("exp(x[i])", "(0, inf)"), ("x[i]**2 + 1", "[1, inf)"), ("1/(1 + exp(-x[i]))", "(0, 1)"),
        ("max(x[i], 1e-12)", "[1e-12, inf)"), ("clamp(x[i], 0, 1) - 1", "[-1, 0]"), ("abs(x[i])", "[0, inf)"),
        ("-exp(x[i])*exp(y[i])", "(-inf, 0)"), ("2*tanh(x[i]) + 1", "(-1, 3)"), ("x[i] - x[i]**2", "(-inf, inf)"),
        ("mean[j](exp(x[j]))", "(0, inf)"), ("mean[j](tanh(x[j]))", "(-1, 1)"), ("sum[k](k) for k in 4", "[0, 12]"),
        ("where(x[i] > 2, x[i], 3)", "(2, inf)"), ("where(x[i] != 0, 1/x[i], 1)", "(-inf, inf) without 0"),
        ("where(abs(x[i]) <= 2, x[i]**2, 1)", "[0, 4]"), ("where(3 - x[i] > 1, x[i], 0)", "(-inf, 2)"),
        ("where(x[i] > 0 and x[i] < 0, x[i], 7)", "[7, 7]"), ("prod[j](exp(x[j]))", "(0, inf)"),
        ("exp(x[i])/sum[j](exp(x[j]))", "(0, 1]"), ("1/(n + 1)", "(0, 0.5]"), ("sqrt(abs(x[i]) + 4)", "[2, inf)"),
        ("max[j](sigmoid(x[j]))", "(0, 1)"), ("1/(abs(x[i]) + 2)", "(0, 0.5]"), ("cosh(x[i])", "[1, inf)"),
    ],
)  # fmt: skip
def test_ranges(formula: str, expected: str) -> None:
    target = "q[i]" if "[i]" in formula else "q"
    program = parse_program({"x": "real[n]", "y": "real[n]"}, [f"{target} = {formula}"], ["q"])
    assert str(Ranges(program).tensors["q"]) == expected


def samples(interval: Interval, rng: random.Random) -> list[float]:
    """Numbers of an interval, its ends among them where they belong to it."""
    low, high = max(interval.low, -9.0), min(interval.high, 9.0)
    found = [rng.uniform(low, high) for _ in range(5)]
    found += [] if interval.low_open else [interval.low]
    found += [] if interval.high_open else [interval.high]
    return [v for v in found if v != 0 or not interval.excludes_zero]


def test_arithmetic_holds_every_value() -> None:
    rng = random.Random(3)
    ends = [-math.inf, -2.0, -1.0, 0.0, 0.0, 1.0, 3.0, math.inf]
    for _ in range(3000):
        low, high = sorted(rng.sample(ends, 2))
        other_low, other_high = sorted(rng.sample(ends, 2))
        a = Interval(low, high, rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.3)
        b = Interval(other_low, other_high, rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.3)
        if a.is_empty or b.is_empty:
            continue
        for u in samples(a, rng):
            one = Interval(u, u)
            assert (
                one.is_within(a.hull(b))
                and Interval(-u, -u).is_within(-a)
                and Interval(abs(u), abs(u)).is_within(a.magnitude())
            )
            assert all(Interval(u**n, u**n).is_within(a.power(n)) for n in (1, 2, 3))
            if u and a.excludes_zero:
                assert Interval(1 / u, 1 / u).is_within(a.reciprocal())
            for v in samples(b, rng):
                assert Interval(u + v, u + v).is_within(a + b), (a, b, u, v)
                assert Interval(u * v, u * v).is_within(a * b), (a, b, u, v)
                if u == v:
                    assert one.is_within(a.meet(b))
