"""interchange/onnx_file: the forward pass of a compiled model -> an ONNX file, checked before it is written.

The graph is checked by ``onnx.checker`` and, where onnxruntime is installed, run on random samples and compared with
the equations as they were written, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nablac import __version__
from nablac.errors import CompileError
from nablac.extras import extra
from nablac.frontend.model import Model
from nablac.frontend.sample import random_point
from nablac.interchange.compare import relative
from nablac.interchange.onnx_printer import print_graph
from nablac.ir.equation import Equation, Program
from nablac.ir.interpret import interpret
from nablac.ir.mode import in_evaluation
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.pipeline import Compiled

if TYPE_CHECKING:
    from onnx import ModelProto

Array = NDArray[Any]

OPSET = 18
"""The version of ONNX's operators, of December 2022: the first whose reductions all take their axes as an input."""

LIMITS = {"float32": 1e-3, "float64": 1e-9}
"""The largest difference from the equations that passes, relative to the output's largest element: rounding."""

BATCHES = (1, 3)
"""How many samples are compared at a time: the batch's axis is left open."""

LARGEST = 2**31 - 2**20
"""The size of file, in bytes, that protobuf can hold, with room for the nodes."""


@dataclass(frozen=True)
class Exported:
    """An ONNX model as bytes, and how far onnxruntime's answers are from the equations'; None if it was not asked."""

    data: bytes
    nodes: int
    difference: float | None


def to_onnx(compiled: Compiled, parameters: Mapping[str, Array]) -> Exported:
    """The outputs of a model with these parameters as an ONNX model of the inputs that they need.

    Raises ``CompileError`` for an equation without an operator, and where onnxruntime computes something else.
    """
    model = compiled.model
    proto = onnx_model(compiled.programs["predict"], model.outputs, parameters, compiled.number, model.title)
    data = checked(proto).SerializeToString(deterministic=True)
    return Exported(data, len(proto.graph.node), _difference(model, parameters, data))


def onnx_model(
    program: Program,
    outputs: Sequence[str],
    parameters: Mapping[str, Array],
    number: Callable[[Equation], int],
    title: str = "",
) -> ModelProto:
    """The outputs of a program as an ONNX model; ``number`` numbers the equations for those who read it."""
    with extra("onnx", "an ONNX file"):
        from onnx import helper, numpy_helper

    graph, given = print_graph(program, outputs, number)
    data = {t.name: parameters[t.name].astype(graph.dtype) for t in given if t.role is Role.PARAM} | graph.constants
    size = sum(array.nbytes for array in data.values())
    if size > LARGEST:
        raise CompileError("the model is too large for one ONNX file", found=f"{size:,} bytes", expected="2 GB at most")
    kinds = {Kind.INT: np.dtype(np.int64), Kind.REAL: graph.dtype}

    def value(tensor: Tensor) -> Any:
        axes = [int(n) if n.is_Integer else str(n) for n in tensor.shape]
        return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(kinds[tensor.kind]), axes)

    nodes = [
        helper.make_node(n.kind, n.inputs, [n.output], name=n.output, doc_string=n.remark or None, **n.attributes)
        for n in graph.nodes
    ]
    made = helper.make_graph(
        nodes,
        program.name,
        [value(t) for t in given if t.role is Role.INPUT],
        [value(program.declared[name]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in data.items()],
        doc_string=title,
    )
    opset = helper.make_opsetid("", OPSET)
    version = helper.find_min_ir_version_for([opset])
    return helper.make_model(
        made, opset_imports=[opset], ir_version=version, producer_name="nablac", producer_version=__version__
    )


def checked(proto: ModelProto) -> ModelProto:
    """The model, if ``onnx.checker`` has nothing against it."""
    from onnx import checker, shape_inference

    try:
        checker.check_model(proto, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise CompileError("onnx.checker refuses the graph", found=" ".join(str(error).split())[:300]) from None
    return proto


def _difference(model: Model, parameters: Mapping[str, Array], data: bytes) -> float | None:
    """The largest relative difference between onnxruntime's outputs and the equations' as they were written."""
    dtype, pairs = np.dtype(model.program.dtype), []
    for batch in BATCHES:
        point = {**random_point(model, batch, batch), **parameters}
        point = {name: v.astype(dtype) if v.dtype.kind == "f" else v for name, v in point.items()}
        found = run_onnx(data, point)
        if found is None:
            return None
        pairs.append((found, interpret(in_evaluation(model.program), point)))
    worst = max(relative([(found[name], meant[name]) for found, meant in pairs]) for name in model.outputs)
    if not worst <= LIMITS[dtype.name]:
        raise CompileError(
            "onnxruntime computes something else than the equations",
            found=f"a relative difference of {worst:.1e}",
            expected=f"at most {LIMITS[dtype.name]:g}",
        )
    return worst


def run_onnx(data: bytes, point: Mapping[str, Array]) -> dict[str, Array] | None:
    """What onnxruntime answers at a point, by name; None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        found = session.run(names, {value.name: point[value.name] for value in session.get_inputs()})
    except Exception as error:  # onnxruntime's own classes have no other ancestor
        raise CompileError("onnxruntime cannot run the graph", found=" ".join(str(error).split())[:300]) from None
    return dict(zip(names, found, strict=True))
