"""The NumPy printer against the interpreter, on programs written by hand; and the text that it gives."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Rational, exp, log, sqrt

from nablac.emit.numpy_printer import numpy_function
from nablac.errors import Place
from nablac.ir import functions as f
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Equation, Program, Reduction
from nablac.ir.functions import Access, Delta, IntAccess, Where
from nablac.ir.index import extent, index
from nablac.ir.interpret import interpret
from nablac.ir.mode import in_training
from nablac.ir.parse import parse_equations
from nablac.ir.random import counters
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import lines_of
from nablac.pipeline import forward_program

i, j, k, p, q, u, v, c, o = map(index, "ijkpquvco")
n = extent("n")
SIZES = {n: 7}


def given(name: str, *shape: Any, label: int = 0, param: bool = False) -> Tensor:
    return Tensor(
        name,
        tuple(map(extent, shape)),
        Kind.INT if label else Kind.REAL,
        Role.PARAM if param else Role.INPUT,
        extent(label) if label else None,
    )


def equation(target: str, indices: Any, body: Any, ranges: Any, reduce: str = "", over: Any = ()) -> Equation:
    reduction = Reduction(reduce, tuple(over)) if reduce else None
    extents = tuple((s, extent(ranges[str(s)])) for s in (*indices, *over))
    return Equation(target, tuple(indices), sympy.sympify(body), extents, reduction)


def program(tensors: Any, *equations: Equation, dtype: str = "float64") -> Program:
    results = []
    for e in equations:
        kind = e.reduction.kind if e.reduction else "none"
        whole = kind.startswith("arg") or (isinstance(e.body, IntAccess) and kind in ("none", "max", "min"))
        results.append(Tensor(e.target, e.shape, Kind.INT if whole else Kind.REAL))
    return Program("test", (*tensors, *results), equations, (equations[-1].target,), dtype)


def random_values(prog: Program, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    values = {}
    for t in prog.tensors:
        if t.role is not Role.RESULT:
            shape = tuple(int(e.subs(SIZES)) for e in t.shape)
            real = generator.normal(size=shape).astype(prog.dtype)
            whole = t.bound is not None or t.role is Role.COUNTER
            values[t.name] = generator.integers(0, int(t.bound or 100), shape) if whole else real
    return values


def run(prog: Program, values: dict[str, Any], outputs: tuple[str, ...] | None = None) -> dict[str, Any]:
    """What the printed function answers; a warning is an error, but for overflow and its like."""
    text = numpy_function(prog, outputs or prog.results)
    lines = [*text.helpers, f"def _predict_numpy({', '.join(text.arguments)}):", *(f"    {line}" for line in text.body)]
    space: dict[str, Any] = {"np": np}
    exec("\n".join(lines), space)
    params = {t.name: values[t.name] for t in prog.having(Role.PARAM)}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        found: dict[str, Any] = space["_predict_numpy"](params, *(values[name] for name in text.inputs))
    return found


def agrees(prog: Program, values: dict[str, Any] | None = None) -> str:
    """Compares every result in both dtypes; gives the body."""
    values = random_values(prog) if values is None else values
    expected = interpret(prog, values)
    every = tuple(e.target for e in prog.equations)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 2e-5)):
        typed = Program(prog.name, prog.tensors, prog.equations, every, dtype)
        narrow = {m: x.astype(dtype) if x.dtype.kind == "f" else x for m, x in values.items()}
        found = run(typed, narrow)
        for name in every:
            kind = np.int64 if typed.declared[name].kind is Kind.INT else np.dtype(dtype)
            assert isinstance(found[name], np.ndarray)
            assert found[name].dtype == kind, (name, found[name].dtype)
            assert found[name].shape == expected[name].shape
            np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance)
    return "\n".join(numpy_function(prog, prog.results).body)


X, W, B = given("x", "n", 5), given("linear_1.W", 4, 5, param=True), given("linear_1.b", 4, param=True)
R = {"i": "n", "j": 4, "k": 5}


def dense() -> tuple[Equation, ...]:
    return (
        equation("z", (i, j), Access("x", i, k) * Access("linear_1.W", j, k), R, "sum", (k,)),
        equation("h", (i, j), Access("z", i, j) + Access("linear_1.b", j), R),
    )


def test_a_classifier(golden: Callable[[str], None]) -> None:
    h = Access("h", i, j)
    prog = program(
        (X, W, B),
        *dense(),
        equation("a", (i, j), f.relu(h), R),
        equation("m", (i,), h, R, "max", (j,)),
        equation("e", (i, j), exp(h - Access("m", i)), R),
        equation("s", (i,), Access("e", i, j), R, "sum", (j,)),
        equation("linear_1.p", (i, j), Access("e", i, j) / Access("s", i), R),
        equation("class", (i,), h, R, "argmax", (j,)),
    )
    agrees(prog)
    text = numpy_function(prog, ("linear_1.p", "class"))
    assert text.arguments == ("p", "x")
    golden("\n".join(text.body))


def test_only_what_the_outputs_need() -> None:
    prog = program(
        (X, W, B, given("y", "n", label=4)), *dense(), equation("l", (i,), Access("z", i, IntAccess("y", i)), R)
    )
    text = numpy_function(prog, ("h",))
    assert text.inputs == ("x",)
    assert text.body[-1] == 'return {"h": h}'
    assert "y" in numpy_function(prog, ("l",)).arguments


CONV = {"i": "n", "o": 3, "p": 4, "q": 2, "c": 2, "u": 3, "v": 2}


def test_a_strided_convolution() -> None:
    body = Access("w", o, c, u, v) * Access("x", i, c, 2 * p + u, q + v)
    prog = program(
        (given("x", "n", 2, 9, 3), given("w", 3, 2, 3, 2, param=True)),
        equation("h", (i, o, p, q), body, CONV, "sum", (c, u, v)),
    )
    assert "einsum" in agrees(prog)


def test_a_padded_convolution_reads_nothing_outside() -> None:
    inside = sympy.And(p + u >= 1, p + u < 5)
    body = Access("w", u) * Where(inside, Access("x", i, p + u - 1), 0)
    tensors = (given("x", "n", 4), given("w", 3, param=True))
    agrees(program(tensors, equation("h", (i, p), body, {"i": "n", "p": 4, "u": 3}, "sum", (u,))))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (Access("x", i, k) * Access("w", k), 'x @ p["w"]'),
        (Access("x", i, k) * Access("x", i, k) * Access("w", k), None),
        (Access("w", k) * f.relu(Access("x", i, k)) / 5, 'np.maximum(x, 0) @ p["w"] / 5'),
        (Access("x", i, k) / 5, "x.mean(axis=1)"),
        (-2 * Access("x", i, k) ** 2, "-2 * (x ** 2).sum(axis=1)"),
        ((Access("x", i, k) - Access("w", k)) ** 2, None),
        (Access("w", k) ** 2, None),
        (sympy.Integer(1), None),
        (k * Access("x", i, 0) + i, None),
    ],
)
def test_sums(body: sympy.Expr, text: str | None) -> None:
    prog = program((X, given("w", 5, param=True)), equation("h", (i,), body, R, "sum", (k,)))
    found = agrees(prog)
    assert text is None or f"h = {text}" in found


def test_products_of_matrices() -> None:
    a, b, w = given("a", "n", 3, 4), given("b", "n", 4, 2), given("w", 4, 6)
    ranges = {"i": "n", "j": 3, "k": 4, "p": 2, "q": 6}
    batched = Access("a", i, j, k) * Access("b", i, k, p)
    agrees(program((a, b), equation("h", (i, j, p), batched, ranges, "sum", (k,))))
    assert "a @ w" in agrees(
        program((a, w), equation("h", (i, j, q), Access("a", i, j, k) * Access("w", k, q), ranges, "sum", (k,)))
    )
    assert agrees(
        program((given("u", 4), given("v", 4)), equation("h", (), Access("u", k) * Access("v", k), ranges, "sum", (k,)))
    )
    three = batched * Access("w", k, q)
    agrees(program((a, b, w), equation("h", (q, i, j, p), three, ranges, "sum", (k,))))
    agrees(program((w,), equation("h", (q, k), Access("w", k, q) * 3, ranges)))
    both = Access("a", i, j, k) * Access("b", i, k, p)
    assert "einsum" in agrees(program((a, b), equation("h", (), both, ranges, "sum", (i, j, k, p))))


def test_gathers_and_slices() -> None:
    y, t = given("y", "n", label=5), given("t", "n", 3, label=6)
    e, x = given("e", 6, 4, param=True), given("x", "n", 5)
    ranges = {"i": "n", "j": 3, "k": 4, "p": 2}
    table = [
        (i,), Access("x", i, IntAccess("y", i)),
        (i, j, k), Access("e", IntAccess("t", i, j), k),
        (i,), Access("x", i, 3),
        (k, i), Access("x", i, k + 1) - Access("x", i, k),
        (p, i), Access("x", i, 2 * p + 1),
        (p, i), Access("x", i, 4 - 2 * p),
        (k,), Access("e", k, k) + Access("e", 5, 3),
        (i,), IntAccess("y", i) * Rational(1, 2) + IntAccess("t", i, 2),
        (i, k), Delta(k, IntAccess("y", i)) + Delta(k, i),
        (i,), Where(sympy.Eq(IntAccess("y", i), IntAccess("t", i, 0)), 1, 0),
        (i,), Access("x", i, 0) * 0 + 1,
    ]  # fmt: skip
    equations = [equation(f"r{m}", table[m], table[m + 1], ranges) for m in range(0, len(table), 2)]
    text = agrees(
        Program("t", program((x, y, t, e), *equations).tensors, tuple(equations), tuple(r.target for r in equations))
    )
    assert 'r2 = p["e"].take(t, axis=0)' in text
    assert "r6 = x[:, 1:5].T - x[:, :4].T" in text


def test_integers_stay_integers() -> None:
    t = given("t", "n", 3, label=6)
    ranges = {"i": "n", "j": 3}
    prog = program(
        (t,),
        equation("copy", (j, i), IntAccess("t", i, j), ranges),
        equation("top", (i,), IntAccess("t", i, j), ranges, "max", (j,)),
        equation("low", (j,), IntAccess("copy", j, i), ranges, "min", (i,)),
        equation("count", (i,), IntAccess("top", i), ranges, "sum", (j,)),
        equation("place", (i,), IntAccess("t", i, j), ranges, "argmax", (j,)),
    )
    assert "top = t.max(axis=1)" in agrees(Program("t", prog.tensors, prog.equations, ("top",)))


def test_every_reduction_on_every_axis() -> None:
    equations = []
    for kind in ("sum", "prod", "max", "min", "argmax", "argmin"):
        for free, over in (((i,), (k,)), ((k,), (i,)), ((), (i, k)), ((), (k, i))):
            if not (kind.startswith("arg") and len(over) > 1):
                equations.append(equation(f"r{len(equations)}", free, Access("x", i, k), R, kind, over))
    prog = program((X,), *equations)
    agrees(Program("t", prog.tensors, prog.equations, tuple(e.target for e in equations)))


@pytest.mark.parametrize("name", sorted(f.ELEMENTARY))
def test_functions_of_one_argument(name: str) -> None:
    x = Access("x", i)
    inner = {"log": exp(x), "sqrt": exp(x), "log1p": exp(x), "log1mexp": exp(x), "acosh": 1 + exp(x)}
    body = f.ELEMENTARY[name](inner.get(name, f.sigmoid(x) / 2 if name in ("asin", "acos", "atanh") else x))
    prog = program((given("x", 6),), equation("h", (i,), body, {"i": 6}))
    agrees(prog, {"x": np.array([-2.0, -0.5, 0.25, 0.5, 1.0, 3.0])})


def test_functions_are_stable_far_out() -> None:
    import mpmath

    x = Access("x", i)
    points = np.array([-1e4, -80.0, -1.0, -1e-9, 0.0, 1e-17, 1e-9, 0.5, 80.0, 1e4])
    for function in (f.sigmoid, f.softplus, f.logcosh):
        found = run(program((given("x", 10),), equation("h", (i,), function(x), {"i": 10})), {"x": points})["h"]
        with mpmath.workdps(60):
            exact = {
                f.sigmoid: lambda t: 1 / (1 + mpmath.exp(-t)),
                f.softplus: lambda t: mpmath.log1p(mpmath.exp(t)),
                f.logcosh: lambda t: mpmath.log(mpmath.cosh(t)),
            }[function]
            expected = [float(exact(mpmath.mpf(float(t)))) for t in points]
        np.testing.assert_allclose(found, expected, rtol=4e-16 * 8)


@pytest.mark.parametrize("order", [0, 1, 2, 5])
def test_exprel(order: int) -> None:
    import mpmath

    points = np.array([-1e3, -30.0, -19.9, -3.0, -1e-6, 0.0, 1e-17, 1e-3, 2.0, 19.0, 21.0, 300.0])
    body = f.exprel(Access("x", i), sympy.Integer(order))
    found = run(program((given("x", 12),), equation("h", (i,), body, {"i": 12})), {"x": points})["h"]
    with mpmath.workdps(30):
        expected = [
            float(mpmath.quad(lambda t, a=a: t**order * mpmath.exp(float(a) * t), mpmath.linspace(0, 1, 9)))
            for a in points
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_a_branch_not_taken_leaves_no_trace() -> None:
    x = Access("x", i)
    table = [
        Where(x > 0, log(x), 0),
        Where(x > 0, sqrt(x) / x, -1),
        Where(sympy.Ne(x, 0), 1 / x, Where(sympy.Not(x > 1), 2, exp(1000 * x))),
        Where(sympy.Or(x > 1, sympy.And(x < 0, x > -2)), x**2, x ** Rational(1, 3)),
        f.maximum(x, Rational(1, 3)) + f.minimum(sympy.Integer(2), x),
        Where(i >= 1, Access("x", i - 1), 0) + Where(i < n - 1, Access("x", i + 1), 0),
    ]
    equations = [equation(f"r{m}", (i,), body, {"i": "n"}) for m, body in enumerate(table)]
    prog = program((given("x", "n"),), *equations)
    agrees(prog, {"x": np.array([0.0, 2.0, 0.5, 3.0, 0.0, 1.0, 1.5])})


def test_scalars_and_extents() -> None:
    a, b = given("a", param=True), given("b")
    prog = program(
        (a, b, X, given("y", label=3)),
        equation("f", (), (Access("a") + Access("b")) * sympy.pi / 3 - Rational(1, 7), {}),
        equation("g", (), sqrt(n) + exp(2), {}),
        equation("h", (i,), 1 / n, R),
        equation("t", (i, k), Access("a"), R),
        equation("s", (), IntAccess("y") + n, {}),
        equation("w", (), Access("x", 2, IntAccess("y")) ** n, {}),
        equation("c", (i, k), Access("x", i, k), R),
        equation("mean", (), Access("x", i, k) / (5 * n), R, "sum", (i, k)),
    )
    body = agrees(prog)
    assert body == 'mean = x.mean()\nreturn {"mean": np.asarray(mean)}'
    only = numpy_function(prog, ("h",))
    assert only.arguments == ("p", "x"), "the extent is read off x"


def test_results_are_the_callers_own() -> None:
    prog = program((X,), equation("h", (i, k), Access("x", i, k), R))
    values = random_values(prog)
    assert not np.shares_memory(run(prog, values)["h"], values["x"])


def test_names_never_clash() -> None:
    t = (
        given("np", "n"),
        given("p", "n"),
        given("lambda", "n"),
        given("n", "n"),
        given("a.b", "n", param=True),
        given("a_b", "n"),
    )
    body = sum((m + 1) * Access(s.name, i) for m, s in enumerate(t))
    prog = program(t, equation("_np_erf", (i,), sympy.erf(body), {"i": "n"}), equation("return", (), n, {}))
    agrees(prog)


def test_long_statements_are_broken() -> None:
    body = sum(sympy.sin(m * Access("x", i, k)) for m in range(1, 12))
    prog = program((X,), equation("h", (i, k), body, R))
    text = agrees(prog)
    assert max(map(len, text.splitlines())) <= 116


def test_the_language_page_plain_and_optimised() -> None:
    page = (Path(__file__).parents[2] / "docs" / "equations.md").read_text(encoding="utf-8")
    declarations, equations = (
        "".join(re.findall(rf"```{k}\n(.*?)```", page, re.S)) for k in ("declarations", "equations")
    )
    declared = {}
    for line in declarations.splitlines():
        name, text = line.split("#")[0].split(":")
        declared[name] = parse_declaration(name, text.strip(), Role.INPUT)
    parsed = parse_equations(list(lines_of(equations, Place("page"))), declared)
    results = tuple(e.target for e in parsed.equations if "." not in e.target)
    tensors = (*declared.values(), *counters(parsed.equations), *parsed.tensors)
    prog = in_training(Program("page", tensors, parsed.equations, results, "float64"))
    text = agrees(prog)
    assert "h_sum = x @ W.T" in text
    agrees(forward_program(prog, results)[-1].program)
