"""emit/lower: a Model, its programs and its native code -> the finished strings of the module's templates.

What the module says outside its kernels is decided here (tables: ``emit/tables``; the header: ``emit/header``; NumPy:
``emit/numpy_module``; training: ``emit/trainer`` and ``emit/rates``), so that the templates hold shape alone.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Mapping, Sequence

from nablac.emit import header, tables
from nablac.emit.code import Code, Function
from nablac.emit.estimator import estimator_view
from nablac.emit.modes import modes
from nablac.emit.numpy_module import numpy_module
from nablac.emit.rates import rates
from nablac.emit.trainer import trainer, training_options
from nablac.emit.view import ModelView
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.plan.rows import can_be_run_by_rows

RESERVED = frozenset(
    {
        "params", "state", "order", "batch_size", "steps", "lr", "step", "epochs", "seed", "validation", "out",
        "resume", "start", "progress", "callbacks", "patience", "checkpoint_every", "mpi", "inputs",
    }
)  # fmt: skip
"""Names of arguments of the module's functions: no input may be called so."""

OWN = frozenset(
    {
        "_arena", "_begin", "_cell", "_check_rows", "_columns", "_convert", "_direction", "_draw",
        "_drawn", "_drops", "_epoch", "_fitted_numpy", "_folder", "_forward_numpy", "_info", "_inputs", "_loaded",
        "_lowest", "_mapped", "_number", "_orthogonal", "_pieces", "_prepared", "_private_cache", "_random",
        "_read", "_read_csv", "_read_idx", "_record", "_score", "_searched", "_selfcheck", "_split",
        "_started", "_take",
        "_told",
        "_train", "_train_steps", "_training_numpy", "_truncated_normal", "_use", "_write", "_write_csv",
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
    mode = modes(model, programs, batched, code.numbers)
    reads |= mode.reads
    size = tables.size(parameters)
    options = training_options(model, batched)
    by_rows = tuple(e for e in ("predict", "evaluate") if batched and can_be_run_by_rows(programs[e], batched))
    if not all(programs["predict"].declared[name].shape for name in model.outputs):  # a mean cannot be put together
        by_rows = tuple(e for e in by_rows if e != "predict")
    dtype = model.program.dtype
    rate = rates(model.optimizer, "epoch" if batched else "step")
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
        state_size=str(len(model.optimizer.state) * int(mode.fields["trained"] or size) + 1),
        batched=tables.literal(batched),
        pieces=tables.literal(by_rows),
        reads=tables.mapping(reads),
        labels=tables.literal({t.name: int(str(t.bound)) for t in inputs if t.bound is not None}),
        metrics=tables.literal(tuple(shown for shown, _ in model.metrics)),
        target=tables.literal(model.data.target) if model.data else "None",
        preparation=tables.preparation(model),
        kernels=_kernels(code),
        numpy_functions=_without_repeats(numpy_text, mode.functions),
        products=code.products,
        **trainer(model, programs["gradient"], batched, reads["gradient"], mode.fields["random"]),
        lr=repr(float(model.optimizer.lr)),
        rate_arguments=rate.arguments,
        rate_about=rate.about,
        rate_lines=rate.lines,
        rate_given=rate.given,
        measured="averaged(params, state)" if model.optimizer.ema else "params",
        plateau="yes" if rate.plateau else "",
        maximize="yes" if model.optimizer.maximize else "",
        ema=repr(float(model.optimizer.ema)) if model.optimizer.ema else "",
        search="yes" if model.optimizer.search else "",
        loss_name=model.loss,
        **mode.fields,
        estimator=estimator_view(model, programs["predict"], batched, options) if model.module.estimator else None,
        maps="yes" if model.module.maps and batched else "",
        tables="yes" if model.module.tables else "",
        columns=tables.columns(model),
    )


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


def _without_repeats(text: str, more: Sequence[str]) -> str:
    """Functions' texts one after another, a helper that several bring once."""
    return "\n\n\n".join(dict.fromkeys("\n\n\n".join([text, *more]).split("\n\n\n")))
