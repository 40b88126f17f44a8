"""Frozen and tied weights, statistics and what is fitted: both front-ends, and their mistakes as text."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

import nablac as nc
from nablac.errors import NablacError
from nablac.frontend.model import Model
from nablac.frontend.spec import model_of_spec
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role
from nablac.ir.text import print_equations
from nablac.pipeline import compile_model

HEAD = 'model: net\ninputs: {x: "real[n, 4]", y: "label[n, 3]"}\n'
TAIL = "loss: cross_entropy\n"


def spec(text: str) -> Model:
    return model_of_spec(HEAD + textwrap.dedent(text).lstrip("\n") + TAIL, "s.yaml")


def parameters(model: Model) -> list[tuple[str, bool]]:
    return [(t.name, t.frozen) for t in model.program.having(Role.PARAM)]


def test_frozen_parameters_come_last_and_have_no_gradient() -> None:
    model = spec("""
        network:
          - linear: {units: 5, name: first, frozen: true}
          - batch_norm
          - linear: 5
          - linear: 3
        freeze: [linear_1.W]
    """)
    assert parameters(model) == [
        ("batch_norm_1.gain", False), ("batch_norm_1.b", False), ("linear_1.b", False), ("linear_2.W", False),
        ("linear_2.b", False), ("batch_norm_1.running_mean", True), ("batch_norm_1.running_variance", True),
        ("first.W", True), ("first.b", True), ("linear_1.W", True),
    ]  # fmt: skip
    assert model.trained == tuple(name for name, frozen in parameters(model) if not frozen)
    compiled = compile_model(model)
    assert tuple(compiled.gradients) == model.trained
    targets = compiled.programs["gradient"].defined
    assert not any(name in targets for name in ("d_first.W", "d_first", "d_linear_1.W"))
    assert all(target in targets for _, target in model.statistics)


def test_penalties_of_all_weights_leave_frozen_ones_out() -> None:
    model = model_of_spec(HEAD + textwrap.dedent("""
        network: [{linear: {units: 5, frozen: true}}, {linear: 3}]
        loss: [cross_entropy, {l2: {}, weight: 0.1}]
    """))
    assert [e for e in model.program.equations if "linear_1.W" in e.sources and e.target.startswith("term")] == []


def test_tied_weights_add_up() -> None:
    """The decoder has the encoder's matrix: the gradient is that of one matrix at two places."""
    text = """
        network:
          - linear: {units: 2, name: code}
          - tanh
          - linear: 4
            tie: {W: code.W.T}
          - linear: {units: 2, tie: {W: code.W, b: code.b}}
          - linear: 3
    """
    model = model_of_spec(HEAD + "dtype: float64\n" + textwrap.dedent(text) + TAIL)
    names = [name for name, _ in parameters(model)]
    assert names == ["code.W", "code.b", "linear_1.b", "linear_3.W", "linear_3.b"]
    rng = np.random.default_rng(0)
    values = {t.name: rng.normal(size=[int(e) for e in t.shape]) for t in model.program.having(Role.PARAM)}
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)

    def loss(w: np.ndarray) -> float:
        h = np.tanh(x @ w.T + values["code.b"]) @ w + values["linear_1.b"]
        z = (h @ w.T + values["code.b"]) @ values["linear_3.W"].T + values["linear_3.b"]
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(6), y]))

    compiled = compile_model(model)
    found = interpret(compiled.programs["gradient"], {**values, "x": x, "y": y})
    assert found["loss"] == pytest.approx(loss(values["code.W"]), rel=1e-13)
    for place in np.ndindex(2, 4):
        move = np.zeros((2, 4))
        move[place] = 1e-6
        slope = (loss(values["code.W"] + move) - loss(values["code.W"] - move)) / 2e-6
        assert found[compiled.gradients["code.W"]][place] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_both_front_ends_give_equal_programs() -> None:
    def net(x: nc.Real["n", 4], y: nc.Label["n", 3]) -> nc.Outputs:  # type: ignore[valid-type]  # noqa: F821, UP037
        h = nc.tanh(nc.linear(nc.standardise(x), 2, name="code"))
        h = nc.linear(nc.dropout(nc.batch_norm(h), 0.25), 4, tie={"W": "code.W.T"})
        z = nc.linear(nc.linear(h, 3), 3, frozen=True)
        nc.freeze("linear_2.b")
        return nc.Outputs(loss=nc.cross_entropy(z, y))

    traced = nc.model(net).trace()
    written = spec("""
        network:
          - standardise
          - linear: {units: 2, name: code}
          - tanh
          - batch_norm
          - dropout: 0.25
          - linear: {units: 4, tie: {W: code.W.T}}
          - linear: 3
          - linear: 3
            frozen: true
        freeze: linear_2.b
    """)
    assert parameters(traced) == parameters(written)
    assert (traced.statistics, traced.fitted) == (written.statistics, written.fitted)
    bodies = [[(e.target, e.body) for e in m.program.equations if "loss" not in e.target] for m in (traced, written)]
    assert bodies[0] == bodies[1]


def test_by_equation() -> None:
    def net(x: nc.Real["n", 4], y: nc.Real["n"]) -> nc.Outputs:  # type: ignore[valid-type]  # noqa: F821, UP037
        middle, seen = nc.param("middle", 4), nc.param("seen")
        nc.fitted(middle, nc.mean(x, axis=0))
        p = nc.sum((x - middle) * nc.param("w", 4), axis=1)
        nc.statistic(seen, seen * 0.9 + nc.mean(p) * 0.1)
        return nc.Outputs(loss=nc.mse(p, y), metrics={"typical": seen})

    model = nc.model(net).trace()
    assert [(name, frozen) for name, frozen in parameters(model)] == [("w", False), ("seen", True), ("middle", True)]
    assert [name for name, _ in model.statistics] == ["seen"] and [name for name, _ in model.fitted] == ["middle"]


