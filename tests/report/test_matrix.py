"""Matrix forms mean what the equations mean: both are computed and compared."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.report.formulas.matrix import composed_matrix_form, composed_tree, matrix_form, matrix_tree
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from tests.programs import KNOWN
from tests.report.evaluate import column, evaluate, sizes_of
from tests.report.sources import RANDOM, drawn, given, known, with_gradients


def check(program: Program, values: dict[str, np.ndarray]) -> int:
    """Compare the forms of all equations with the interpreter; how many equations have one."""
    arrays = interpret(program, values)
    sizes = sizes_of(program, arrays)
    found = 0
    for equation in program.equations:
        for make in (matrix_tree, composed_tree):
            tree = make(equation, program)
            if tree is None:
                continue
            found += make is matrix_tree
            expected = column(arrays[equation.target])
            np.testing.assert_allclose(
                evaluate(tree, arrays, sizes), expected, rtol=1e-9, atol=1e-12, err_msg=f"{equation.target}: {tree}"
            )
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_forms_of_known_programs(name: str) -> None:
    program, values, gradient, _ = known(name)
    check(program, values)
    check(gradient, values)


@pytest.mark.parametrize("seed", RANDOM)
def test_forms_of_random_programs(seed: int) -> None:
    program, values, gradient, _ = drawn(seed)
    assert check(program, values)
    assert check(gradient, values)


DECLARED = {
    "A": "real[3, 4]", "B": "real[3, 4]", "C": "real[4, 3]", "G": "real[3, 3]", "H": "real[3, 3]", "u": "real[3]",
    "v": "real[4]", "w": "real[3]", "s": "real", "t": "real", "X": "real[n, 4]", "c": "label[n, 3]", "d": "label[4, 3]",
    "l": "real[n, 1]", "K": "real[1, 4]", "T": "real[3, 4, 2]",
}  # fmt: skip

FORMS = {
    "r[i,j] = sum[k](A[i,k]*C[k,j])": "r = A C",
    "r[i,j] = sum[k](A[k,i]*B[k,j])": "r = Aᵀ B",
    "r[i,j] = sum[k](A[i,k]*B[j,k])": "r = A Bᵀ",
    "r[i] = sum[k](A[i,k]*v[k])": "r = A v",
    "r[k] = sum[i](A[i,k]*u[i])": "r = Aᵀ u",
    "r[i,k] = u[i]*v[k]": "r = u vᵀ",
    "r = sum[i](u[i]*w[i])": "r = uᵀ w",
    "r = sum[i](u[i]**2)": "r = ‖u‖²",
    "r = sum[i,j](A[i,j]**2)": "r = ‖A‖_F²",
    "r = sum[i,j](A[i,j]*B[i,j])": "r = tr(Aᵀ B)",
    "r = sum[i,j](A[i,j]*C[j,i])": "r = tr(A C)",
    "r = sum[i](G[i,i])": "r = tr(G)",
    "r[i] = G[i,i]": "r = diag(G)",
    "r = sum[i,j](A[i,j])": "r = 𝟏ᵀ A 𝟏",
    "r[i] = sum[j](A[i,j])": "r = A 𝟏",
    "r[j] = sum[i](A[i,j])": "r = Aᵀ 𝟏",
    "r[i,j] = A[i,j] + v[j]": "r = A + 𝟏 vᵀ",
    "r[i,j] = A[i,j] - u[i]": "r = A - u 𝟏ᵀ",
    "r[i,j] = A[i,j]*B[i,j]": "r = A ⊙ B",
    "r[i,j] = A[i,j]*C[j,i]": "r = A ⊙ Cᵀ",
    "r[i,j] = A[i,j]/B[i,j]": "r = A ⊘ B",
    "r[i,j] = A[i,j]/u[i]": "r = diag(u)⁻¹ A",
    "r[i,j] = A[i,j]/v[j]": "r = A diag(v)⁻¹",
    "r[i,j] = A[i,j]*u[i]*v[j]": "r = diag(u) A diag(v)",
    "r[i,j] = u[i]*v[j]/w[i]": "r = (u ⊘ w) vᵀ",
    "r[i] = 1/u[i]": "r = 1 ⊘ u",
    "r[i] = u[i]/(s*w[i])": "r = (u ⊘ w)/s",
    "r[i,j] = s*A[i,j]/t": "r = s·A/t",
    "r[i,j] = -A[i,j]/2": "r = -A/2",
    "r[i,j] = sigmoid(A[i,j])": "r = σ(A)",
    "r[i,j] = A[i,j]*(1 - A[i,j])": "r = A ⊙ (1 - A)",
    "r[i,j] = (s*A[i,j] - 3)**2": "r = (s·A - 3)^⊙2",
    "r[i,j] = sum[k](A[i,k]*v[k]*C[k,j])": "r = A diag(v) C",
    "r[i] = sum[j,k](A[i,j]*C[j,k]*G[i,k])": "r = ((G Cᵀ) ⊙ A) 𝟏",
    "r = sum[i,j](u[i]*A[i,j]*v[j])": "r = uᵀ A v",
    "r[i] = max[k](X[i,k])": "r = rowmax(X)",
    "r = max[k](v[k])": "r = max(v)",
    "r[i,j] = where(A[i,j] > 0, B[i,j], 0)": "r = [A > 0] ⊙ B",
    "r[i,j] = where(A[i,j] > 0, B[i,j], 2*A[i,j])": "r = [A > 0] ⊙ B + 2·[A ≤ 0] ⊙ A",
    "r[i,j] = where(A[i,j] > 0 and v[j] < s, 1, 0)": "r = [A > 0 ∧ 𝟏 vᵀ < s·𝟏 𝟏ᵀ]",
    "r[i,j] = where(v[j] > 0, A[i,j], 0)": "r = A diag([v > 0])",
    "r[i,j] = where(u[i] > 0, A[i,j], B[i,j])": "r = diag([u > 0]) A + diag([u ≤ 0]) B",
    "r[i,j] = where(u[i] > 0, v[j], 0)": "r = [u > 0] vᵀ",
    "r[i,j] = where(s > 0, A[i,j], 0)": "r = [s > 0]·A",
    "r[i] = where(s > t, 0, where(s > u[i], 1, 0))": "r = [s ≤ t]·[s·𝟏 > u]",
    "r[i] = u[i] + where(s > t, 2, u[i])": "r = u + 2·[s > t]·𝟏 + [s ≤ t]·u",
    "r[i,j] = delta(j, c[i]) for j in 3": "r = onehot(c)",
    "r[j] = sum[i](delta(j, c[i])*l[i,0]) for j in 3": "r = onehot(c)ᵀ l",
    "r[i,k] = A[c[i],k]": "r = onehot(c) A",
    "r[i] = sum[k](A[c[i],k]*X[i,k])": "r = ((onehot(c) A) ⊙ X) 𝟏",
    "r[k] = C[k,d[k]]": "r = (D ⊙ C) 𝟏",
    "r[i] = l[i,0]*X[i,1]": None,
    "r[i,j] = l[i,0]*X[i,j]": "r = diag(l) X",
    "r[j] = K[0,j]*v[j]": "r = v ⊙ Kᵀ",
    "r[i,j] = where(A[i,j] > 0, log(A[i,j]), 0)": None,
    "r[i,j] = sum[k](T[i,j,k])": None,
    "r[i] = v[3-i] for i in 4": None,
    "r[i] = i*u[i]": None,
    "r[i] = v[i]*v[i+1] for i in 3": None,
    "r[i,j] = 1/4 for i in 3 for j in 4": "r = 𝟏 𝟏ᵀ/4",
    "r[i] = sum[j](u[i]*w[j])": "r = (wᵀ 𝟏)·u",
    "r = sum[i](s*t) for i in 3": "r = 3·s·t",
}


def program_of(line: str) -> Program:
    tensors = [parse_declaration(n, d, Role.INPUT) for n, d in DECLARED.items()]
    parsed = parse_equations([line], {t.name: t for t in tensors})
    return Program("one", (*tensors, *parsed.tensors), parsed.equations, ("r",), "float64")


@pytest.mark.parametrize("line", FORMS)
def test_form(line: str) -> None:
    program = program_of(line)
    form = matrix_form(program.defined["r"], program, Notation.of(program, {}))
    assert (None if form is None else plain(form)) == FORMS[line]
    check(program, given(program, 7))


PERCEPTRON = {
    "W1": "real[6, 5]", "b1": "real[6]", "W2": "real[4, 6]", "b2": "real[4]", "W3": "real[2, 4]", "b3": "real[2]",
}  # fmt: skip


def test_the_four_equations_of_backpropagation() -> None:
    """BP1 to BP4 of a perceptron with three layers and a quadratic cost."""
    tensors = [parse_declaration("x", "real[n, 5]", Role.INPUT), parse_declaration("y", "real[n, 2]", Role.INPUT)]
    tensors += [parse_declaration(n, d, Role.PARAM) for n, d in PERCEPTRON.items()]
    lines = ["loss = sum[i,j]((a3[i,j] - y[i,j])**2)/2"]
    for layer, reads in (("3", "a2"), ("2", "a1"), ("1", "x")):
        lines.insert(0, f"a{layer}[i,j] = sigmoid(sum[k](W{layer}[j,k]*{reads}[i,k]) + b{layer}[j])")
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    program, gradients = with_gradients(
        Program("bp", (*tensors, *parsed.tensors), parsed.equations, ("loss",), "float64")
    )
    notation = Notation.of(program, gradients)
    forms = [composed_matrix_form(e, program, notation) for e in program.equations if e.origin.rule == "reverse"]
    text = [plain(form) for form in forms if form is not None]
    assert {"da₃ = a₃ - y", "δ₃ = a₃ ⊙ da₃ ⊙ (1 - a₃)"} <= set(text)
    assert {"δ₂ = (δ₃ W₃) ⊙ a₂ ⊙ (1 - a₂)", "δ₁ = (δ₂ W₂) ⊙ a₁ ⊙ (1 - a₁)"} <= set(text)
    assert {"db₁ = δ₁ᵀ 𝟏", "db₂ = δ₂ᵀ 𝟏", "db₃ = δ₃ᵀ 𝟏"} <= set(text)
    assert {"dW₁ = δ₁ᵀ x", "dW₂ = δ₂ᵀ a₁", "dW₃ = δ₃ᵀ a₂"} <= set(text)
    check(program, given(program, 2))
