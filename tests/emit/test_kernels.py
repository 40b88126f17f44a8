"""Schedules and their text against the interpreter: random programs first, then the shapes of equations by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nablac.emit.code import Programs
from nablac.frontend.optimizers import RULES, make_optimizer
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.pipeline import gradient_program, loss_program
from tests.emit.native import build, call, functions_text, plain
from tests.random_programs import random_program

TOLERANCE = {"float64": 1e-11, "float32": 3e-4}


def written(
    declarations: dict[str, str], lines: Sequence[str], results: Sequence[str], dtype: str = "float64"
) -> Program:
    """A program from text; capital letters and names with dots are parameters."""
    tensors = tuple(
        parse_declaration(name, text, Role.PARAM if name[0].isupper() else Role.INPUT)
        for name, text in declarations.items()
    )
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    return Program("test", tensors + parsed.tensors, parsed.equations, tuple(results), dtype)


def random_values(program: Program, sizes: dict[str, int], seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {}
    for t in program.tensors:
        if t.role is not Role.RESULT:
            shape = tuple(int(e) if e.is_Integer else sizes[str(e)] for e in t.shape)
            values[t.name] = rng.integers(0, int(t.bound), shape) if t.bound is not None else rng.normal(size=shape)
    return values


def agrees(program: Program, values: dict[str, Any], module: Any = None, code: Any = None) -> None:
    """The predict entry gives every result that the interpreter gives."""
    if module is None:
        module, code = plain(Programs(program))
    expected = interpret(program, values)
    found = call(module, code, "predict", program, {**values, **expected})
    for name in program.results:
        tolerance = TOLERANCE[program.dtype]
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_keep_their_meaning(seed: int) -> None:
    program, values = random_program(seed)
    agrees(program, values)
    every = tuple(e.target for e in program.equations)
    agrees(replace(program, results=every[-4:] if seed % 2 else every), values)


@pytest.mark.parametrize("seed", range(30))
def test_random_gradients_keep_their_meaning(seed: int) -> None:
    program, values = random_program(seed)
    wrt = [t.name for t in program.having(Role.PARAM)]
    records, derived = gradient_program(program, "loss", wrt)
    names = derived.names
    final = records[-1].program
    evaluate = loss_program(program, ("loss",))[-1].program
    module, code = plain(Programs(evaluate, evaluate, final, loss="loss", gradients=names))
    expected = interpret(final, values)
    found = call(module, code, "gradient", final, values)
    wanted = np.concatenate([np.ravel(expected[names[p]]) for p in wrt])
    np.testing.assert_allclose(found["grad"], wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-11)
    np.testing.assert_allclose(
        call(module, code, "evaluate", evaluate, values)["values"][0], expected["loss"], rtol=1e-11
    )


MODELS: dict[str, tuple[dict[str, str], list[str], dict[str, int]]] = {
    "convolution": (
        {"x": "real[n, 3, 9]", "W": "real[4, 3, 3]", "B": "real[4]", "V": "real[4, 4]"},
        [
            "h[i,o,p] = sum[c,u](W[o,c,u]*x[i,c,2*p+u]) for p in 4",
            "a[i,o,p] = relu(h[i,o,p] + B[o])",
            "loss = mean[i,o,p](a[i,o,p]*V[o,p])",
        ],
        {"n": 3},
    ),
    "embedding": (
        {"w": "label[n, 6, 11]", "E": "real[11, 5]", "W": "real[3, 5]", "y": "label[n, 3]"},
        [
            "h[i,d] = mean[t](E[w[i,t], d])",
            "z[i,j] = sum[d](W[j,d]*h[i,d])",
            "loss = mean[i](-log(exp(z[i, y[i]])/sum[j](exp(z[i,j]))))",
        ],
        {"n": 4},
    ),
    "attention": (
        {"x": "real[n, 5, 6]", "Q": "real[6, 6]", "K": "real[6, 6]", "V": "real[6, 6]"},
        [
            "query[i,t,d] = sum[c](Q[d,c]*x[i,t,c])",
            "key[i,t,d] = sum[c](K[d,c]*x[i,t,c])",
            "value[i,t,d] = sum[c](V[d,c]*x[i,t,c])",
            "s[i,t,u] = sum[d](query[i,t,d]*key[i,u,d])/sqrt(6)",
            "a[i,t,u] = exp(s[i,t,u])/sum[r](exp(s[i,t,r]))",
            "h[i,t,d] = sum[u](a[i,t,u]*value[i,u,d])",
            "loss = mean[i,t,d](h[i,t,d]**2)",
        ],
        {"n": 3},
    ),
    "pooling": (
        {"x": "real[n, 8]", "W": "real[8, 8]"},
        [
            "h[i,j] = sum[k](W[j,k]*x[i,k])",
            "m[i,p] = max[u](h[i,2*p+u]) for p in 4, u in 2",
            "loss = mean[i,p](m[i,p]**2)",
        ],
        {"n": 5},
    ),
    "two extents": (
        {"x": "real[n, 3]", "z": "real[m, 3]", "L": "real"},
        ["k[i,j] = exp(-sum[d]((x[i,d] - z[j,d])**2)*L**2)", "loss = mean[i,j](k[i,j])"],
        {"n": 4, "m": 6},
    ),
    "circuit": (
        {"X": "real", "Y": "real", "Z": "real"},
        ["loss = (X + Y)*Z + 1/(1 + exp(-X*Y)) + sqrt(1 + X**2)"],
        {},
    ),
    "regression": (
        {"x": "real[n, 13]", "y": "real[n]", "W": "real[13]", "B": "real"},
        ["p[i] = sum[k](W[k]*x[i,k]) + B", "loss = mean[i](log(cosh(y[i] - p[i]))) + 0.01*sum[k](W[k]**2)"],
        {"n": 7},
    ),
    "guards": (
        {"x": "real[n, 4]", "W": "real[4]"},
        ["h[i,k] = where(x[i,k] > 0, log(abs(x[i,k]*W[k]) + 1), sqrt(1 + W[k]**2))", "loss = mean[i,k](h[i,k])"],
        {"n": 5},
    ),
}
"""Declarations, equations, extents; capitals are parameters."""


def model(name: str, dtype: str = "float64") -> tuple[Program, dict[str, Any]]:
    declarations, lines, sizes = MODELS[name]
    program = written(declarations, lines, ("loss",), dtype)
    return program, random_values(program, sizes)


def derived(program: Program) -> tuple[Programs, dict[str, str]]:
    records, derived = gradient_program(program, "loss", [t.name for t in program.having(Role.PARAM)])
    names = derived.names
    final = records[-1].program
    evaluate = loss_program(program, ("loss",))[-1].program
    return Programs(evaluate, evaluate, final, loss="loss", gradients=names), names


def check_gradient(programs: Programs, values: dict[str, Any], module: Any, code: Any) -> None:
    final = programs.gradient
    assert final is not None
    expected = interpret(final, values)
    found = call(module, code, "gradient", final, values)
    wanted = np.concatenate([np.ravel(expected[programs.gradient_of(t.name)]) for t in final.having(Role.PARAM)])
    tolerance = TOLERANCE[final.dtype]
    np.testing.assert_allclose(found["grad"], wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_models_by_hand(name: str) -> None:
    program, values = model(name)
    programs, _ = derived(program)
    check_gradient(programs, values, *plain(programs))


@pytest.mark.parametrize(
    ("name", "dtype"), [("convolution", "float32"), ("attention", "float64"), ("embedding", "float32")]
)
def test_models_compiled(name: str, dtype: str, tmp_path: Path) -> None:
    program, values = model(name, dtype)
    programs, _ = derived(program)
    check_gradient(programs, values, *build(programs, tmp_path / "functions.py"))


@pytest.mark.parametrize("name", sorted(RULES))
def test_updates_in_place(name: str) -> None:
    """Three steps of each optimizer, the state kept from one to the next."""
    optimizer = make_optimizer(RULES[name], {"lr": 0.1}, dtype="float64")
    forward = written({"x": "real[n]"}, ["h[i] = 2*x[i]"], ("h",))
    module, _ = plain(Programs(forward, update=optimizer.program, updates=optimizer.updates))
    rng = np.random.default_rng(0)
    params, state = rng.normal(size=6), np.zeros(6 * len(optimizer.state))
    values: dict[str, Any] = {"theta": params.copy(), **{s: np.zeros(6) for s in optimizer.state}}
    for step in (1, 2, 3):
        grad = rng.normal(size=6)
        module._update(params, grad, state, 0.1, step)
        found = interpret(optimizer.program, {**values, "g": grad, "lr": 0.1, "t": step})
        values = {kept: found[new] for kept, new in optimizer.updates}
        np.testing.assert_allclose(params, values["theta"], rtol=1e-13)
        np.testing.assert_allclose(state, np.concatenate([values[s] for s in optimizer.state] or [state]), rtol=1e-13)


def test_integer_results_and_awkward_names() -> None:
    """Inputs called as functions, extents and arguments of the module's are."""
    declared = {"np": "real[n, 3]", "n": "real[n]", "work": "real[n]", "W": "real[3]", "lambda_": "real"}
    lines = [
        "best[i] = argmax[k](np[i,k]*W[k])",
        "range[i] = n[i] + work[i]*exp(lambda_)",
        "total = sum[i](range[i]**2) + sum[i](np[i, best[i]])",
    ]
    program = written(declared, lines, ("best", "range", "total"))
    agrees(program, random_values(program, {"n": 6}))


