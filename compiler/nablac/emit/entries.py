"""emit/entries: which functions a module's entries are: their arguments, their lines, their results.

Signatures: ``_predict(params, inputs..., outputs..., work, iwork)``, ``_evaluate(params, inputs..., values, work,
iwork)``, ``_gradient(params, inputs..., [seed, step, row,] grad, work, iwork) -> loss`` and ``_update(params, grad,
state, lr, t)``; ``_forward(params, inputs..., work) -> arrays`` where the first three begin alike.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Integer, Mul, S

from nablac.emit.kernels import call_lines, folded
from nablac.emit.naming import NameSpace, stem
from nablac.emit.nests import indented, listed
from nablac.emit.printer import Printer
from nablac.emit.programs import Programs
from nablac.emit.writer import UNPACK, EntryWriter
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.plan.loops import Space

DOCS = {
    "forward": "What the entries have in common.",
    "predict": "The outputs.",
    "evaluate": "The loss and the metrics, into values.",
    "gradient": "The loss; its gradient goes into grad, laid out as params.",
}


@dataclass(frozen=True)
class Entry:
    """An entry point: its arguments in order, the inputs it takes, its text, and the arenas' lengths."""

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    text: str
    extents: tuple[str, ...]
    sizes: tuple[Expr, Expr]
    returns: tuple[str, ...] = ()
    """The buffers whose arrays the function returns, where it computes what entries have in common."""


def entry(name: str, program: Program, programs: Programs, w: EntryWriter, forward: Entry | None) -> Entry:
    """An entry's text; ``forward`` is the function that computes its first nests, if there is one."""
    if name == "update":
        return _update(program, w)
    read = w.read | set(forward.inputs if forward else ())
    inputs = tuple(t.name for t in program.having(Role.INPUT) if t.name in read)
    outputs = program.results if name == "predict" else ()
    w.take_extents()
    counters = program.having(Role.COUNTER)
    for word in inputs:
        w.names[word] = w.space.take(word)
    for tensor in counters:
        w.names[tensor.name] = w.space.take(stem(tensor.name))
    given = {o: w.space.take(o if w.schedule.buffers[o].shape else f"{o}_out") for o in outputs}
    w.names |= {o: text for o, text in given.items() if w.schedule.buffers[o].shape}
    w.names |= {r: f"values[{at}]" for at, r in enumerate(_measured(programs)) if name == "evaluate" and w.returned(r)}
    tail = {"predict": tuple(given.values()), "evaluate": ("values",), "gradient": ("grad",)}.get(name, ())
    has_params = bool(program.having(Role.PARAM))
    arguments: tuple[str, ...] = (*(("params",) if has_params else ()), *(w.names[i] for i in inputs))
    arguments += (*(w.names[t.name] for t in counters), *tail, "work", "iwork")
    touched = w.touched
    w.names |= {b: w.space.take(b) for b in (forward.returns if forward else ()) if b in touched}
    _bind_all(name, program, programs, w)
    if forward:
        w.lines += _forward_call(forward, w)
    for at in w.nests:
        w.nest(at)
    w.lines += listed("return ", [w.names[b] for b in w.returns]) if w.returns else []
    w.lines += _results(name, program, programs, w, given)
    w.bind_extents(inputs)
    if name == "forward":
        arguments = tuple(a for a in arguments if w.uses(a))
    body = indented(w.lines)
    text = f'@kernel\n{folded(f"def _{name}", arguments, "):")}\n    """{DOCS[name]}"""\n{body}'
    sizes = (w.memory.reals.length, w.memory.integers.length)
    return Entry(f"_{name}", arguments, inputs, tuple(outputs), text, _told(program, inputs), sizes, w.returns)


def _forward_call(forward: Entry, w: EntryWriter) -> list[str]:
    """The call of what entries have in common; of the arrays that it gives, those used here get names."""
    given = iter(forward.inputs)
    own = ("params", "work", "iwork")
    arguments = [a if a in own else w.names[next(given)] for a in forward.arguments]
    return call_lines([w.names.get(b, "_") for b in forward.returns], "_forward", arguments)


def _bind_all(name: str, program: Program, programs: Programs, w: EntryWriter) -> None:
    """Names for all buffers that the function touches."""
    shaped = [t.name for t in program.having(Role.PARAM) if t.shape]
    w.unpack("params", shaped)
    if name == "gradient":
        w.unpack("grad", [programs.gradient_of(p) for p in shaped])
    touched = w.touched
    for buffer in list(w.schedule.buffers.values()):
        if buffer.name in touched and (buffer.shape or buffer.space is Space.PARAM):
            w.bind(buffer.name)
    w.flush()
    if name == "gradient":
        _clear_missing(program, programs, w)


def _told(program: Program, inputs: Iterable[str]) -> tuple[str, ...]:
    """The named extents that the inputs' shapes tell."""
    return tuple(sorted({str(e) for name in inputs for e in program.declared[name].shape if not e.is_Integer}))


def _measured(programs: Programs) -> tuple[str, ...]:
    return (programs.loss, *programs.metrics)


