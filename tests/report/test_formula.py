"""Index forms: what is printed reads back as what it was, and reads well."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.random import counters
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.report.formulas.formula import expression_form, index_form, right_side
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from tests.programs import KNOWN
from tests.report.sources import RANDOM, drawn, known

AS_NAMED = Notation({}, {}, natural=False, logistic=False)
"""Every tensor by its own name, so that the language can read what is printed."""

SPELLINGS = {
    "·": "*", "≥": ">=", "≤": "<=", "≠": "!=", " ∧ ": " and ", " ∨ ": " or ", "¬": "not ", "π": "pi", "√(": "sqrt(",
    "sgn(": "sign(", "arctan(": "atan(", "^": "**",
}  # fmt: skip
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def read_back(text: str) -> str:
    """Unicode mathematics in the language's own spelling."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: f"**({m[0].translate(RAISED)})", text)
    for ours, theirs in SPELLINGS.items():
        text = text.replace(ours, theirs)
    text = re.sub(r"√(\w+)", r"sqrt(\1)", text)
    text = re.sub(r"_([₀-₉])|([₀-₉]+)", lambda m: m[0].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")), text)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text)
    text = re.sub(r"\[(\w+) = ([^\[\]]*(?:\[[^\]]*\])?[^\[\]]*)\]", r"delta(\1, \2)", text)
    text = re.sub(r"(?<![<>!=]) = ", " == ", text)
    while "{" in text:
        text = re.sub(r"\{([^{}]*)\}", _choice, text)
    return re.sub(r"uniform_(\w+)\(", r"uniform(\1.draw, ", text)  # a stream is told by the name of what draws


def _choice(match: re.Match[str]) -> str:
    *rows, last = match[1].split("; ")
    result = last.removesuffix(" otherwise")
    for row in reversed(rows):
        value, condition = row.rsplit(" if ", 1)
        result = f"where({condition}, {value}, {result})"
    return result


def check_reading_back(program: Program, values: dict[str, np.ndarray]) -> None:
    arrays = interpret(program, values)
    names = {t.name: f"T{k}" for k, t in enumerate(program.tensors)}
    tensors = {
        alias: Tensor(alias, t.shape, t.kind, Role.INPUT, t.bound) for t in program.tensors for alias in [names[t.name]]
    }
    for equation in program.equations:
        text = read_back(plain(right_side(equation, AS_NAMED)))
        if equation.reduction is not None:
            text = re.sub(r"^\S+(\[[\w,]*\])? ", "", text)
        for name in sorted(names, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", names[name], text)
        indices = [*equation.indices, *equation.bound]
        line = f"out{'[' + ','.join(map(str, indices)) + ']' if indices else ''} = {text}"
        line += "".join(f" for {i} in {equation.ranges[i]}" for i in indices)
        parsed = parse_equations([line], tensors)
        declared = (*tensors.values(), *counters(parsed.equations), *parsed.tensors)
        found = interpret(
            Program("one", declared, parsed.equations, ("out",), "float64"),
            {**values, **{names[n]: a for n, a in arrays.items()}},
        )["out"]
        if equation.reduction is not None:
            axes = tuple(range(len(equation.indices), len(indices)))
            kind = equation.reduction.kind
            found = getattr(np, kind)(found, axis=axes[0] if kind.startswith("arg") else axes)
        np.testing.assert_allclose(found, arrays[equation.target], rtol=1e-8, atol=1e-11, err_msg=line)


@pytest.mark.parametrize("name", KNOWN)
def test_known_programs_read_back(name: str) -> None:
    _, values, gradient, _ = known(name)
    check_reading_back(gradient, values)


@pytest.mark.parametrize("seed", RANDOM)
def test_random_programs_read_back(seed: int) -> None:
    _, values, gradient, _ = drawn(seed)
    check_reading_back(gradient, values)


BODIES = {
    "exp(-x[i])": "e^(-x[i])",
    "exp(-(x[i] - y[i])**2/(2*s**2))": "exp(-(x[i] - y[i])²/(2·s²))",
    "exp(2*x[i]/3)": "e^(2·x[i]/3)",
    "1/(1 + exp(-x[i]))": "1/(e^(-x[i]) + 1)",
    "abs(x[i] - 1)": "|x[i] - 1|",
    "sqrt(x[i]**2 + 1)": "√(x[i]² + 1)",
    "1/sqrt(s)": "1/√s",
    "x[i]**(-2)": "1/x[i]²",
    "(x[i] + 1)**3/4": "(x[i] + 1)³/4",
    "-x[i]*(y[i] - s)": "-x[i]·(y[i] - s)",
    "x[i] - (y[i] - s)": "x[i] + s - y[i]",
    "x[i]/(y[i]*s)": "x[i]/(s·y[i])",
    "s*(x[i] + y[i])/3": "s·(x[i] + y[i])/3",
    "log1p(x[i]**2)": "log(x[i]² + 1)",
    "expm1(x[i])*s": "s·(e^x[i] - 1)",
    "logcosh(x[i])": "log(cosh(x[i]))",
    "tanh(x[i])**2": "tanh(x[i])²",
    "sigmoid(-x[i])": "σ(-x[i])",
    "where(x[i] > 0, x[i], where(x[i] > -1, s, 0))": "{x[i] if x[i] > 0; s if x[i] > -1; 0 otherwise}",
    "where(x[i] > 0 and (y[i] < 1 or s >= 2), 1, 0)": "{1 if (s ≥ 2 ∨ y[i] < 1) ∧ x[i] > 0; 0 otherwise}",
    "where(x[i] >= 0 and x[i] < 3, 1, 0)": "{1 if 0 ≤ x[i] < 3; 0 otherwise}",
    "0.1*x[i] + 1e-8": "0.1·x[i] + 10⁻⁸",
    "pi*x[i]": "π·x[i]",
    "floor(x[i])": "⌊x[i]⌋",
    "max(x[i], 0, s)": "max(relu(x[i]), s)",
    "z[i, c[i]]*delta(i, c[i])": "z[i,c[i]]·[i = c[i]]",
}


@pytest.mark.parametrize("text", BODIES)
def test_body(text: str) -> None:
    declared = {"x": "real[3]", "y": "real[3]", "s": "real", "z": "real[3, 3]", "c": "label[3, 3]"}
    tensors = [parse_declaration(n, d, Role.INPUT) for n, d in declared.items()]
    parsed = parse_equations([f"r[i] = {text} for i in 3"], {t.name: t for t in tensors})
    assert plain(expression_form(parsed.equations[-1].body, Notation({}, {}))) == BODIES[text]


def test_a_sum_is_bracketed_under_its_sign() -> None:
    tensors = [parse_declaration("x", "real[3, 2]", Role.INPUT), parse_declaration("y", "real[3]", Role.INPUT)]
    lines = ["r[i] = sum[j](x[i,j] - y[i])", "m[i] = max[j](x[i,j] + 1)", "a[i] = argmax[j](x[i,j])"]
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    assert [plain(index_form(e, AS_NAMED)) for e in parsed.equations] == [
        "r[i] = Σⱼ (x[i,j] - y[i])",
        "m[i] = max[j] (x[i,j] + 1)",
        "a[i] = argmax[j] x[i,j]",
    ]
    assert parsed.tensors[-1].kind is Kind.INT
