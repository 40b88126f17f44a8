"""emit/lower: a Model, its programs and the text of its kernels -> the finished strings of the module's templates.

Every decision about the module's text that is no kernel's is made here (tables: ``emit/tables``; NumPy:
``emit/numpy_module``), so that the templates hold none.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence

from nablac.emit import tables
from nablac.emit.numpy_module import numpy_module
from nablac.emit.view import ModelView
from nablac.errors import CompileError
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.functions import KINKS
from nablac.ir.tensor import Role, Tensor
from nablac.ir.text import print_equation, print_expression

WIDTH = 118

RESERVED = frozenset(
    "params state order batch_size steps lr step epochs seed validation checkpoint resume history plot progress scaling "
    "patience inputs self".split()
)
"""Names of arguments of the module's functions: no input may be called so."""


def lower(
    model: Model,
    programs: Mapping[str, Program],
    kernels: str,
    formulas: Sequence[str] = (),
    version: str = "0",
) -> ModelView:
    """The module's text in pieces.

    ``programs`` are, after the passes: ``predict`` (the outputs), ``evaluate`` (loss and metrics), ``gradient`` (loss
    and gradients) and ``forward`` (outputs, loss and metrics in one).  ``kernels`` is the finished text of helpers,
    kernels, entries and ``_sizes_*``.  ``formulas`` are the header's lines; without them they are made of ``programs``.
    """
    _check(model)
    reads = {entry: _reads(programs[entry]) for entry in ("predict", "evaluate", "gradient")}
    batched = batched_inputs(model.program)
    layout = "batched" if batched else "whole"
    training = model.training
    turns, turn = ("epochs", "epoch") if batched else ("steps", "step")
    lr = repr(float(model.optimizer.lr))
    options = {turns: training.epochs, **({"batch_size": training.batch_size} if batched else {})}
    options |= {"seed": training.seed, "lr": float(model.optimizer.lr)}
    inputs, parameters = model.program.having(Role.INPUT), model.program.having(Role.PARAM)
    gathered = tuple(name for name in reads["gradient"] if name in batched)
    return ModelView(
        layout=layout,
        version=version,
        name=model.name,
        title=_title(model),
        formulas=_wrapped(formulas or header_formulas(model, programs)),
        conventions=_conventions(programs.values()),
        spec=model.digest,
        spec_short=model.digest[:12],
        dtype=model.program.dtype,
        inputs=tables.shapes(inputs, model.program.dtype),
        outputs=tables.shapes([programs["predict"].declared[name] for name in model.outputs], model.program.dtype),
        parameters=tables.shapes(parameters, model.program.dtype, one_a_line=True),
        initial=tables.initial(parameters),
        size=str(tables.size(parameters)),
        state_size=str(len(model.optimizer.state) * tables.size(parameters) + 1),
        batched=tables.literal(batched),
        reads=tables.mapping(reads),
        labels=tables.literal({t.name: int(str(t.bound)) for t in inputs if t.bound is not None}),
        metrics=tables.literal(tuple(shown for shown, _ in model.metrics)),
        training=tables.literal(options),
        columns=tables.columns(model),
        scaling=tables.scaling(model),
        kernels=kernels.strip("\n"),
        numpy_functions=numpy_module(programs["forward"], model.outputs, reads["predict"], reads["evaluate"]),
        train_arguments=_folded(_train_arguments(reads["gradient"], gathered)),
        gather=_gather([model.program.declared[name] for name in gathered]),
        gathered=tables.literal(gathered),
        gradient_arguments=", ".join(_gradient_arguments(reads["gradient"], gathered)),
        fit_options=", ".join(f"{name}={value!r}" for name, value in options.items()),
        batch="batch_size" if batched else "1",
        batch_size=str(training.batch_size),
        turn=turn,
        turns=turns,
        lr=lr,
        schedule=_schedule(model),
        loss_name=model.loss,
    )


def _check(model: Model) -> None:
    """Refuse what no module can be made of."""
    if not re.fullmatch(r"[A-Za-z_]\w*", model.name, re.ASCII):
        raise CompileError(f"'{model.name}' cannot name a module", expected="letters, digits and _, a letter first")
    if not model.program.having(Role.PARAM):
        raise CompileError(f"the model '{model.name}' has no parameters", remedy="declare what it shall learn in params")
    for tensor in model.program.having(Role.INPUT):
        if tensor.name in RESERVED or not tensor.name.isidentifier():
            raise CompileError(
                f"an input cannot be called '{tensor.name}'",
                expected=f"a name other than {', '.join(sorted(RESERVED))}",
                where=tensor.where,
                remedy=f"call it {tensor.name.replace('.', '_')}_in",
            )
        if tensor.bound is not None and not tensor.bound.is_Integer:
            raise CompileError(
                f"the number of classes of '{tensor.name}' must be known", found=str(tensor.bound), where=tensor.where
            )