def test_a_parameter_without_effect_has_gradient_zero() -> None:
    program = written({"x": "real[n]", "W": "real", "V": "real[4]"}, ["loss = mean[i]((x[i] - W)**2)"], ("loss",))
    records, derived = gradient_program(program, "loss", ["W"])
    names = derived.names
    final = records[-1].program
    values = random_values(program, {"n": 5})
    module, code = plain(Programs(program, program, final, loss="loss", gradients=names))
    found = call(module, code, "gradient", final, values)["grad"]
    np.testing.assert_allclose(found, [2 * (values["W"] - values["x"].mean()), 0, 0, 0, 0])


def test_equal_layers_share_one_kernel() -> None:
    lines = [f"t{k}[i,j] = sum[c](W{k}[j,c]*h{k - 1}[i,c])" for k in (1, 2, 3)]
    lines += [f"h{k}[i,j] = tanh(t{k}[i,j] + B{k}[j])" for k in (1, 2, 3)]
    declared = {"h0": "real[n, 8]", "W1": "real[7, 8]", "W2": "real[6, 7]", "W3": "real[5, 6]"}
    declared |= {"B1": "real[7]", "B2": "real[6]", "B3": "real[5]"}
    program = written(declared, sorted(lines, key=lambda line: line[1]), ("h3",))
    module, code = plain(Programs(program))
    assert [f.name for f in code.kernels] == ["_compute_h1", "_parameters"]
    agrees(program, random_values(program, {"n": 4}), module, code)