def _clear_missing(program: Program, programs: Programs, w: EntryWriter) -> None:
    zero = Printer(program.dtype).number(S.Zero) if program.dtype == "float32" else "0.0"
    parameters = program.having(Role.PARAM)
    missing = [t for t in parameters if programs.gradient_of(t.name) not in program.results]
    for t in missing:
        start = w.offsets[t.name]
        if not t.frozen:
            w.lines.append(f"grad[{w.sum(start)}:{w.sum(start + Mul(*t.shape))}] = {zero}  # {t.name} has no effect")
    frozen = [t for t in missing if t.frozen]  # they lie at the end
    if frozen:
        names = ", ".join(t.name for t in frozen)
        w.lines.append(f"grad[{w.sum(w.offsets[frozen[0].name])}:] = {zero}  # frozen: {names}"[:116])


def _results(name: str, program: Program, programs: Programs, w: EntryWriter, given: Mapping[str, str]) -> list[str]:
    scalar = [r for r in program.results if not w.schedule.buffers[r].shape]
    if name == "predict":
        return [f"{given[r]}[()] = {w.names[r]}" for r in scalar] or ([] if w.lines else ["pass"])
    if name == "evaluate":
        pairs = [(f"values[{at}]", w.names[r]) for at, r in enumerate(_measured(programs))]
        left = [pair for pair in pairs if pair[0] != pair[1]]
        line = " = ".join(map(", ".join, zip(*left, strict=True)))
        return [line] if left and len(line) <= 112 else [" = ".join(pair) for pair in left]
    if name == "forward":
        return []
    stores = [f"grad[{w.sum(w.offsets[r])}] = {w.names[r]}" for r in scalar if r != programs.loss and r in w.offsets]
    return [*stores, f"return {w.names[programs.loss]}"]


def _update(program: Program, w: EntryWriter) -> Entry:
    arguments = ("params", "grad", "state", "lr", "t")
    flat = [t.name for t in program.having(Role.PARAM)]
    gradient = [t.name for t in program.having(Role.INPUT) if t.shape]
    for name in flat:
        w.names[name] = "params"
    for name in gradient:
        w.names[name] = "grad"
    for name in ("lr", "t"):
        w.names[name] = name
        w.space.taken.add(name)
    w.take_extents()
    for t in program.having(Role.STATE):
        w.bind(t.name)
    w.flush()
    for buffer in w.schedule.buffers.values():
        if buffer.space is Space.WORK and buffer.shape:  # between two loops: the update has no arena of its own
            w.bind_new(buffer)
    extent = program.declared[flat[0]].shape[0]
    w.sizes |= {} if w.lines else {extent: "params.size"}  # nothing else needs a name for it
    for at in w.nests:
        w.nest(at)
    if not isinstance(extent, Integer) and w.uses(str(extent)):
        w.lines.insert(0, f"{extent} = params.size")
    body = indented(w.lines)
    text = f'@kernel\ndef _update({", ".join(arguments)}):\n    """One step of the optimizer, in place."""\n{body}'
    return Entry("_update", arguments, (), (), text, (), (S.Zero, S.Zero))


def offsets_of(name: str, program: Program, programs: Programs) -> dict[str, Expr]:
    parameters = tuple(t.name for t in program.having(Role.PARAM))
    offsets = flat_offsets(program, parameters)
    if name == "update":
        for at, state in enumerate(program.having(Role.STATE)):
            offsets[state.name] = at * Mul(*state.shape)
    if name == "gradient":
        offsets |= {programs.gradient_of(p): offsets[p] for p in parameters}
    return offsets


def unpack_text(program: Program) -> str:
    """The function that gives views of the parameters that have axes."""
    parameters = program.having(Role.PARAM)
    offsets = flat_offsets(program, tuple(t.name for t in parameters))
    views = []
    for t in parameters:
        lengths = ", ".join(map(str, t.shape)) + ("," if len(t.shape) == 1 else "")
        views += [f"_view(flat, {offsets[t.name]}, ({lengths}))"] if t.shape else []
    body = "\n".join(f"        {line}" for line in packed(views, 112))
    return f'@kernel\ndef {UNPACK}(flat):\n    """Views of params or grad."""\n    return (\n{body}\n    )'


def packed(parts: Sequence[str], width: int) -> list[str]:
    """The parts with commas behind them, as many on a line as fit."""
    text = " ".join(f"{part},".replace(" ", "\0") for part in parts)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def sizes_text(entries: Mapping[str, Entry]) -> str:
    """The plain function that tells the lengths of the entries' arenas, of the extents that their inputs tell."""
    printer = Printer("float64")
    every = sorted({e for entry in entries.values() for e in entry.extents})
    missing = {e for entry in entries.values() for e in every if e not in entry.extents}
    word = NameSpace(every).take("entry")
    arguments = ", ".join([word, *(e for e in every if e not in missing), *(f"{e}=0" for e in every if e in missing)])
    lengths = {
        name: ", ".join(printer.integer(sympy.expand(e)) for e in entry.sizes) for name, entry in entries.items()
    }
    pairs = [f'"{name}": ({pair})' for name, pair in lengths.items()]
    line = f"{{{', '.join(pairs)}}}[{word}]"
    if len(line) > 108:
        line = "\n".join(["{", *(f"        {pair}," for pair in pairs), f"    }}[{word}]"])
    doc = '"""The lengths of an entry\'s working memory: of reals, of integers."""'
    return f"def _sizes({arguments}):\n    {doc}\n    return {line}"


def flat_offsets(program: Program, names: tuple[str, ...]) -> dict[str, Expr]:
    """Where each tensor starts when they lie one after another."""
    offsets: dict[str, Expr] = {}
    at: Expr = Integer(0)
    for name in names:
        offsets[name] = at
        at += Mul(*program.declared[name].shape)
    return offsets
