# ruff: noqa: F821, UP037 - the name of an extent is a text, and no forward reference
"""Python functions -> models: operators mean what NumPy's do, and what cannot be traced is refused at its line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Rational

import nablac as nc
from nablac.errors import NablacError
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.load import load_model, load_python
from nablac.frontend.model import Model
from nablac.frontend.python import NAMES
from nablac.frontend.rules import OPTIMIZERS
from nablac.frontend.update_rules import AROUND, RULES
from nablac.ir.check import check
from nablac.ir.functions import ELEMENTARY
from nablac.ir.interpret import interpret
from nablac.ir.text import print_equation

RANDOM = np.random.default_rng(0)
X, Y, V = RANDOM.normal(size=(4, 3)), RANDOM.uniform(0.1, 0.9, size=(4, 3)), RANDOM.normal(size=3)
M, ROWS = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(4, 1))


def traced(function: Any) -> Model:
    made = nc.model(function).trace()
    check(made.program)
    return made


def value(formula: Callable[..., Any]) -> Any:
    """A formula of x, y, v, m and rows as the compiler understands it."""

    def f(
        x: nc.Real["n", 3],
        y: nc.Real["n", 3],
        v: nc.Real[3],
        m: nc.Real[3, 2],
        rows: nc.Real["n", 1],
    ):
        kept = nc.mean(x) + nc.mean(y) + nc.mean(v) + nc.mean(m) + nc.mean(rows)
        return nc.Outputs(loss=kept, answer=formula(nc, x, y, v, m, rows))

    made = traced(f)
    return interpret(made.program, {"x": X, "y": Y, "v": V, "m": M, "rows": ROWS})["answer"]


FORMULAS: list[tuple[str, Callable[..., Any]]] = [
    ("x + y", lambda np, x, y, v, m, rows: x + y),
    ("x*v - 2", lambda np, x, y, v, m, rows: x * v - 2),
    ("1 - x/3", lambda np, x, y, v, m, rows: 1 - x / 3),
    ("2**x", lambda np, x, y, v, m, rows: 2**x),
    ("y**0.5", lambda np, x, y, v, m, rows: y**0.5),
    ("-x + abs(v)", lambda np, x, y, v, m, rows: -x + abs(v)),
    ("rows*x", lambda np, x, y, v, m, rows: rows * x),
    ("rows + v", lambda np, x, y, v, m, rows: rows + v),
    ("x @ m", lambda np, x, y, v, m, rows: x @ m),
    ("x @ v", lambda np, x, y, v, m, rows: x @ v),
    ("v @ m", lambda np, x, y, v, m, rows: v @ m),
    ("v @ v", lambda np, x, y, v, m, rows: v @ v),
    ("m.T", lambda np, x, y, v, m, rows: m.T),
    ("x[:, 0]", lambda np, x, y, v, m, rows: x[:, 0]),
    ("x[..., -1]", lambda np, x, y, v, m, rows: x[..., -1]),
    ("x[1]", lambda np, x, y, v, m, rows: m[1]),
    ("sum", lambda np, x, y, v, m, rows: np.sum(x, axis=0)),
    ("mean", lambda np, x, y, v, m, rows: np.mean(x, axis=-1)),
    ("max", lambda np, x, y, v, m, rows: np.max(x, axis=1)),
    ("min", lambda np, x, y, v, m, rows: np.min(x)),
    ("prod", lambda np, x, y, v, m, rows: np.prod(x, axis=(0, 1))),
    ("method", lambda np, x, y, v, m, rows: x.sum(axis=1) + x.mean(axis=1) * x.max(axis=1) - x.min(axis=1)),
    ("where", lambda np, x, y, v, m, rows: np.where((x > 0) & (v < 1) | ~(rows >= y), x, 3.5)),
    ("where2", lambda np, x, y, v, m, rows: np.where(x != y, v, rows)),
    ("maximum", lambda np, x, y, v, m, rows: np.maximum(x, v) + np.minimum(0.5, y)),
    ("exp(sin(x))", lambda np, x, y, v, m, rows: np.exp(np.sin(x))),
    ("log(sqrt(y))", lambda np, x, y, v, m, rows: np.log(np.sqrt(y))),
    ("cosh", lambda np, x, y, v, m, rows: np.cosh(x) + np.tanh(x) + np.floor(x) + np.sign(x)),
]


@pytest.mark.parametrize(("name", "formula"), FORMULAS, ids=[name for name, _ in FORMULAS])
def test_operators_mean_what_numpys_do(name: str, formula: Callable[..., Any]) -> None:
    np.testing.assert_allclose(value(formula), formula(np, X, Y, V, M, ROWS), rtol=1e-12)


def test_parameters_and_equations() -> None:
    def line(x: nc.Real["n", 3], y: nc.Real["n"]):
        """A line.

        More.
        """
        nc.param("w", 3, "normal(0, 0.1)")
        nc.param("b", init=0.5)
        p = nc.equations("p[i] = sum[k](w[k]*x[i,k]) + b")
        twice = [nc.equations("q[i] = a[i]**2", a=p - y) for _ in range(2)]
        both = nc.equations(
            """
            square(z) = z**2     # a function
            s[i] = square(x[i,0])
            t = mean[i](s[i])
            """
        )
        return nc.Outputs(loss=nc.mean(twice[0]) + twice[1].mean() + both.t, p=p, metrics={"t": both.t})

    made = traced(line)
    assert made.title == "A line."
    assert [str(t.initialiser) for t in made.program.tensors if t.initialiser] == ["normal(0.0, 0.1)", "constant(0.5)"]
    text = [print_equation(e) for e in made.program.equations]
    assert "p[i] = p.sum[i] + b" in text
    assert "q_2[i] = sub_2[i]**2" in text
    assert made.metrics == (("t", "t"),)


def test_a_layer_that_is_called_twice_shares_its_weights() -> None:
    encode = nc.linear(4)

    def twins(a: nc.Real["n", 3], b: nc.Real["n", 3]):
        u, v = encode(a), encode(b)
        return nc.Outputs(loss=nc.mse(u, v), distance=u - v)

    for _ in range(2):
        made = traced(twins)
        assert [t.name for t in made.program.tensors if t.initialiser] == ["linear_1.W", "linear_1.b"]


def test_names_given_to_layers() -> None:
    def net(x: nc.Real["n", 3], y: nc.Label["n", 2]):
        z = nc.linear(nc.leaky_relu(x, 0.2), units=2, name="head", W="he_normal")
        return nc.Outputs(loss=nc.cross_entropy(z, y), probabilities=nc.softmax(z))

    made = traced(net)
    assert {"head.W", "head.b", "probabilities"} <= {t.name for t in made.program.tensors}
    assert made.outputs == ("probabilities",)


def test_optimizers_and_schedules() -> None:
    rules = [
        nc.SGD(lr=0.1),
        nc.Momentum(lr=0.1, momentum=0.8),
        nc.Nesterov(lr=0.1),
        nc.Adam(lr=0.1, schedule="lr0*0.5**epoch"),
        nc.SGD(lr=0.1, schedule={"step": {"every": 3}}),
        nc.AdamW(0.1, 0.8, schedule=[{"warmup": {"over": 3}}, "cosine"]),
        nc.OwnOptimizer(["theta_next[p] = theta[p] - lr*sign(g[p])"], lr=0.1, name="signs"),
    ]
    names = [rule.make("float64", 10).name for rule in rules]
    assert names == ["sgd", "momentum", "nesterov", "adam", "sgd", "adamw", "signs"]
    with pytest.raises(NablacError, match="'lr' cannot be -1"):
        nc.SGD(lr=-1).make()


def test_every_optimizer_is_a_function_of_its_options() -> None:
    for name, make in OPTIMIZERS.items():
        rule = getattr(nc, name)(lr=0.25)
        assert rule.make("float64").lr == Rational(1, 4) and rule == make(0.25)
        row = RULES[rule.name]
        around = [option.name for option in AROUND]
        assert [*signature(make).parameters] == [*(option.name for option in row.options), "schedule", *around]
    assert [OPTIMIZERS[name](0.1).name for name in ("RMSprop", "HeavyBall")] == ["rmsprop", "heavy_ball"]
    with pytest.raises(NablacError, match="'adam' takes 7 options"):
        nc.Adam(*range(9))
    with pytest.raises(NablacError, match="'lr' is given twice"):
        nc.Adam(0.1, lr=0.1)
    with pytest.raises(NablacError, match="optimizer 'adam' has no option 'rate'"):
        nc.Adam(rate=0.1).make()


def test_losses_are_added_up() -> None:
    def net(x: nc.Real["n", 3], y: nc.Real["n"]):
        w = nc.param("w", (3,))
        p = nc.equations("p[i] = sum[k](w[k]*x[i, k])", x=x, w=w)
        return nc.Outputs(loss=nc.huber(p, y, 2) + 0.1 * nc.l2(w), p=p, metrics={"r2": nc.r2(p, y)})

    assert "l2_1 = sum[i](w[i]**2)" in [print_equation(e) for e in traced(net).program.equations]


def test_every_row_of_the_library_is_a_function() -> None:
    assert set(NODES) | set(MEASURES) <= set(NAMES)
    assert set(ELEMENTARY) - {"log1mexp", "exprel"} <= set(NAMES)
    for name in NAMES:
        assert getattr(nc, name) is NAMES[name]
    with pytest.raises(AttributeError):
        _ = nc.nothing_of_the_kind


MISTAKES = [
    (
        "    if nc.relu(x) > 0:\n        x = -x\n    return 1",
        """
        TraceError: a branch depends on a traced value
          found:    the truth of a comparison, which is known only when the model runs
          where:    FILE:5:8
          remedy:   choose elementwise: nc.where(h > 0, a, b); join comparisons by & | ~
        """,
    ),
    (
        "    while x:\n        pass",
        """
        TraceError: a branch depends on a traced value
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:5:11
          remedy:   choose elementwise: nc.where(h > 0, a, b)
        """,
    ),
    (
        "    for row in x:\n        pass",
        """
        TraceError: a traced tensor cannot be iterated over
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:5:5
          remedy:   write an equation: nc.equations('s = sum[i](x[i])')
        """,
    ),
    (
        "    import math\n    return math.exp(x)",
        """
        TraceError: a traced tensor is no float
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:6:12
          remedy:   use the functions of nablac (nc.exp, nc.sqrt, ...)
        """,
    ),
    (
        "    return nc.relu(x) + nc.linear(x, 4)",
        """
        ShapeError: shapes cannot be broadcast together
          found:    linear_1: real[n, 4]
          expected: an extent of 3 or 1, as in relu_1: real[n, 3]
          where:    FILE:5:12
          remedy:   axes are aligned from the last; for anything else write an equation
        """,
    ),
    (
        "    return nc.Outputs(loss=x)",
        """
        ShapeError: the loss is not one real number
          found:    x: real[n, 3]
          where:    FILE:4
          remedy:   take its mean: mean[i, j](x[i, j])
        """,
    ),
    (
        "    return x",
        """
        TraceError: 'net' does not return nc.Outputs
          found:    Traced
          expected: return nc.Outputs(loss=..., logits=...)
          where:    FILE:3
        """,
    ),
    (
        "    return nc.linear(x, 3.5)",
        """
        SpecError: 'linear_1': 'units' cannot be 3.5
          expected: a whole number from 1 to 10,000,000
          where:    FILE:5:12
        """,
    ),
    (
        "    return {}['a']",
        """
        TraceError: the model's function raised KeyError
          found:    'a'
          where:    FILE:5:12
        """,
    ),
    (
        "    return nc.equations('q = mean[i](x[i])')",
        """
        ShapeError: equation 'q' reads 'x' with 1 index
          found:    x[i]
          expected: 2 indices, one for each axis of x[n, 3], declared at FILE:4
          where:    FILE:5:12
        """,
    ),
    (
        "    return x + 'a'",
        """
        TraceError: only traced tensors and numbers can be computed with
          found:    str: 'a'
          where:    FILE:5:12
          remedy:   pass data as an input of the model, and what is learned as nc.param(...)
        """,
    ),
    (
        "    x[0] = 3",
        """
        TraceError: a traced tensor cannot be changed
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:5:5
          remedy:   make a new one: nc.where(condition, a, b)
        """,
    ),
    (
        "    import sys\n    sys.exit('bye')",
        """
        TraceError: the model's function raised SystemExit
          found:    bye
          where:    FILE:6:5
        """,
    ),
    (
        "    import numpy as np\n    return np.exp(x)",
        """
        TraceError: numpy.exp cannot be traced
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:6:12
          remedy:   use the functions of nablac (nc.exp, ...)
        """,
    ),
    (
        "    import numpy as np\n    return np.sum(x)",
        """
        TraceError: numpy.sum cannot be traced
          found:    x: real[n, 3], whose values are known only when the model runs
          where:    FILE:6:12
          remedy:   use the functions of nablac (nc.exp, nc.sum, ...)
        """,
    ),
    (
        """    return nc.equations('''
        q[i] = x[i, 0]
        r[i] = q[i] + sum[k](
            x[i, k]*zz)
    ''')""",
        """
        NameError: 'zz' is not known here
          expected: one of i, k, x, q, n, pi
          where:    FILE:8:21
        """,
    ),
    (
        "    return nc.equations('q = b', b=x) + nc.equations('r = b + zz', b=nc.mean(x))",
        """
        ShapeError: equation 'q' reads 'x' with no indices
          found:    b
          expected: 2 indices, one for each axis of x[n, 3], declared at FILE:4
          where:    FILE:5:30
        """,
    ),
    (
        "    text = 'q[i] = x[i, 0]\\nr = zz'\n    return nc.equations(text)",
        """
        NameError: 'zz' is not known here
          expected: one of x, q, n, pi
          where:    FILE:6:12, in the text:2:5
        """,
    ),
    (
        "    return nc.equations('f(z) = z + yy\\nq = 3')",
        """
        NameError: 'yy' is not known here
          where:    FILE:5:12, in the text:1:12
        """,
    ),
    (
        "    return x[0, 3]",
        """
        ShapeError: 'x' has no place 3 on axis 1
          found:    <traced x: real[n, 3]>
          expected: 0 ... 2
          where:    FILE:5:12
        """,
    ),
    (
        "    return x @ nc.linear(x, 2)",
        """
        ShapeError: the axes of a matrix product do not fit
          found:    n as the first extent of linear_1: real[n, 2]
          expected: 3, the last extent of x: real[n, 3]
          where:    FILE:5:12
        """,
    ),
    (
        "    return nc.max(x, x)",
        """
        ShapeError: 'x' has no such axis
          found:    <traced x: real[n, 3]>
          expected: x: real[n, 3]
          where:    FILE:5:12
          remedy:   the max of two tensors is nc.maximum
        """,
    ),
    (
        "    return nc.param('w', 3, [1, 2, 3])",
        """
        TraceError: the start of 'w' cannot be [1, 2, 3]
          expected: a number, or a text such as normal(0, 0.1)
          where:    FILE:5:12
        """,
    ),
    (
        "    h = x\n    while True:\n        h = nc.relu(h)",
        """
        SpecError: too many nodes
          expected: at most 1000
          where:    FILE:7:13
        """,
    ),
]


@pytest.mark.parametrize(("body", "expected"), MISTAKES)
def test_mistakes_are_told_at_their_line(tmp_path: Path, body: str, expected: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f'import nablac as nc\n\n@nc.model\ndef net(x: nc.Real["n", 3]):\n{body}\n')
    with pytest.raises(NablacError) as told:
        load_model(f"{file}:net")
    found = str(told.value).replace(str(file), "FILE")
    assert _by_line(found) == _by_line(textwrap.dedent(expected).strip())


def _by_line(text: str) -> str:
    """Without what Python's versions see differently: columns, and whether a function begins at its decorator."""
    return re.sub(r"FILE:(\d+)(:\d+)?", lambda place: f"FILE:{max(int(place[1]), 4)}", text)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text('import nablac as nc\n@nc.model\ndef a(x: nc.Real[3]):\n    return nc.Outputs(loss=nc.mean(x))\n')
    assert load_python(str(file)).name == "a"
    with pytest.raises(NablacError, match="has no model 'b'"):
        load_python(f"{file}:b")
    file.write_text("import nablac as nc\nx = = 3\n")
    with pytest.raises(NablacError, match="cannot be read"):
        load_python(f"{file}:a")
    file.write_text("raise ValueError('no')\n")
    with pytest.raises(NablacError, match="raised ValueError"):
        load_python(f"{file}:a")
    with pytest.raises(NablacError, match="cannot be read"):
        load_python(str(tmp_path / "missing.py"))


def test_outside_a_model() -> None:
    with pytest.raises(NablacError, match="belongs inside a model's function"):
        nc.param("w", 3)