def test_chance_in_python() -> None:
    def net(x: nc.Real["n", 4], w: nc.Real) -> nc.Outputs:  # type: ignore[valid-type]  # noqa: F821, UP037
        noisy = nc.where(nc.training & (x > 0), x + nc.uniform(x) / 10, x * nc.uniform(w) * w)
        return nc.Outputs(loss=nc.mean(noisy * nc.param("scale", init=1.0)))

    lines = print_equations(nc.model(net).trace().program)
    assert "uniform_1[i, j] = uniform(uniform_1.draw, 4*random.row + 4*i + j)\n" in lines
    assert "uniform_2 = uniform(uniform_2.draw, 0)\n" in lines
    assert "where(training and x[i, j] > 0, " in lines


ERRORS = [
    (
        "network: [{linear: 3}]\nfreeze: linear_1",
        """
        SpecError: nothing is trained
          found:    frozen: linear_1.W, linear_1.b
          expected: a parameter that is not frozen
          where:    s.yaml:3:11
        """,
    ),
    (
        "network: [{linear: 3}]\nfreeze: [linear1.W]",
        """
        NameError: there is no parameter 'linear1.W', and no layer
          expected: one of linear_1, linear_1.W, linear_1.b
          where:    s.yaml:4:10
          remedy:   did you mean 'linear_1.W'?
        """,
    ),
    (
        "network: [relu, {linear: 3}]\nfreeze: relu_1",
        """
        SpecError: 'relu_1' has nothing to freeze
          found:    a layer without weights of its own
          where:    s.yaml:4:9
        """,
    ),
    (
        "network: [{linear: {units: 5, frozen: maybe}}, {linear: 3}]",
        """
        SpecError: 'frozen' is true or false
          found:    'maybe'
          where:    s.yaml:3:31
        """,
    ),
    (
        "network: [{linear: {units: 5, name: code}}, {linear: {units: 4, tie: {W: code.W}}}, {linear: 3}]",
        """
        ShapeError: 'linear_1.W' cannot be 'code.W'
          found:    code.W: real[5, 4]
          expected: linear_1.W: real[4, 5]
          where:    s.yaml:3:65
          remedy:   did you mean 'code.W.T'?
        """,
    ),
    (
        "network: [{linear: {units: 5, name: code}}, {relu: {tie: {W: code.W}}}, {linear: 3}]",
        """
        SpecError: 'relu_1' has no 'W' to tie
          expected: a layer that learns
          where:    s.yaml:3:53
        """,
    ),
    (
        "network: [{linear: {units: 4, name: a}}, {linear: {units: 4, frozen: true, tie: {W: a.W}}}, {linear: 3}]",
        """
        SpecError: 'linear_1' is frozen: it stays as it starts, and nothing of it is tied
          found:    tie: {W: a.W}
          where:    s.yaml:3:76
          remedy:   name the others of its parameters under 'freeze'
        """,
    ),
    (
        "network: [{linear: {units: 5, tie: [code]}}, {linear: 3}]",
        """
        SpecError: 'tie' names weights
          expected: tie: {W: code.W.T}
          where:    s.yaml:3:31
        """,
    ),
    (
        "network: [batch_norm, {share: batch_norm_1}, {linear: 3}]",
        """
        SpecError: 'batch_norm_1' cannot be shared
          found:    it keeps statistics of what it reads
          where:    s.yaml:3:31
          remedy:   give the other place a layer of its own
        """,
    ),
    (
        "network: [{linear: 6}, {reshape: {rows: 2, columns: 2}}, flatten, {linear: 3}]",
        """
        ShapeError: 'reshape_1' cannot read 'linear_1'
          found:    k is 6 in linear_1: real[n, 6]
          expected: k = rows*columns = 2*2 = 4
          where:    s.yaml:3:24
        """,
    ),
    (
        "network: [{linear: 4}, {share: linear_1, frozen: true}, {linear: 3}]",
        """
        SpecError: 'linear_1' is shared: it has its weights already
          found:    frozen
          where:    s.yaml:3:42
          remedy:   say so where the layer stands first
        """,
    ),
    (
        "network: [{dropout: 1}, {linear: 3}]",
        """
        SpecError: 'dropout_1': 'rate' cannot be 1
          expected: a number from 0 below 1
          where:    s.yaml:3:21
        """,
    ),
    (
        "params: {m: real}\nnetwork: [{linear: 3}]\nequations: ['m_next[i] = x[i, 0]*m']\nstatistics: {m: m_next}",
        """
        ShapeError: 'm' cannot become 'm_next'
          found:    m_next: real[n]
          expected: m: real
          where:    s.yaml:6:14
        """,
    ),
    (
        "params: {m: real}\nnetwork: [{linear: 3}]\nequations: ['q = m*2']\nfitted: {m: mean_rows}",
        """
        NameError: no equation defines 'mean_rows', which 'm' shall follow
          where:    s.yaml:6:10
        """,
    ),
    (
        "params: {V: 'real[4] ~ orthogonal'}\nnetwork: [{linear: 3}]",
        """
        ShapeError: 'V' has no rows to be at right angles
          found:    V[4]
          expected: two axes or more for orthogonal
          where:    s.yaml:3:14
        """,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ERRORS)
def test_errors(text: str, expected: str) -> None:
    with pytest.raises(NablacError) as told:
        spec(text + "\n")
    assert str(told.value) == textwrap.dedent(expected).strip()
