"""What each rule finds, as text; and that what the remedies propose is sound."""

from __future__ import annotations

from time import perf_counter

import pytest

from nablac.frontend.load import load_model
from nablac.frontend.spec import model_of_spec
from nablac.lint.rules import lint
from nablac.pipeline import compile_model
from tests.lint.models import CLASSES, REGRESSION, SEQUENCE, SOUND, YES_NO, findings
from tests.lint.test_sound import EXAMPLES

LINEAR = REGRESSION + 'params: {w: "real[6]", b: real}\nequations:\n  - p[i] = sum[k](w[k]*x[i,k])\n'


def told(body: str) -> list[str]:
    """The findings without places and remedies."""
    return [f"{f.subject} [{f.rule}]" for f in findings(body)]


def of(formula: str) -> str:
    """A regression whose prediction is a formula of p[i]."""
    only = LINEAR.replace(", b: real", "")
    return only + f"  - q[i] = {formula}\n  - loss = mean[i]((q[i] - y[i])**2)\n"


# --- unused -----------------------------------------------------------------------------------------------------------


def test_a_parameter_that_only_an_output_reads() -> None:
    body = LINEAR + "  - q[i] = p[i] + b\n  - loss = mean[i]((p[i] - y[i])**2)\noutputs: q\n"
    assert told(body) == [
        "parameter 'b' does not reach the loss: only outputs or metrics read it, so it is never learned [unused]"
    ]


def test_a_layer_beside_the_path_to_the_loss() -> None:
    body = CLASSES + "network:\n  - linear: 4\n  - linear: {units: 2, from: x}\nloss: {cross_entropy: [linear_1, y]}\n"
    assert [f.subject for f in findings(body + "outputs: linear_1\n")] == [
        "parameter 'linear_2.W' does not reach the loss, so it is never learned",
        "parameter 'linear_2.b' does not reach the loss, so it is never learned",
        "nothing needs 'linear_2'",
    ]


def test_an_input_and_an_equation_that_nothing_needs() -> None:
    body = LINEAR.replace('y: "real[n]"', 'y: "real[n]", u: "real[n]"').replace(", b: real", "")
    body += "  - q[i] = p[i] + u[i]\n  - r[i] = q[i]**2\n  - loss = mean[i]((p[i] - y[i])**2)\noutputs: p\n"
    assert told(body) == [
        "input 'u' reaches neither the loss nor an output or metric [unused]",
        "nothing needs 'r' [unused]",
    ]


# --- zero gradients ---------------------------------------------------------------------------------------------------


def test_what_stops_a_gradient_is_told_as_it_was_written() -> None:
    body = LINEAR.replace("sum[k](w[k]*x[i,k])", "floor(sum[k](w[k]*x[i,k])) + b")
    assert told(body + "  - loss = mean[i]((p[i] - y[i])**2)\n") == [
        "the gradient of 'w' is zero everywhere, though the loss reads it; 'p' has no slope in 'w': "
        "p[i] = floor(sum[k](w[k]*x[i, k])) + b [zero-gradient]"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            LINEAR + "  - q[i] = p[i]*floor(b)\n  - loss = mean[i]((q[i] - y[i])**2)\n",
            ["'b' is zero everywhere, though the loss reads it; 'q' has no slope in 'b': q[i] = p[i]*floor(b)"],
        ),
        (
            LINEAR + "  - q[i] = where(p[i] > b, p[i], 0)\n  - loss = mean[i]((q[i] - y[i])**2)\n",
            [
                "'b' is zero everywhere, though the loss reads it; 'q' has no slope in 'b': "
                "q[i] = where(p[i] > b, p[i], 0)"
            ],
        ),
        (
            of("sign(p[i])"),
            ["'w' is zero everywhere, though the loss reads it; 'q' has no slope in 'p': q[i] = sign(p[i])"],
        ),
        (
            CLASSES
            + 'params: {E: "real[4, 3]"}\nnetwork: [linear: {units: 4, bias: false, name: z}]\nequations:\n'
            + "  - a[i] = argmax[c](z[i,c])\n  - loss = mean[i](sum[k](E[a[i],k] - E[y[i],k])**2)\n",
            ["'z.W' is zero everywhere, though the loss reads it; 'a' has no slope in 'z': a[i] = argmax[c](z[i, c])"],
        ),
        (
            LINEAR + "  - u[i] = p[i] + 2*b\n  - v[i] = p[i] - 2*b\n  - loss = mean[i]((u[i] + v[i] - y[i])**2)\n",
            [],
        ),
    ],
)  # fmt: skip
def test_zero_gradients(body: str, expected: list[str]) -> None:
    found = [f.subject.removeprefix("the gradient of ") for f in findings(body) if f.rule == "zero-gradient"]
    assert found == expected