def chain(widths: Sequence[int], dtype: str = "float64") -> tuple[Program, dict[str, Any]]:
    """Linear layers of these widths with tanh between them, and a squared error."""
    lines, declared = [], {"x": f"real[n, {widths[0]}]", "y": f"real[n, {widths[-1]}]"}
    for k, (before, after) in enumerate(zip(widths, widths[1:], strict=False), 1):
        declared |= {f"W{k}": f"real[{after}, {before}]", f"B{k}": f"real[{after}]"}
        lines += [f"t{k}[i,j] = sum[c](W{k}[j,c]*{f'h{k - 1}' if k > 1 else 'x'}[i,c])"]
        lines += [f"h{k}[i,j] = tanh(t{k}[i,j] + B{k}[j])"]
    lines += [f"loss = mean[i,j]((h{len(widths) - 1}[i,j] - y[i,j])**2)"]
    program = written(declared, lines, ("loss",), dtype)
    return program, random_values(program, {"n": 5})


def entries_agree(widths: Sequence[int], module_of: Any) -> Any:
    """The entries of a chain with an output give what the interpreter gives; the code."""
    program, values = chain(widths)
    programs, _ = derived(program)
    assert programs.evaluate is not None
    evaluate, output = programs.evaluate, f"h{len(widths) - 1}"
    programs = replace(programs, predict=loss_program(replace(program, results=(output,)), (output,))[-1].program)
    module, code = module_of(programs)
    agrees(programs.predict, values, module, code)
    check_gradient(programs, values, module, code)
    expected = interpret(evaluate, values)["loss"]
    found = call(module, code, "evaluate", evaluate, values)["values"]
    np.testing.assert_allclose(found[0], expected, rtol=1e-11)
    assert np.isnan(found[1:]).all()
    return code


