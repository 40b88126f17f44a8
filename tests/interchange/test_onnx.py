"""The ONNX printer: what onnxruntime computes from the graph is what the equations mean, in both dtypes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nablac.cli import main
from nablac.errors import CompileError, Place
from nablac.frontend.build import Builder
from nablac.frontend.definition import Request
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.spec import model_of_spec
from nablac.interchange.onnx_file import BATCHES, OPSET, checked, onnx_model, run_onnx, to_onnx
from nablac.interchange.parameters import write_parameters
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.functions import ELEMENTARY, Random
from nablac.ir.interpret import interpret
from nablac.ir.mode import in_evaluation
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Kind, Role
from nablac.network import compile as compile_network
from nablac.pipeline import forward_program
from tests.frontend.library_cases import LOSS_CASES, METRIC_CASES, NODE_CASES, Array, Case
from tests.random_programs import random_program

pytestmark = pytest.mark.extras
ROOT = Path(__file__).resolve().parents[2]
RANDOM = np.random.default_rng(3)
TOLERANCE = {"float64": 2e-14, "float32": 1e-5}


def written(declared: Mapping[str, str], text: list[str], dtype: str = "float64") -> Program:
    """A program of inputs (parameters, where the name is a capital) and equations."""
    tensors = {n: parse_declaration(n, d, Role.PARAM if n.isupper() else Role.INPUT) for n, d in declared.items()}
    parsed = parse_equations(text, tensors)
    results = (parsed.equations[-1].target,)
    return Program("test", (*tensors.values(), *parsed.tensors), parsed.equations, results, dtype)


def ran(program: Program, values: Mapping[str, Array]) -> dict[str, Array]:
    """What onnxruntime makes of a program after the passes."""
    after = forward_program(program, program.results)[-1].program
    numbers = {e.target: place for place, e in enumerate(after.equations, 1)}
    proto = onnx_model(after, program.results, values, lambda e: numbers[e.target])
    found = run_onnx(checked(proto).SerializeToString(), values)
    assert found is not None
    return found


def agrees(program: Program, values: Mapping[str, Array], results: tuple[str, ...] = ()) -> None:
    """Every result in both dtypes."""
    for dtype, tolerance in TOLERANCE.items():
        narrow = {n: v.astype(dtype) if v.dtype.kind == "f" else v.astype(np.int64) for n, v in values.items()}
        one = in_evaluation(replace(program, dtype=dtype, results=results or program.results))
        meant, found = interpret(one, narrow), ran(one, narrow)
        for name in one.results:
            kind = np.int64 if one.declared[name].kind is Kind.INT else np.dtype(dtype)
            assert found[name].dtype == kind and found[name].shape == meant[name].shape
            scale = max(1e-3, np.max(np.abs(meant[name]), initial=0))
            np.testing.assert_allclose(found[name], meant[name], rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("case", [*NODE_CASES, *LOSS_CASES, *METRIC_CASES], ids=str)
def test_the_library(case: Case) -> None:
    """Every row, its first axis open; what it learns is drawn at random."""
    builder = Builder("test", "float64", Place("test"))
    values = {}
    for formal, (declaration, value) in case.inputs.items():
        first = f"[{value.shape[0]}"
        builder.declare(parse_declaration(formal, declaration.replace(first, "[n"), Role.INPUT))
        values[formal] = value
    node = builder.apply({**NODES, **MEASURES}[case.name], [*case.inputs], Request(case.options, {}, "node"))
    for tensor in builder.tensors.values():
        if tensor.role is Role.PARAM:
            values[tensor.name] = RANDOM.normal(size=[int(e) for e in tensor.shape])
    program = Program("test", tuple(builder.tensors.values()), tuple(builder.equations), (node,), "float64")
    agrees(program, values)


RANGES = {
    "log": (1e-300, 1e300), "sqrt": (0, 1e300), "asin": (-1, 1), "acos": (-1, 1), "acosh": (1, 1e300),
    "atanh": (-1 + 1e-9, 1 - 1e-9), "log1p": (-1 + 1e-9, 1e300), "log1mexp": (1e-300, 700), "exp": (-700, 700),
    "sinh": (-700, 700), "cosh": (-700, 700), "expm1": (-700, 700), "exprel": (-700, 700), "sin": (-3, 3),
    "cos": (-3, 3), "tan": (-3, 3),
}  # fmt: skip
NARROW = {"exp", "sinh", "cosh", "expm1", "exprel"}
POINTS = np.array([0, *(s * m * 10.0**e for e in range(-30, 4) for m in (1, 1.7, 3, 6.3) for s in (1, -1))])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_functions_over_their_range(name: str, dtype: str) -> None:
    low, high = RANGES.get(name, (-1e300, 1e300))
    x = POINTS if dtype == "float64" else POINTS[np.abs(POINTS) < 80 if name in NARROW else np.abs(POINTS) < 1e4]
    x = x[(low <= x) & (x <= high)].astype(dtype)
    program = written({"x": "real[n]"}, [f"y[i] = {name}(x[i])"], dtype)
    found, meant = ran(program, {"x": x})["y"], interpret(program, {"x": x})["y"]
    epsilon = np.finfo(dtype).eps
    least = 1 if (name, dtype) == ("sigmoid", "float32") else np.finfo(dtype).tiny * 100
    error = np.abs(found - meant) / np.maximum(np.abs(meant), least)
    assert np.max(error) <= 64 * epsilon, (x[np.argmax(error)], found[np.argmax(error)], meant[np.argmax(error)])


LABELS = np.array([2, 0, 1, 3, 3, 0])
X = RANDOM.normal(size=(6, 5))
PROGRAMS: dict[str, tuple[dict[str, str], list[str]]] = {
    "gather": ({"y": "label[n, 4]", "T": "real[4, 3]"}, ["o[i, j] = T[y[i], j]"]),
    "gather by two indices": ({"x": "real[n, 5]", "y": "label[n, 4]"}, ["o[i] = x[i, y[i]] + x[i, y[i] + 1]"]),
    "diagonal": ({"A": "real[4, 4]"}, ["o[i] = A[i, i]"]),
    "windows": (
        {"x": "real[n, 5]", "K": "real[3, 2]"},
        ["o[i, c, p] = sum[u](K[c, u]*x[i, 2*p + u])"],
    ),
    "mirrored": ({"x": "real[n, 5]"}, ["o[i, k] = x[i, 4 - k] for k in 5"]),
    "the last": ({"x": "real[n, 5]"}, ["o = x[n - 1, 4]"]),
    "guarded": ({"x": "real[n, 5]"}, ["o[i, k] = where(k >= 1, x[i, k - 1], 0) for k in 5"]),
    "transposed": ({"x": "real[n, 5]"}, ["o[k, i] = x[i, k]"]),
    "an output that is an input": ({"x": "real[n, 5]"}, ["o[i, k] = x[i, k]"]),
    "a constant": ({"x": "real[n, 5]"}, ["o[i, k] = 3 + 0*x[i, k]"]),
    "indices as numbers": ({"x": "real[n, 5]"}, ["o[i, k] = x[i, k]*i - k/n"]),
    "over an index that is not read": ({"x": "real[n, 5]"}, ["o[i] = sum[j](x[i, 0]*j) for j in 3"]),
    "conditions": (
        {"x": "real[n, 5]"},
        ["o[i, k] = where(x[i, k] > 0 and not k == 2 or x[i, 0] != x[i, k], x[i, k], -1)"],
    ),
    "argmax": ({"x": "real[n, 5]"}, ["o[i] = argmax[k](x[i, k])"]),
    "gather by an argmax": ({"x": "real[n, 5]"}, ["a[i] = argmin[k](x[i, k])", "o[i] = x[i, a[i]]"]),
    "products and extrema": (
        {"x": "real[n, 5]"},
        ["p[i] = prod[k](x[i, k])", "m[k] = min[i](x[i, k])", "o[i] = p[i] + max[k](m[k]*x[i, k])"],
    ),
    "vectors": ({"x": "real[n, 5]", "W": "real[5]"}, ["o[i] = sum[k](W[k]*x[i, k])"]),
    "a scalar product": ({"x": "real[n, 5]"}, ["o = sum[i, k](x[i, k]*x[i, k])/n"]),
    "gram": ({"x": "real[n, 5]"}, ["o[j, k] = mean[i](x[i, j]*x[i, k])"]),
    "attention": (
        {"x": "real[n, 5]", "Q": "real[5, 5]"},
        [
            "s[i, j] = sum[a, b](x[i, a]*Q[a, b]*x[j, b])",
            "w[i, j] = exp(s[i, j])/sum[k](exp(s[i, k]))",
            "o[i, b] = sum[j](w[i, j]*x[j, b])",
        ],
    ),
    "powers": ({"x": "real[n, 5]"}, ["o[i, k] = (1 + x[i, k]**2)**(3/2)/x[i, k]**3 + abs(x[i, k])**0.3"]),
    "a scalar": ({"x": "real[n, 5]", "A": "real"}, ["o[i, k] = A*x[i, k]/2 - A/3"]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_language(name: str) -> None:
    declared, text = PROGRAMS[name]
    program = written(declared, text)
    values: dict[str, Array] = {}
    for tensor in program.having(Role.INPUT) + program.having(Role.PARAM):
        shape = [6 if not e.is_Integer else int(e) for e in tensor.shape]
        values[tensor.name] = LABELS if tensor.kind is Kind.INT else RANDOM.normal(size=shape)
    agrees(program, values, tuple(e.target for e in program.equations))


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed: int) -> None:
    """They agree; those that draw random numbers even in use are refused."""
    program, values = random_program(seed)
    try:
        agrees(program, {name: np.asarray(value) for name, value in values.items()}, ("loss",))
    except CompileError as error:
        assert any(e.body.has(Random) for e in in_evaluation(program).equations)
        assert "cannot be said in ONNX\n  found:    uniform(" in str(error)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_network(dtype: str) -> None:
    """The file says what it is: names, an open batch, the equations; and a dense layer is one product."""
    import onnx

    net = compile_network(ROOT / "examples" / "digits.yaml", dtype=dtype)
    point = {t.name: RANDOM.normal(size=[int(e) for e in t.shape]).astype(dtype)
             for t in net.compiled.model.program.having(Role.PARAM)}  # fmt: skip
    exported = to_onnx(net.compiled, point)
    assert exported.difference is not None and exported.difference < 10 * TOLERANCE[dtype]
    assert to_onnx(net.compiled, point).data == exported.data
    proto = onnx.load_from_string(exported.data)
    assert [n.op_type for n in proto.graph.node] == ["Gemm", "Add", "Relu", "Gemm", "Add"]
    assert proto.graph.node[2].doc_string == "(2) relu_1[i, j] = relu(linear_1.sum[i, j] + linear_1.b[j])"
    assert [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == ["n", 64]
    assert {i.name for i in proto.graph.initializer} == set(point)
    assert proto.opset_import[0].version == OPSET and len(BATCHES) > 1


HEAD = 'model: m\ninputs: {x: "real[n, 3]", y: "label[n, 4]"}\n'
SPECS = {
    "in use, not in training": (
        HEAD + "network: [{linear: 6}, batch_norm, {dropout: 0.4}, relu, {linear: 4}]\nloss: cross_entropy\n"
    ),
    "standardised": HEAD + "network: [standardise, {linear: 4}]\nloss: cross_entropy\n",
    "several outputs": (
        HEAD + "network: [{linear: 4}]\n"
        "equations: ['best[i] = argmax[c](linear_1[i, c])', 'same[i, c] = linear_1[i, c]']\n"
        "outputs: [best, linear_1, same]\nloss: {cross_entropy: [linear_1, y]}\n"
    ),
    "a label as input": (
        "model: m\ninputs: {word: 'label[n, 7]', y: 'real[n]'}\nparams: {table: 'real[7]'}\n"
        "equations: ['p[i] = table[word[i]]']\nloss: {mse: [p, y]}\n"
    ),
    "two named extents": (
        "model: m\ninputs: {a: 'real[n, 3]', b: 'real[m, 3]', y: 'real[n, m]'}\nparams: {W: 'real[3, 3]'}\n"
        "equations: ['p[i, j] = sum[k, l](a[i, k]*W[k, l]*b[j, l])/m']\nloss: {mse: [p, y]}\n"
    ),
    "no inputs": "model: m\nparams: {x: 'real ~ constant(-2)'}\nequations: ['f = tanh(x)**2']\nloss: f\n",
    "the loss": "model: m\ninputs: {x: 'real[n]'}\nparams: {a: real}\nloss: mean[i]((x[i] - a)**2)\n",
    "beyond the range of float32": (
        "model: m\ninputs: {x: 'real[n]', y: 'real[n]'}\nparams: {a: real}\n"
        "equations: ['p[i] = exp(100*a*x[i])']\nloss: {mse: [p, y]}\n"
    ),
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", SPECS)
def test_models(name: str, dtype: str) -> None:
    """What the command compares before it writes."""
    net = compile_network(model_of_spec(SPECS[name]), dtype=dtype)
    random = np.random.default_rng(1)
    point = {t.name: np.abs(random.normal(size=[int(e) for e in t.shape])).astype(dtype) + 0.5
             for t in net.compiled.model.program.having(Role.PARAM)}  # fmt: skip
    exported = to_onnx(net.compiled, point)
    assert exported.difference is not None and exported.difference < 10 * TOLERANCE[dtype]


def test_a_random_number_is_refused_with_its_equation(tmp_path: Path) -> None:
    text = HEAD + "network: [{linear: 4}]\nequations:\n  - noisy[i, j] = linear_1[i, j] + uniform(i, j)\n"
    path = tmp_path / "noisy.yaml"
    path.write_text(text + "outputs: noisy\nloss: {cross_entropy: [noisy, y]}\n")
    net = compile_network(path)
    point = {t.name: np.zeros([int(e) for e in t.shape]) for t in net.compiled.model.program.having(Role.PARAM)}
    with pytest.raises(CompileError) as caught:
        to_onnx(net.compiled, point)
    lines = str(caught.value).splitlines()
    assert re.fullmatch(r"CompileError: equation \(\d+\) cannot be said in ONNX", lines[0])
    assert "uniform(" in lines[1] and lines[2] == f"  where:    {path}:5:19"


def test_what_one_file_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = compile_network(model_of_spec(SPECS["no inputs"]))
    monkeypatch.setattr("nablac.interchange.onnx_file.LARGEST", 3)
    with pytest.raises(CompileError, match="the model is too large for one ONNX file"):
        to_onnx(net.compiled, {"x": np.zeros(())})


def test_without_onnxruntime_nothing_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, params = tmp_path / "m.yaml", tmp_path / "m.npz"
    spec.write_text(HEAD + "network: [{linear: 4}]\nloss: cross_entropy\n")
    write_parameters(params, {"linear_1.W": np.zeros((4, 3), np.float32), "linear_1.b": np.zeros(4, np.float32)})
    for package, said in (("onnxruntime", "not compared, as onnxruntime is not installed"), ("none", "agrees to 0.0")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            command = ["export", str(spec), "--params", str(params), "--to", str(tmp_path / f"{package}.onnx")]
            result = CliRunner().invoke(main, command)
        assert result.exit_code == 0 and said in result.output


def test_what_computes_something_else_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from nablac.interchange import onnx_functions
    from nablac.ir import functions

    net = compile_network(ROOT / "examples" / "digits.yaml")
    point = {t.name: RANDOM.normal(size=[int(e) for e in t.shape]).astype(np.float32)
             for t in net.compiled.model.program.having(Role.PARAM)}  # fmt: skip
    monkeypatch.setitem(onnx_functions.OPERATORS, functions.relu, "Abs")
    with pytest.raises(CompileError, match="onnxruntime computes something else than the equations"):
        to_onnx(net.compiled, point)