def test_a_gradient_that_comes_another_way_is_none() -> None:
    assert not findings(of("p[i] + floor(p[i])"))


# --- domains ----------------------------------------------------------------------------------------------------------

ANY = "and it may be any number"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("1/p[i]", f"1/p[i] in 'q' asks for p[i] other than 0, {ANY}"),
        ("log(p[i])", f"log(p[i]) in 'q' asks for p[i] above 0, {ANY}"),
        ("p[i]**0.5", f"sqrt(p[i]) in 'q' asks for p[i] above 0, {ANY}"),
        ("sqrt(abs(p[i]))", "sqrt(abs(p[i])) in 'q' asks for abs(p[i]) above 0, and it lies in [0, inf); "
         "at the end the derivative is infinite"),
        ("p[i] + sqrt(x[i,0])", f"sqrt(x[i, 0]) in 'q' asks for x[i, 0] not below 0, {ANY}"),
        ("x[i,0]**p[i]", f"x[i, 0]**p[i] in 'q' asks for x[i, 0] above 0, {ANY}"),
        ("p[i]**(-1.5)", f"1/p[i]**(3/2) in 'q' asks for p[i] above 0, {ANY}"),
        ("p[i]**1.5", f"p[i]**(3/2) in 'q' asks for p[i] not below 0, {ANY}"),
        ("p[i]/(abs(p[i]) - 1)", "1/(abs(p[i]) - 1) in 'q' asks for abs(p[i]) - 1 other than 0, "
         "and it lies in [-1, inf)"),
        ("asin(p[i])", f"asin(p[i]) in 'q' asks for p[i] inside -1 and 1, {ANY}"),
        ("where(p[i] >= 0, log(p[i]), 0)", "log(p[i]) in 'q' asks for p[i] above 0, and it lies in [0, inf)"),
        ("p[i]/(n - 1)", "1/(n - 1) in 'q' asks for n - 1 other than 0, and it lies in [0, inf)"),
        ("log(sum[k](w[k]*x[i,k]))", None),
    ],
)  # fmt: skip
def test_domains(formula: str, expected: str | None) -> None:
    whole = "log(sum[k](w[k]*x[i, k])) in 'q' asks for sum[k](w[k]*x[i, k]) above 0, and it may be any number"
    assert [f.subject for f in findings(of(formula)) if f.rule == "domain"] == [expected or whole]


@pytest.mark.parametrize(
    "formula",
    [
        "log(exp(p[i]) + 1)*log(p[i]**2 + 1)", "sqrt(p[i]**2 + 1e-12)", "p[i]/sqrt(sum[k](x[i,k]**2) + 1)",
        "where(p[i] > 0, log(p[i])/p[i], 0)", "where(abs(p[i]) > 1e-3, 1/p[i], 0)", "where(p[i] == 0, 1, 1/p[i])",
        "where(p[i] <= 2, 0, sqrt(p[i] - 2))", "where(p[i]**2 < 1, asin(p[i]), 0)", "log(max(p[i], 1e-12))",
        "where(p[i] > y[i], log(p[i] - y[i]), 0)", "where(not (p[i] <= 0 or y[i] > 1), log(p[i]), 0)",
        "p[i]**3 + p[i]**0", "p[i]/(n + 1) + 1/sum[k](exp(x[i,k]))", "log(1 - tanh(p[i]))", "2**p[i]",
        "exp(p[i])**p[i]", "log(softplus(p[i])) + 1/(2 + sin(p[i])) + 1/(3*sigmoid(p[i]))",
        "p[i] + sum[k](x[i,k]**k*k/(k + 1))",
    ],
)  # fmt: skip
def test_domains_that_are_shown(formula: str) -> None:
    assert not [f for f in findings(of(formula)) if f.rule == "domain"]


