"""emit/lower: a Model, its programs and its native code -> the finished strings of the module's templates.

What the module says outside its kernels is decided here (tables: ``emit/tables``; the header: ``emit/header``; NumPy:
``emit/numpy_module``), so that the templates hold shape alone.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Mapping, Sequence

from nablac.emit import header, tables
from nablac.emit.code import Code, Function
from nablac.emit.numpy_module import numpy_module
from nablac.emit.view import ModelView
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.tensor import Role, Tensor
from nablac.ir.text import print_expression

RESERVED = frozenset(
    {
        "params", "state", "order", "batch_size", "steps", "lr", "step", "epochs", "seed", "validation", "out",
        "resume", "progress", "inputs",
    }
)  # fmt: skip
"""Names of arguments of the module's functions: no input may be called so."""

FIT = ("validation=None", "out=None", "resume=False", "progress=True", "**inputs")
"""What fit takes beside the options of the training."""

LOCAL = frozenset(
    {
        "grad", "work", "iwork", "losses", "rows", "row", "size", "i", "j", "k", "j1", "j2", "j3", "j4", "j5", "j6",
        "math", "range", "min",
    }
)  # fmt: skip
"""Names that the native loop over steps has of its own."""

OWN = frozenset(
    {
        "_arena", "_convert", "_draw", "_epoch", "_forward_numpy", "_info", "_number", "_prepared",
        "_private_cache", "_random", "_read", "_read_csv", "_read_idx", "_selfcheck", "_split", "_take",
        "_told", "_train", "_train_steps", "_use", "_write", "_write_csv",
    }
)  # fmt: skip
"""The templates' own private functions: a kernel of the same name gets another."""


def lower(
    model: Model, programs: Mapping[str, Program], code: Code, version: str, formulas: Sequence[str]
) -> ModelView:
    """The module's text in pieces.

    ``programs`` are those after the passes; of them ``forward`` (outputs, loss and metrics in one) and ``predict`` are
    read.  ``formulas`` are the lines of the header (``header.formulas`` makes them).
    """
    _check(model)
    inputs, parameters = model.program.having(Role.INPUT), model.program.having(Role.PARAM)
    reads = {entry: code.signatures[entry].inputs for entry in ("predict", "evaluate", "gradient")}
    reads["forward"], numpy_text = numpy_module(programs["forward"], model.outputs)
    rows = [name for name in batched_inputs(model.program) if name in reads["forward"]]
    gathered = tuple(name for name in rows if name in reads["gradient"])
    batched = (*gathered, *(name for name in rows if name not in gathered)) if gathered else ()
    size = tables.size(parameters)
    turn = "epoch" if batched else "step"
    options = training_options(model, batched)
    named = {name: f"{name}_in" if name in LOCAL else name for name in reads["gradient"]}
    dtype = model.program.dtype
    return ModelView(
        layout="batched" if batched else "whole",
        version=version,
        name=model.name,
        title=header.title(model),
        formulas=header.wrapped(formulas),
        conventions=header.conventions(programs.values()),
        spec=model.digest,
        spec_short=model.digest[:16],
        math_imports=_math_imports(code),
        numba_imports=textwrap.indent(code.numba_imports, "    ") + "\n" if code.products else "",
        dtype=dtype,
        inputs=tables.shapes(inputs, dtype),
        outputs=tables.shapes([programs["predict"].declared[name] for name in model.outputs], dtype),
        parameters=tables.shapes(parameters, dtype),
        initial=tables.initial(parameters),
        size=str(size),
        state_size=str(len(model.optimizer.state) * size + 1),
        batched=tables.literal(batched),
        reads=tables.mapping(reads),
        labels=tables.literal({t.name: int(str(t.bound)) for t in inputs if t.bound is not None}),
        metrics=tables.literal(tuple(shown for shown, _ in model.metrics)),
        training=tables.literal(options),
        target=tables.literal(model.data.target) if model.data else "None",
        preparation=tables.preparation(model),
        kernels=_kernels(code),
        numpy_functions=numpy_text,
        products=code.products,
        train_arguments=_train_arguments(list(named.values()), [named[name] for name in gathered]),
        gather=_gather([(named[name], model.program.declared[name]) for name in gathered]),
        gathered=tables.literal(gathered),
        gradient_arguments="".join(f"{named[n]}_batch[:size], " if n in gathered else f"{named[n]}, " for n in named),
        fit_arguments=_folded("fit", ["*", *(f"{name}={value!r}" for name, value in options.items()), *FIT]),
        batch="batch_size" if batched else "1",
        part="order=part, batch_size=batch" if batched else "steps=len(part)",
        batch_size=str(model.training.batch_size),
        turn=turn,
        turns=f"{turn}s",
        lr=repr(float(model.optimizer.lr)),
        schedule=_schedule(model),
        loss_name=model.loss,
    )


def training_options(model: Model, batched: Sequence[str]) -> dict[str, int | float]:
    """The trainer's options and their defaults: what ``fit`` and the ``train`` command take."""
    training = model.training
    options: dict[str, int | float] = {"epochs" if batched else "steps": training.epochs}
    options |= {"batch_size": training.batch_size} if batched else {}
    return options | {"seed": training.seed, "lr": float(model.optimizer.lr)}