def _reads(program: Program) -> tuple[str, ...]:
    """The inputs that an entry reads, in order of declaration: the order of its arguments."""
    read = {name for equation in program.equations for name in equation.sources}
    return tuple(t.name for t in program.having(Role.INPUT) if t.name in read)


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


# --- the header -------------------------------------------------------------------------------------------------------


def _title(model: Model) -> str:
    """The docstring's first line; the user's own words made harmless inside it."""
    words = "".join(c for c in " ".join(model.title.split()) if c.isprintable()).replace("\\", "/").replace('"', "'")
    text = f"{model.name}: {words}" if words else f"{model.name}: a model with its gradients and its trainer"
    return text[:WIDTH]


def header_formulas(model: Model, programs: Mapping[str, Program]) -> list[str]:
    """The numbered forward equations, and the equations of the gradients with those that they read."""
    forward, gradient = programs["forward"], programs["gradient"]
    known = {equation.target for equation in forward.equations}
    lines = ["Forward:"]
    lines += [f"  ({number}) {print_equation(e)}" for number, e in enumerate(forward.equations, 1)]
    more = [e for e in gradient.equations if e.target not in known]
    lines += ["", "Gradients:"]
    lines += [f"  ({number}) {print_equation(e)}" for number, e in enumerate(more, len(forward.equations) + 1)]
    return lines


def _wrapped(lines: Sequence[str]) -> str:
    """Lines that fit into the page; those that go on are indented."""
    wrapped: list[str] = []
    for line in lines:
        margin = " " * (len(line) - len(line.lstrip()) + 6)
        wrapped += textwrap.wrap(
            line, WIDTH, subsequent_indent=margin, drop_whitespace=True, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(wrapped).replace("\\", "\\\\").replace('"""', "'''")


def _conventions(programs: object) -> str:
    """The declared derivatives at the kinks of the functions that the programs use."""
    text = "\n".join(print_equation(e) for program in programs for e in program.equations)  # type: ignore[attr-defined]
    used = {name: rule for name, rule in KINKS.items() if re.search(rf"\b{re.split('[^a-z]', name)[0]}[([]", text)}
    if not used:
        return "No function in it has a kink."
    rules = "; ".join(rule if rule.startswith(name[:3]) else f"{name}: {rule}" for name, rule in used.items())
    return "\n".join(textwrap.wrap(f"At kinks: {rules}.", WIDTH))


# --- the native loop --------------------------------------------------------------------------------------------------


def _train_arguments(reads: Sequence[str], gathered: Sequence[str]) -> list[str]:
    order = ["order", "rows"] if gathered else []
    return ["params", "state", *reads, *order, "lr", "step", *_buffers(gathered), "grad", "work", "iwork", "losses"]


def _gradient_arguments(reads: Sequence[str], gathered: Sequence[str]) -> list[str]:
    given = [f"{name}_batch[:size]" if name in gathered else name for name in reads]
    return ["params", *given, "grad", "work", "iwork"]


def _buffers(gathered: Sequence[str]) -> list[str]:
    return [f"{name}_batch" for name in gathered]


def _folded(arguments: Sequence[str]) -> str:
    """Arguments of a definition, over several lines if one does not hold them."""
    line = ", ".join(arguments)
    if len(f"def _train_steps({line}):") <= 120:
        return line
    return "\n    " + "\n    ".join(textwrap.wrap(f"{line},", 112)) + "\n"


def _gather(tensors: Sequence[Tensor]) -> str:
    """The statements that copy one row of each input into its batch, inside the loop over rows."""
    lines: list[str] = []
    for tensor in tensors:
        letters = [f"j{axis}" if axis else "j" for axis in range(len(tensor.shape) - 1)]
        margin = " " * 12
        for axis, letter in enumerate(letters, 1):
            lines.append(f"{margin}for {letter} in range({tensor.name}.shape[{axis}]):")
            margin += "    "
        tail = "".join(f", {letter}" for letter in letters)
        lines.append(f"{margin}{tensor.name}_batch[i{tail}] = {tensor.name}[row{tail}]")
    return "\n".join(lines)


# --- the learning rate ------------------------------------------------------------------------------------------------


def _schedule(model: Model) -> str:
    """The learning rate of an epoch as a Python expression of epoch, lr and epochs."""
    tree = ast.parse(print_expression(model.optimizer.schedule), mode="eval")
    return ast.unparse(_Python().visit(tree))


class _Python(ast.NodeTransformer):
    """Equation text, whose grammar is Python's, with its functions as Python has them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802 - named by ast
        """The schedule's variables as the trainer calls them."""
        return ast.Name({"lr0": "lr", "epoch": "epoch", "epochs": "epochs"}[node.id])

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
        raise CompileError(f"a schedule cannot use '{name}'", expected="floor, where, max, min, exp, log, sqrt, cos, ...")