@pytest.mark.parametrize("function", ["log({})", "sqrt({})", "{}**y[i]", "asin({})", "acosh({})", "log1p({})"])
def test_the_remedies_are_sound(function: str) -> None:
    (finding,) = (f for f in findings(of(function.format("p[i]"))) if f.rule == "domain")
    proposed = next(part for part in finding.remedy.replace("above 0: ", "").split(" inside: ")[-1].split(", or")[0:1])
    proposed = proposed.removeprefix("keep it ").removeprefix("keep the base ").removeprefix("sqrt(")
    proposed = proposed if proposed.count("(") == proposed.count(")") else proposed[:-1]
    assert not [f for f in findings(of(function.format(f"({proposed})"))) if f.rule == "domain"]


def test_metrics_are_looked_at_for_their_values_alone() -> None:
    body = of("p[i]") + 'metrics: [{off: "mean[i](abs(p[i]/y[i] - 1))"}, {root: "sqrt(mean[i](p[i]**2))"}]\n'
    assert told(body) == [f"1/y[i] in 'off' asks for y[i] other than 0, {ANY} [domain]"]


# --- saturation -------------------------------------------------------------------------------------------------------

STAYS = "and the loss's slope in it stays bounded: where it is far off, the gradient vanishes"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (YES_NO + "network: [linear: 1, tanh]\nloss: mse\n", "'tanh_1' saturates in tanh(linear_1[i, j])"),
        (
            YES_NO + "network: [linear: 1, sigmoid]\nloss: binary_cross_entropy_logits\n",
            "'sigmoid_1' saturates in sigmoid(linear_1[i, j])",
        ),
        (
            CLASSES + "network: [linear: 4, softmax]\nloss: cross_entropy\n",
            "'softmax_1' saturates in exp(linear_1[i, k])/sum[j](exp(linear_1[i, j]))",
        ),
        (
            CLASSES + "network: [linear: 4, softmax: {name: p}]\n"
            "loss: mean[i](sum[c]((p[i,c] - where(c == y[i], 1, 0))**2))\n",
            "'p' saturates in exp(linear_1[i, k])/sum[j](exp(linear_1[i, j]))",
        ),
        (of("3 + 2/(1 + exp(-p[i]))"), "'q' saturates in sigmoid(p[i])"),
        (of("(exp(p[i]) - exp(-p[i]))/(exp(p[i]) + exp(-p[i]))"), "'q' saturates in tanh(p[i])"),
    ],
)
def test_saturation(body: str, expected: str) -> None:
    assert told(body) == [f"{expected}, {STAYS} [saturation]"]


def test_the_remedy_of_saturation_names_what_goes_in() -> None:
    (finding,) = findings(CLASSES + "network: [linear: 4, softmax]\nloss: cross_entropy\n")
    assert finding.remedy.startswith("let the loss read 'linear_1', before it saturates")
    (other,) = findings(of("tanh(b*p[i] + b**2)").replace('w: "real[6]"', 'w: "real[6]", b: real'))
    assert other.remedy.startswith("let the loss read the formula inside, before it saturates")
    assert str(finding.where) == "small.yaml:3:22"


@pytest.mark.parametrize("formula", ["tanh(p[i])*p[i]", "p[i] + tanh(p[i])", "w[0]*tanh(p[i])", "sin(p[i])"])
def test_what_meets_something_learned_is_no_prediction(formula: str) -> None:
    assert not findings(of(formula))


# --- what a normalisation cancels -------------------------------------------------------------------------------------

