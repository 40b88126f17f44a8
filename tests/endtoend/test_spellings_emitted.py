"""Naive spellings in modules that Numba has compiled, in both dtypes: value and gradient against hundreds of digits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from nablac.frontend.model import Model
from nablac.frontend.optimizers import RULES, make_optimizer
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import MPMATH, interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.passes.differentiate import reverse
from tests.endtoend.modules import imported, on_numpy, text_of
from tests.spellings import POINTS, ROUNDED, SPELLINGS, is_close

NAMES = tuple(SPELLINGS)
DTYPES = ("float32", pytest.param("float64", marks=pytest.mark.deep))  # Numba takes its time for each
EPSILON = {"float32": 1.2e-7, "float64": 2.3e-16}

SOFTMAX = "p[i,c] = exp(z[i,c])/sum[k](exp(z[i,k]))"
CROSS_ENTROPIES = {
    "softmax, then log": (SOFTMAX, "loss = mean[i](-log(p[i,y[i]]))"),
    "quotient in place": ("loss = mean[i](-log(exp(z[i,y[i]])/sum[k](exp(z[i,k]))))",),
    "log-sum-exp": ("loss = mean[i](log(sum[k](exp(z[i,k]))) - z[i,y[i]])",),
    "log of a sum by name": ("s[i] = sum[k](exp(z[i,k]))", "loss = -mean[i](z[i,y[i]] - log(s[i]))"),
    "one-hot": (SOFTMAX, "loss = -mean[i](sum[c](delta(c, y[i])*log(p[i,c])))"),
    "shifted by hand": (
        "m[i] = max[k](z[i,k])",
        "e[i,c] = exp(z[i,c] - m[i])",
        "p[i,c] = e[i,c]/sum[k](e[i,k])",
        "loss = mean[i](-log(p[i,y[i]]))",
    ),
    "sum divided at the end": (SOFTMAX, "loss = -sum[i](log(p[i,y[i]]))/6"),
    "log-softmax by name": ("l[i,c] = z[i,c] - log(sum[k](exp(z[i,k])))", "loss = -mean[i](l[i,y[i]])"),
    "rows left out": (SOFTMAX, "loss = sum[i](where(y[i] > 0, -log(p[i,y[i]]), 0))/6"),
    "rows left out by equation": (SOFTMAX, "l[i] = -log(p[i,y[i]])", "loss = mean[i](where(y[i] > 0, l[i], 0))"),
    "weights of rows": (SOFTMAX, "loss = mean[i](w[i]*-log(p[i,y[i]]))"),
    "soft targets": (SOFTMAX, "loss = -mean[i](sum[c](q[i,c]*log(p[i,c])))"),
    "divergence": (SOFTMAX, "loss = mean[i](sum[c](q[i,c]*(log(q[i,c]) - log(p[i,c]))))"),
    "quotient of logs": (SOFTMAX, "loss = mean[i](sum[c](q[i,c]*log(q[i,c]/p[i,c])))"),
    "smoothing": (SOFTMAX, "loss = -mean[i](9/10*log(p[i,y[i]]) + 1/10*mean[c](log(p[i,c])))"),
    "temperature": ("p[i,c] = exp(z[i,c]/2)/sum[k](exp(z[i,k]/2))", "loss = mean[i](-log(p[i,y[i]]))"),
    "base two": (SOFTMAX, "loss = mean[i](-log(p[i,y[i]])/log(2))"),
    "focal": (SOFTMAX, "loss = mean[i]((1 - p[i,y[i]])**2*-log(p[i,y[i]]))"),
    "clamped": (SOFTMAX, "loss = mean[i](-log(max(p[i,y[i]], 1e-12)))"),
    "brier": (SOFTMAX, "loss = mean[i](sum[c]((p[i,c] - delta(c, y[i]))**2))"),
    "perplexity": (SOFTMAX, "l = mean[i](-log(p[i,y[i]]))", "loss = tanh(l/10)"),
}


CHOICE = {"choice of the class": (SOFTMAX, "loss = mean[i](sum[c](where(c == y[i], -log(p[i,c]), 0)))")}


def model_of(
    name: str, declared: dict[str, tuple[str, Role]], lines: list[str], outputs: tuple[str, ...], dtype: str
) -> Model:
    tensors = tuple(parse_declaration(n, text, role) for n, (text, role) in declared.items())
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    program = Program(name, (*tensors, *parsed.tensors), parsed.equations, ("loss", *outputs), dtype)
    return Model(name, program, "loss", outputs, (), make_optimizer(RULES["sgd"], {"lr": 0.1}, dtype=dtype))


def spellings_model(dtype: str, points: int = len(POINTS)) -> Model:
    """One parameter and one output a spelling, both along the points: no error hides in another's sum."""
    declared = {f"x{k}": (f"real[{points}]", Role.PARAM) for k in range(len(NAMES))}
    lines = [f"u{k}[i] = " + re.sub(r"\bx\b", f"x{k}[i]", SPELLINGS[name]) for k, name in enumerate(NAMES)]
    lines.append("loss = " + " + ".join(f"sum[i](u{k}[i])" for k in range(len(NAMES))))
    return model_of("spellings", declared, lines, tuple(f"u{k}" for k in range(len(NAMES))), dtype)


def exact(program: Program, point: float) -> tuple[list[Any], list[Any]]:
    """Every spelling's value and derivative at one point, by central differences with far more digits than the step."""

    def values(at: Any) -> list[Any]:
        column = np.array([at], dtype=object)
        found = interpret(program, {f"x{k}": column for k in range(len(NAMES))}, MPMATH)
        return [found[f"u{k}"][0] for k in range(len(NAMES))]

    with mpmath.workdps(1500):
        step, x = mpmath.mpf(10) ** -400, mpmath.mpf(point)
        low, here, high = values(x - step), values(x), values(x + step)
        return here, [(b - a) / (2 * step) for a, b in zip(low, high, strict=True)]