def test_what_the_entries_begin_with_is_one_function(tmp_path: Path) -> None:
    widths = (6, 64, 32, 3)
    code = entries_agree(widths, plain)
    assert [e.name for e in code.entries] == ["_forward", "_predict", "_gradient", "_evaluate"]
    assert code.signatures["forward"].returns == ("h1", "h2", "t3")
    assert "h1, h2, t3 = _forward(params, x, work)" in code.signatures["gradient"].text
    assert "_, _, t3 = _forward(params, x, work)" in code.signatures["predict"].text
    assert functions_text(code).count("_gemm(x, W1.T, t1)") == 1
    entries_agree(widths, lambda programs: build(programs, tmp_path / "functions.py"))


def test_the_gradient_begins_otherwise_where_it_keeps_what_the_others_overwrite() -> None:
    """With equal widths the third layer can lie where the first was, but the gradient still needs that."""
    code = entries_agree((8, 8, 8, 8, 8), plain)
    sharing = [name for name, entry in code.signatures.items() if " = _forward(" in entry.text]
    assert sharing == ["predict", "evaluate"]


def test_a_short_nest_that_nothing_shares_stands_in_its_entry() -> None:
    program = written({"x": "real[n, 3]", "B": "real[3]"}, ["h[i,j] = x[i,j] + B[j]"], ("h",))
    module, code = plain(Programs(program))
    assert not code.kernels
    assert code.signatures["predict"].text.endswith(
        "# (1) h[i, j] = x[i, j] + B[j]   3*n ops\n"
        "    for i in range(n):\n        for j in range(3):\n            h[i, j] = x[i, j] + B[j]"
    )
    agrees(program, random_values(program, {"n": 4}), module, code)


def test_long_statements_are_broken() -> None:
    terms = " + ".join(f"tanh({k}*x[i,j])*sin(x[i,j] - {k})" for k in range(1, 12))
    program = written({"x": "real[n, 3]"}, [f"h[i,j] = {terms}"], ("h",), "float32")
    module, code = plain(Programs(program))
    assert max(map(len, functions_text(code).splitlines())) <= 120
    agrees(program, random_values(program, {"n": 4}), module, code)


def test_text_is_the_same_whatever_the_hash_seed() -> None:
    script = "from tests.emit.test_kernels import *; from tests.emit.native import *\n"
    script += "print(functions_text(emit_code(derived(model('attention')[0])[0])))"
    texts = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
        )
        texts.add(run.stdout)
    assert len(texts) == 1 and "_gemm(" in texts.pop()


def test_a_float32_module_computes_in_float32(tmp_path: Path) -> None:
    """The only float64 arithmetic is that of the accumulated loss."""
    program, values = model("regression", "float32")
    programs, _ = derived(program)
    module, code = build(programs, tmp_path / "functions.py")
    check_gradient(programs, values, module, code)
    (text,) = module._gradient.inspect_llvm().values()
    wide = [line for line in text.splitlines() if re.search(r"= f(add|mul|sub|div|cmp)\b.*\bdouble\b", line)]
    others = [line for line in wide if "= fadd" not in line]
    assert wide and len(others) <= 1 and all("= fmul" in line for line in others)  # the 0.01 of the loss itself
    assert not re.search(r"llvm\.\w+\.f64|call .*double @(?!Py)", text.split("declare")[0])