NORMALISED = """
params: {v: "real[8]"}
network: [linear: {units: 8, name: h}]
equations:
  - m[j] = mean[i](h[i,j])
  - s[j] = SPREAD
  - u[i,j] = tanh((h[i,j] - m[j])/sqrt(max(s[j], 0) + 1e-5))
  - loss = mean[i]((sum[j](v[j]*u[i,j]) - y[i])**2)
"""
NO_EFFECT = "takes out again what it adds [cancelled]"


@pytest.mark.parametrize("spread", ["mean[i]((h[i,j] - m[j])**2)", "mean[i](h[i,j]**2) - m[j]**2"])
def test_a_bias_before_batch_normalisation(spread: str) -> None:
    body = REGRESSION + NORMALISED.replace("SPREAD", spread)
    assert told(body) == [f"'h.b' has no effect: 'u' {NO_EFFECT}"]
    assert not findings(body.replace("name: h", "name: h, bias: false"))


def test_one_number_added_to_all_logits() -> None:
    body = CLASSES + "params: {b: real}\nnetwork: [linear: {units: 4, name: h}]\nequations:\n"
    body += "  - z[i,c] = h[i,c] + b\nloss: {cross_entropy: [z, y]}\n"
    assert told(body) == [f"'b' has no effect: 'loss' {NO_EFFECT}"]
    assert not findings(body.replace("b: real", 'b: "real[4]"').replace("+ b", "+ b[c]"))


def test_the_bias_of_the_keys() -> None:
    body = SOUND["attention"].replace('bq: "real[8]"', 'bq: "real[8]", bk: "real[8]"')
    body = body.replace("sum[d](K[e,d]*x[i,t,d])", "sum[d](K[e,d]*x[i,t,d]) + bk[e]")
    assert body.startswith(SEQUENCE)
    assert told(body) == [f"'bk' has no effect: 'a' {NO_EFFECT}"]


def test_a_bias_that_a_mean_takes_out() -> None:
    body = LINEAR.replace("sum[k](w[k]*x[i,k])", "sum[k](w[k]*x[i,k]) + b")
    body += "  - c[i] = p[i] - mean[j](p[j])\n  - loss = mean[i]((c[i] - y[i])**2)\n"
    assert told(body) == [f"'b' has no effect: 'c' {NO_EFFECT}"]
    assert not findings(body.replace("mean[j](p[j])", "mean[j](p[j])/2"))


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "value", "sides"),
    [
        ("relu(p[i]) - relu(-p[i])", "0", "1"),
        ("max(p[i], 0) - max(-p[i], 0)", "0", "1"),
        ("relu(p[i]) - 0.1*relu(-p[i])", "0", "between 0.1 and 1"),
        ("where(p[i] > 0, p[i], where(p[i] < 0, 2*p[i], 0))", "0", "between 1 and 2"),
        ("where(p[i] == 0, 0, p[i])", "0", "1"),
        ("abs(p[i]) + 3*relu(p[i]) - 2*relu(-p[i])", "0", "between 1 and 4"),
    ],
)
def test_kinks(formula: str, value: str, sides: str) -> None:
    assert told(of(formula)) == [
        f"'q' has a kink at p[i] = 0, where the declared derivatives give d/dp[i] = {value} and any subgradient is "
        f"{sides} [kink]"
    ]


def test_a_kink_spread_over_equations() -> None:
    body = LINEAR.replace(", b: real", "") + "  - u[i] = relu(p[i] - 1)\n  - v[i] = relu(1 - p[i])\n"
    body += "  - q[i] = u[i] - v[i]\n  - loss = mean[i]((q[i] - y[i])**2)\n"
    assert [f"{f.where} {f.subject[:30]}" for f in findings(body)] == ["small.yaml:8:12 'q' has a kink at p[i] - 1 = 0"]


@pytest.mark.parametrize(
    "formula",
    [
        "abs(p[i]) + p[i]", "max(p[i], -p[i])", "relu(p[i]) + relu(-p[i])", "where(p[i] > 0, p[i], -p[i])",
        "clamp(p[i], 0, 1)", "relu(p[i])*relu(-p[i])", "where(p[i] == 0, 1, sin(p[i])/p[i])", "p[i]*sign(p[i])",
        "floor(p[i]) + p[i]", "relu(x[i,0] - 1) - relu(1 - x[i,0]) + p[i]", "relu(p[i]) - relu(-p[i] + 1)",
    ],
)  # fmt: skip
def test_kinks_whose_derivatives_are_subgradients(formula: str) -> None:
    assert not [f for f in findings(of(formula)) if f.rule == "kink"]