def _check(model: Model) -> None:
    """Refuse what no module can be made of."""
    if not re.fullmatch(r"[A-Za-z_]\w*", model.name, re.ASCII) or keyword.iskeyword(model.name):
        raise CompileError(f"'{model.name}' cannot name a module", expected="letters, digits and _, a letter first")
    if not model.program.having(Role.PARAM):
        raise CompileError(
            f"the model '{model.name}' has no parameters", remedy="declare what it shall learn in params"
        )
    for tensor in model.program.having(Role.INPUT):
        name = tensor.name
        if name in RESERVED or not name.isidentifier() or keyword.iskeyword(name):
            raise CompileError(
                f"an input cannot be called '{name}'",
                expected=f"a name other than {', '.join(sorted(RESERVED))}" if name in RESERVED else "a Python name",
                where=tensor.where,
                remedy=f"call it {name.replace('.', '_')}_in",
            )
        if tensor.bound is not None and not tensor.bound.is_Integer:
            raise CompileError(
                f"the number of classes of '{name}' must be known", found=str(tensor.bound), where=tensor.where
            )


def batched_inputs(program: Program) -> tuple[str, ...]:
    """The inputs of which a batch takes rows: those whose first axis has the batch's name.

    That is ``n`` if some input starts with it, else the first name that starts one.  Where the name stands on another
    axis too (a matrix over pairs of samples), rows cannot be taken, and the inputs are used whole.
    """
    inputs = program.having(Role.INPUT)
    first = [str(t.shape[0]) for t in inputs if t.shape and not t.shape[0].is_Integer]
    if not first:
        return ()
    batch = "n" if "n" in first else first[0]
    if any(batch in map(str, t.shape[1:]) for t in inputs):
        return ()
    return tuple(t.name for t in inputs if t.shape and str(t.shape[0]) == batch)


# --- native code ------------------------------------------------------------------------------------------------------


def _kernels(code: Code) -> str:
    """Helpers, kernels, entries and the sizes of their working memory, in reading order."""
    parts = [_function(f) for f in (*code.helpers, *code.kernels, *code.entries)]
    text = "\n\n\n".join(filter(None, (*parts, code.sizes)))
    for function in code.kernels:
        if function.name in OWN:
            text = re.sub(rf"\b{function.name}\b(?=\()", f"{function.name}_kernel", text)
    return text


def _math_imports(code: Code) -> str:
    """The line that imports what the kernels call, comments apart."""
    texts = "\n".join(f.text for f in (*code.helpers, *code.kernels, *code.entries))
    called = {node.id for node in ast.walk(ast.parse(texts)) if isinstance(node, ast.Name)}
    names = [name for name in code.imports if name in called]
    return f"from math import {', '.join(names)}\n" if names else ""


def _function(function: Function) -> str:
    return "\n".join(part for part in (function.comment, function.text) if part)


def _train_arguments(reads: Sequence[str], gathered: Sequence[str]) -> str:
    order = ["order", "rows"] if gathered else []
    batches = [f"{name}_batch" for name in gathered]
    names = ["params", "state", *reads, *order, "lr", "step", *batches, "grad", "work", "iwork", "losses"]
    return _folded("_train_steps", names)


def _folded(name: str, arguments: Sequence[str]) -> str:
    """Arguments of a definition, over several lines if one does not hold them."""
    line = ", ".join(arguments)
    if len(f"def {name}({line}):") <= 120:
        return line
    return "\n    " + "\n    ".join(textwrap.wrap(f"{line},", 112)) + "\n"


def _gather(tensors: Sequence[tuple[str, Tensor]]) -> str:
    """The statements that copy one row of each input into its batch, inside the loop over rows."""
    lines: list[str] = []
    for name, tensor in tensors:
        letters = [f"j{axis}" if axis else "j" for axis in range(len(tensor.shape) - 1)]
        margin = " " * 12
        for axis, letter in enumerate(letters, 1):
            lines.append(f"{margin}for {letter} in range({name}.shape[{axis}]):")
            margin += "    "
        tail = "".join(f", {letter}" for letter in letters)
        lines.append(f"{margin}{name}_batch[i{tail}] = {name}[row{tail}]")
    return "\n".join(lines)


# --- the learning rate ------------------------------------------------------------------------------------------------


def _schedule(model: Model) -> str:
    """The learning rate of an epoch as a Python expression of epoch and lr."""
    tree = ast.parse(print_expression(model.optimizer.schedule), mode="eval")
    return ast.unparse(_Python().visit(tree))


class _Python(ast.NodeTransformer):
    """Equation text, whose grammar is Python's, with its functions as Python has them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - named by ast
        """The schedule's variables as the trainer calls them, and the number pi."""
        if node.id == "pi":
            return ast.Attribute(ast.Name("math"), "pi")
        return ast.Name({"lr0": "lr"}.get(node.id, node.id))

    def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802 - named by ast
        """Calls: where becomes a choice, the rest comes from Python or its math module."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        arguments = [self.visit(argument) for argument in node.args]
        if name == "where":
            return ast.IfExp(*arguments)
        if name in ("max", "min", "abs"):
            return ast.Call(ast.Name(name), arguments, [])
        if name in ("floor", "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1", "log1p"):
            return ast.Call(ast.Attribute(ast.Name("math"), name), arguments, [])
        raise CompileError(
            f"a schedule cannot use '{name}'", expected="floor, where, max, min, exp, log, sqrt, cos, ..."
        )
