"""Symbols: short, as in a textbook, and no two alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from nablac.frontend.load import load_model
from nablac.network import compile as compile_network
from nablac.pipeline import Compiled, compile_model
from nablac.report.formulas.formula import index_form
from nablac.report.formulas.latex import latex
from nablac.report.formulas.mathml import mathml
from nablac.report.formulas.notation import Notation
from nablac.report.formulas.plain import plain
from tests.endtoend.specs import SPECS
from tests.programs import KNOWN
from tests.report.sources import EXAMPLES, RANDOM, drawn, example, known, notation_of


def compiled(text: str, folder: Path) -> Compiled:
    path = folder / "spec.yaml"
    path.write_text("model: told\n" + text)
    return compile_model(load_model(path))


def assert_no_two_alike(notation: Notation) -> None:
    """In every format; nor is a symbol that of an index, or the name of another tensor."""
    for spell in (plain, latex, mathml):
        spelled = [spell(symbol.symbol) for symbol in notation.symbols.values()]
        assert len(set(spelled)) == len(spelled)
    names = set(notation.symbols)
    assert not [n for n, s in notation.symbols.items() if plain(s) in names - {n}]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples(path: Path) -> None:
    assert_no_two_alike(notation_of(example(path)))


@pytest.mark.parametrize("name", SPECS)
def test_specs(name: str, tmp_path: Path) -> None:
    assert_no_two_alike(notation_of(compiled(SPECS[name], tmp_path)))


@pytest.mark.parametrize("source", [*KNOWN, *RANDOM])
def test_programs(source: str | int) -> None:
    _, _, result, gradients = known(source) if isinstance(source, str) else drawn(source)
    notation = Notation.of(result, gradients)
    assert_no_two_alike(notation)
    indices = {i.name for e in result.equations for i, _ in e.extents}
    assert not indices & {plain(s) for s in notation.symbols.values()}


MLP = """
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network: [{linear: 5}, tanh, {linear: {units: 3NAME}}]
loss: cross_entropy
optimizer: {sgd: 0.1}
"""


def symbols(text: str, folder: Path) -> dict[str, str]:
    return {n: plain(s) for n, s in notation_of(compiled(text, folder)).symbols.items()}


@pytest.mark.parametrize(("name", "output"), [("", "linear_2"), (", name: scores", "scores")])
def test_local_gradients_are_found_by_structure(name: str, output: str, tmp_path: Path) -> None:
    """The adjoint of each sum with a bias is delta with its layer's number, whatever the layer is called."""
    found = symbols(MLP.replace("NAME", name), tmp_path)
    assert found["d_linear_1"] == "δ₁"
    assert found[f"d_{output}"] == ("δ₂" if output == "linear_2" else "δ")
    assert found["linear_1.W"] == "W₁"
    assert found["d_linear_1.W"] == "dW₁"
    assert found["d_tanh_1"] == "d_tanh₁"
    assert found["loss.p.sum.exp"] == "E"


def test_a_letter_that_two_layers_would_share_takes_the_layers_name(tmp_path: Path) -> None:
    text = """
inputs: {x: "real[n, 4]", y: "real[n, 2]"}
layers:
  twist_1:
    reads: {x: "real[..., k]"}
    options: {units: int}
    params: {W: "real[units, k] ~ glorot_uniform"}
    equations: ["y[..., u] = sum[i](W[u, i]*x[..., i])"]
    gives: y
network: [{twist_1: {units: 3, name: turn_1}}, tanh, {linear: 2}, {linear: {units: 2, name: p_1}}]
loss: mse
optimizer: {sgd: 0.1}
"""
    found = symbols(text, tmp_path)
    assert {n: s for n, s in found.items() if n.endswith(".W") and not n.startswith("d_")} == {
        "turn_1.W": "W^turn_1",
        "linear_1.W": "W^linear_1",
        "p_1.W": "W^p_1",
    }