# --- association ------------------------------------------------------------------------------------------------------

PRODUCT = """
inputs: {y: "real[64]"}
params: {A: "real[64, 64]", B: "real[64, 64]", v: "real[64]"}
equations:
  - M[o,k] = sum[r](A[o,r]*B[r,k])
  - h[o] = sum[k](M[o,k]*v[k])
  - loss = mean[o]((h[o] - y[o])**2)
"""


def test_a_product_of_matrices_for_a_vector() -> None:
    (finding,) = findings(PRODUCT)
    assert str(finding) == (
        "warning: 'M' and 'h' take 532,480 operations, and another order of the same product takes 16,384 "
        "[association]\n"
        "  where:    small.yaml:6:14\n"
        "  remedy:   write the product in one equation, and its order is found: "
        "h[o] = sum[k, r](v[k]*A[o, r]*B[r, k])"
    )
    in_one = PRODUCT.replace("  - M[o,k] = sum[r](A[o,r]*B[r,k])\n", "").replace(
        "sum[k](M[o,k]*v[k])", "sum[k,r](v[k]*A[o,r]*B[r,k])"
    )
    assert not findings(in_one)


def test_an_intermediate_that_is_needed_for_itself() -> None:
    assert not findings(PRODUCT.replace("(h[o] - y[o])**2)", "(h[o] - y[o])**2) + mean[o,k](M[o,k]**4)"))
    assert not findings(PRODUCT + "outputs: M\n")


def test_scores_without_a_softmax() -> None:
    body = SOUND["attention"].replace("exp(s[i,t,r])/sum[r2](exp(s[i,t,r2]))", "s[i,t,r]").replace("7", "512")
    (finding,) = findings(body)
    assert finding.subject == (
        "'s' and 'h' take 268,435,456 operations, and another order of the same product takes 4,194,304 (n = 32)"
    )


def test_two_linear_layers_without_anything_between() -> None:
    body = REGRESSION + "network: [linear: {units: 512, bias: false}, linear: {units: 1, bias: false, name: p}]\n"
    (finding,) = findings(body + "loss: mean[i]((p[i,0] - y[i])**2)\n")
    assert finding.subject.startswith(
        "'linear_1' and 'p' take 65,536 operations, and another order of the same product"
    )


# --- all together -----------------------------------------------------------------------------------------------------


def test_speed() -> None:
    compiled = compile_model(load_model(EXAMPLES / "mnist_mlp.yaml"))
    begun = perf_counter()
    assert not lint(compiled)
    assert perf_counter() - begun < 0.3


def test_the_order_is_the_same_every_time() -> None:
    body = "model: small\n" + of("log(p[i])/p[i] + relu(p[i] - 1) - relu(1 - p[i]) + sqrt(abs(p[i]))")
    first, second = (lint(compile_model(model_of_spec(body, "small.yaml"))) for _ in range(2))
    assert first == second
    assert [f.rule for f in first] == ["domain", "domain", "domain", "kink"]


def test_frozen_parameters_need_not_reach_the_loss() -> None:
    spec = """
model: net
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
params: {shift: "real[3] ~ normal(0, 1)"}
network: [batch_norm, {linear: 3}]
equations: ["shifted[i, k] = linear_1[i, k] + shift[k]"]
FREEZE
loss: {cross_entropy: [linear_1, y]}
outputs: [shifted]
"""
    told = [f.subject for f in lint(compile_model(model_of_spec(spec.replace("FREEZE", ""))))]
    only = "only outputs or metrics read it, so it is never learned"
    assert told == [f"parameter 'shift' does not reach the loss: {only}"]
    assert lint(compile_model(model_of_spec(spec.replace("FREEZE", "freeze: shift")))) == ()