def agrees(found: float, expected: Any, point: float, dtype: str, absolute: bool = False) -> bool:
    """As in ``is_close``; beyond the dtype's largest number it is infinite, below its smallest it is small."""
    limits = np.finfo(dtype)
    if abs(expected) > float(limits.max):
        return bool(found == np.copysign(np.inf, float(mpmath.sign(expected))))
    if abs(expected) < float(limits.tiny):
        return abs(found) <= 2 * float(limits.tiny) or (absolute and abs(found) <= 40 * EPSILON[dtype])
    return is_close(found, float(expected), point, EPSILON[dtype], absolute)


@pytest.mark.parametrize("dtype", DTYPES)
def test_spellings(dtype: str, folder: Path) -> None:
    model = spellings_model(dtype)
    module = imported(text_of(model), folder, f"spellings_{dtype}")
    points = np.array(POINTS, dtype)
    params = module.pack({f"x{k}": points for k in range(len(NAMES))})
    values, plain = module.predict(params), on_numpy(module, params)
    slopes = module.unpack(module.loss_and_grad(params)[1])
    wrong = []
    one = spellings_model(dtype, 1).program
    for at, point in enumerate(points.tolist()):
        value, slope = exact(one, point)
        for k, name in enumerate(NAMES):
            for what, found, expected, absolute in (
                ("value", values[f"u{k}"][at], value[k], False),
                ("NumPy value", plain[f"u{k}"][at], value[k], False),
                ("slope", slopes[f"x{k}"][at], slope[k], name in ROUNDED),
            ):
                if not agrees(float(found), expected, point, dtype, absolute):
                    wrong.append(f"{what} of {name} at {point:g}: {found}, not {mpmath.nstr(expected, 9)}")
    assert not wrong, "\n" + "\n".join(wrong)


def logits_at(size: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits of that size, ties and a sure mistake among them, and labels."""
    z = (
        np.array([[1, -1, 0, 0.5], [0, 0, 0, 0], [-1, 1, 1, -1], [1, 1, 1, 1], [0, -1, 1, -0.5], [0.25, 0.2, 0.1, 0]])
        * size
    )
    return z, np.array([0, 3, 1, 2, 1, 0])


def entropies_model(spellings: dict[str, tuple[str, ...]], dtype: str) -> Model:
    """One tensor of logits and one output for each; the loss is their sum."""
    declared = {"y": ("label[6, 4]", Role.INPUT), "w": ("real[6]", Role.INPUT), "q": ("real[6, 4]", Role.INPUT)}
    lines = []
    for k, texts in enumerate(spellings.values()):
        declared[f"z{k}"] = ("real[6, 4]", Role.PARAM)
        lines += [re.sub(r"\b([zpsmel]|loss)(?=\[| =|/)", rf"\g<1>{k}", text) for text in texts]
    losses = tuple(f"loss{k}" for k in range(len(spellings)))
    return model_of("entropies", declared, [*lines, f"loss = {' + '.join(losses)}"], losses, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropies(dtype: str, folder: Path) -> None:
    """p - y, and finite, however it is written and however large the logits are."""
    check_entropies(CROSS_ENTROPIES, dtype, folder)


def test_cross_entropy_by_choice(folder: Path) -> None:
    check_entropies(CHOICE, "float64", folder)


def check_entropies(spellings: dict[str, tuple[str, ...]], dtype: str, folder: Path) -> None:
    """Each spelling's value and gradient at logits of many sizes, against 60 digits."""
    names, wrong = list(spellings), []
    model = entropies_model(spellings, dtype)
    derived = reverse(model.program, "loss", [f"z{k}" for k in range(len(names))])
    module = imported(text_of(model), folder, f"entropies_{dtype}")
    w = np.linspace(0, 2, 6).astype(dtype)
    q = np.random.default_rng(0).dirichlet(np.ones(4), 6).astype(dtype)
    for size in (0.0, 1.0, 30.0, 200.0, -200.0, 1e4, -1e4):
        z, y = logits_at(size)
        z, given = z.astype(dtype), {"y": y, "w": w, "q": q}
        arrays = {f"z{k}": z for k in range(len(names))}
        with mpmath.workdps(60):
            wide = {
                n: np.vectorize(mpmath.mpf, otypes=[object])(a.astype(float))
                for n, a in (arrays | {"w": w, "q": q}).items()
            }
            exact = interpret(derived.program, wide | {"y": y}, MPMATH)
        params = module.pack(arrays)
        values = {"Numba": module.predict(params, **given), "NumPy": on_numpy(module, params, **given)}
        grads = module.unpack(module.loss_and_grad(params, **given)[1])
        for k, name in enumerate(names):
            loss, slope = float(exact[f"loss{k}"].item()), exact[derived.names[f"z{k}"]].astype(float)
            for how, found in values.items():
                one = float(found[f"loss{k}"])
                if not abs(one - loss) <= 20 * EPSILON[dtype] * (1 + abs(loss)):
                    wrong.append(f"{name} at {size} by {how}: {one}, not {loss}")
            off = np.abs(grads[f"z{k}"] - slope).max()
            if not off <= 8 * EPSILON[dtype] * (1 + min(abs(size), 200)) * max(1, np.abs(slope).max()):
                wrong.append(f"gradient of {name} at {size}: off by {off}")
    assert not wrong, "\n" + "\n".join(wrong)