def test_greek_words_and_subscripts(tmp_path: Path) -> None:
    text = """
params: {alpha: real, beta2: real, w_hidden: real, lr2x: real, Omega: real}
equations: ["f = alpha*beta2 + w_hidden**2 + lr2x*Omega"]
loss: f
optimizer: {sgd: 0.1}
"""
    found = symbols(text, tmp_path)
    assert [found[n] for n in ("alpha", "beta2", "w_hidden", "lr2x", "Omega")] == ["α", "β₂", "w_hidden", "lr2x", "Ω"]


def test_names_that_would_look_alike_stay_as_they_are(tmp_path: Path) -> None:
    text = """
params: {w1: real, w_1: real, sigma: real, e: real}
equations: ["f = sigmoid(w1*w_1) + exp(sigma*e)"]
loss: f
optimizer: {sgd: 0.1}
"""
    result = compiled(text, tmp_path)
    notation = notation_of(result)
    assert_no_two_alike(notation)
    equation = result.programs["gradient"].defined["f"]
    assert plain(index_form(equation, notation)) == "f = exp(e·σ) + sigmoid(w₁·w_1)"


def test_the_table_names_what_is_spelled_otherwise(tmp_path: Path) -> None:
    table = {name: plain(symbol) for symbol, name in notation_of(compiled(MLP.replace("NAME", ""), tmp_path)).table()}
    assert table["linear_2.b"] == "b₂"
    assert "x" not in table


TWO_SOFTMAXES = """
params: {z: "real[4] ~ normal(0, 1)", w: "real[3] ~ normal(0, 1)"}
equations:
  - a[i] = exp(z[i])/sum[k](exp(z[k]))
  - b[i] = exp(w[i])/sum[k](exp(w[k]))
  - loss = sum[i](a[i]**2) + sum[j](b[j]**2)
optimizer: {sgd: 0.1}
"""


def test_no_symbol_reads_as_an_exponential(tmp_path: Path) -> None:
    result = compiled(TWO_SOFTMAXES, tmp_path)
    notation = notation_of(result)
    assert [plain(notation.symbol(f"{x}.sum.exp")) for x in "ab"] == ["E^a", "E^b"]
    equation = result.programs["gradient"].defined["a.sum.exp"]
    assert plain(index_form(equation, notation)) == "E^a[k] = e^(z[k] - m^a)"
    assert_no_two_alike(notation)


def test_nor_does_one_that_a_layer_calls_e(tmp_path: Path) -> None:
    text = """
inputs: {x: "real[n, 4]", y: "real[n, 3]"}
layers:
  twist:
    reads: {x: "real[..., k]"}
    params: {e: "real[k] ~ constant(1)"}
    equations: ["y[..., k] = exp(e[k])*x[..., k]"]
    gives: y
network: [{twist: {name: left}}, {twist: {name: right}}, {linear: 3}]
loss: mse
optimizer: {sgd: 0.1}
"""
    found = symbols(text, tmp_path)
    assert [found["left.e"], found["right.e"]] == ["left.e", "right.e"]


@pytest.mark.parametrize(
    ("text", "used", "unused"),
    [
        (TWO_SOFTMAXES, ["⊙: elementwise product", "𝟏: a column of ones"], ["one-hot", "[c]:", "diag(s)", "rowmax"]),
        (
            MLP.replace("NAME", ""),
            ["Y: the matrix of the one-hot rows of y", "rowmax(A): of each row", "[c]: 1 where c holds, else 0"],
            ["onehot"],
        ),
        (
            'inputs: {words: "label[n, 9]", r: "real[n]"}\nparams: {Y: "real[9] ~ normal(0, 1)"}\n'
            "equations: ['loss = mean[i]((Y[words[i]] - r[i])**2)']\noptimizer: {sgd: 0.1}\n",
            ["onehot(words): the matrix of the one-hot rows of words"],
            ["Y:", "𝟏:", "diag", "f(A)"],
        ),
    ],
)
def test_the_legend_explains_what_is_used(text: str, used: list[str], unused: list[str], tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("model: told\n" + text)
    notation = compile_network(path).report().text().partition("\nnotation\n")[2]
    assert not [line for line in used if line not in notation]
    assert not [sign for sign in unused if sign in notation]
