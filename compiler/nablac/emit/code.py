"""emit/code: the four programs of a model -> the text of its native functions, the door of the printers.

Requires checked programs after all passes.  Ensures finished strings, in the order in which a module shows them, and
what the module has to import.  It writes no file and knows no template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sympy import Expr, Integer, Mul, S

from nablac.emit.comments import Commentary, numbered
from nablac.emit.entries import UNPACK, Entry, EntryWriter, flat_offsets, sizes_text, unpack_text
from nablac.emit.gemms import imports_text, support_text
from nablac.emit.kernels import Kernel, kernels, site_of
from nablac.emit.nests import indented
from nablac.emit.printer import Printer
from nablac.emit.shared import handed_on, shared_nests
from nablac.emit.stable import ORDER, helper_text, needed
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.plan.inplace import inplace
from nablac.plan.loops import Nest, Number, Schedule, Space
from nablac.plan.memory import Memory, plan_memory
from nablac.plan.schedule import Homes, schedule


SHORT = 4
"""So many lines of a nest that nothing else shares stand in the entry itself."""


@dataclass(frozen=True)
class Function:
    """One function of the module: its name, the comment above it, its text."""

    name: str
    comment: str
    text: str


@dataclass(frozen=True)
class Code:
    """All native functions of a module as text, and the numbers of the equations their comments speak of."""

    imports: tuple[str, ...]
    """What to import from ``math``."""
    helpers: tuple[Function, ...]
    numba_imports: str
    """What ``products`` imports."""
    products: str
    """Intrinsics for Numba (views, matrix products), to be run only where Numba is."""
    kernels: tuple[Function, ...]
    entries: tuple[Function, ...]
    sizes: str
    """``def _sizes(entry, n)``: how long the working memory of an entry is."""
    numbers: Mapping[str, int]
    """The number of each equation's text."""
    signatures: Mapping[str, Entry]
    schedules: Mapping[str, Schedule]
    memories: Mapping[str, Memory]


@dataclass(frozen=True)
class Programs:
    """What a module computes.  ``loss`` and ``metrics`` name 0-d results; ``updates`` pairs a tensor with the next."""

    predict: Program
    evaluate: Program | None = None
    gradient: Program | None = None
    update: Program | None = None
    loss: str = "loss"
    metrics: tuple[str, ...] = ()
    updates: tuple[tuple[str, str], ...] = ()
    gradients: Mapping[str, str] = field(default_factory=dict)
    """Parameter -> the result that holds its gradient (``d_<parameter>`` where it is not named)."""

    def items(self) -> tuple[tuple[str, Program], ...]:
        """The programs there are, in the order in which equations are numbered."""
        named = {"predict": self.predict, "gradient": self.gradient, "evaluate": self.evaluate, "update": self.update}
        return tuple((name, program) for name, program in named.items() if program is not None)

    def gradient_of(self, parameter: str) -> str:
        """The name of a parameter's gradient."""
        return self.gradients.get(parameter, f"d_{parameter}")


def emit_code(programs: Programs, numbers: Mapping[str, int] | None = None) -> Code:
    """The text of everything native; ``numbers`` gives each equation's text its number."""
    schedules = {name: _scheduled(name, program, programs) for name, program in programs.items()}
    memories = {name: plan_memory(s) for name, s in schedules.items()}
    numbers = numbers or numbered(schedules.values())
    tell = Commentary(numbers)
    sites = {
        (n, at): site_of(s, nest) for n, s in schedules.items() for at, nest in enumerate(s.nests) if _called(n, nest)
    }
    printed = [k for k in kernels(sites.values()) if not _inline(k)]
    functions = tuple(Function(k.name, tell.above(k), k.text) for k in printed)
    of_site = {id(site): kernel for kernel in printed for site in kernel.sites}
    common = [name for name in schedules if name != "update"]
    alike = [schedules[name] for name in common]
    shared = shared_nests(alike, [memories[name] for name in common])
    entries: dict[str, Entry] = {}

    def enter(name: str, source: str, nests: range, returns: tuple[str, ...] = ()) -> None:
        program = dict(programs.items())[source]
        own = {at: site for (n, at), site in sites.items() if n == source and id(site) in of_site}
        calls = {at: of_site[id(site)] for at, site in own.items()}
        offsets = _offsets(name, program, programs)
        writer = EntryWriter(schedules[source], memories[source], offsets, own, calls, tell, nests, returns)
        entries[name] = _entry(name, program, programs, writer, entries.get("forward"))

    if shared:
        enter("forward", "predict", range(shared), handed_on(alike, shared))
    for name, s in schedules.items():
        enter(name, name, range(shared if name in common else 0, len(s.nests)))
    helpers = _helpers(printed, entries, programs.predict.dtype)
    products = any(nest.is_product for s in schedules.values() for nest in s.nests)
    views = any("_view(" in e.text or f"{UNPACK}(" in e.text for e in entries.values())
    unpacks = any(f"{UNPACK}(" in e.text for e in entries.values())
    unpack = (Function(UNPACK, "", unpack_text(programs.predict)),) if unpacks else ()
    return Code(
        imports=needed(
            "\n".join([k.text for k in printed] + [e.text for e in entries.values()] + [h.text for h in helpers])
        ),
        helpers=helpers,
        numba_imports=imports_text(products) if views or products else "",
        products=support_text(products) if views or products else "",
        kernels=functions + unpack,
        entries=tuple(Function(e.name, "", e.text) for e in entries.values()),
        sizes=sizes_text({name: entries[name] for name in common}),
        numbers=numbers,
        signatures=entries,
        schedules=schedules,
        memories=memories,
    )


def _scheduled(name: str, program: Program, programs: Programs) -> Schedule:
    if name == "gradient":
        spaces = {programs.gradient_of(t.name): Space.GRAD for t in program.having(Role.PARAM)}
        return schedule(program, Homes(spaces, wide=(programs.loss,)))
    if name == "evaluate":
        return schedule(program, Homes(wide=(programs.loss, *programs.metrics)))
    if name == "update":
        return inplace(schedule(program), programs.updates)
    wide = (programs.loss, *programs.metrics)
    return schedule(program, Homes(dict.fromkeys(program.results, Space.OUTPUT), wide))


def _inline(k: Kernel) -> bool:
    """Whether a nest's lines stand in the entry: it is short, nothing else shares it, all it reads has the dtype."""
    (site, *others), buffers = k.sites, k.sites[0].schedule.buffers
    wide = any(buffers[name].number is Number.WIDE for name in site.signature.scalars)
    return not others and not wide and k.length <= SHORT


def _called(name: str, nest: Nest) -> bool:
    """Whether a nest is a kernel of its own; those of the update stand in it."""
    return name != "update" and not nest.is_product and not nest.is_scalar


def _offsets(name: str, program: Program, programs: Programs) -> dict[str, Expr]:
    parameters = tuple(t.name for t in program.having(Role.PARAM))
    offsets = flat_offsets(program, parameters)
    if name == "update":
        for at, state in enumerate(program.having(Role.STATE)):
            offsets[state.name] = at * Mul(*state.shape)
    if name == "gradient":
        offsets |= {programs.gradient_of(p): offsets[p] for p in parameters}
    return offsets


# --- entries ---------------------------------------------------------------------------------------------------------


DOCS = {
    "forward": "What the entries have in common.",
    "predict": "The outputs.",
    "evaluate": "The loss and the metrics, into values.",
    "gradient": "The loss; its gradient goes into grad, laid out as params.",
}


def _entry(name: str, program: Program, programs: Programs, w: EntryWriter, forward: Entry | None) -> Entry:
    """An entry's text; ``forward`` is the function that computes its first nests, if there is one."""
    if name == "update":
        return _update_entry(program, w)
    read = w.read | set(forward.inputs if forward else ())
    inputs = tuple(t.name for t in program.having(Role.INPUT) if t.name in read)
    outputs = program.results if name == "predict" else ()
    w.take_extents()
    for word in inputs:
        w.names[word] = w.space.take(word)
    given = {o: w.space.take(o if w.schedule.buffers[o].shape else f"{o}_out") for o in outputs}
    w.names |= {o: text for o, text in given.items() if w.schedule.buffers[o].shape}
    w.names |= {r: f"values[{at}]" for at, r in enumerate(_measured(programs)) if name == "evaluate" and w.returned(r)}
    tail = {"predict": tuple(given.values()), "evaluate": ("values",), "gradient": ("grad",)}.get(name, ())
    has_params = bool(program.having(Role.PARAM))
    arguments = (*(("params",) if has_params else ()), *(w.names[i] for i in inputs), *tail, "work", "iwork")
    touched = w.touched
    w.names |= {b: w.space.take(b) for b in (forward.returns if forward else ()) if b in touched}
    _bind_all(name, program, programs, w)
    if forward:
        made = ", ".join(w.names.get(b, "_") for b in forward.returns)
        w.lines.append(f"{made} = _forward({', '.join(w.names.get(a, a) for a in forward.arguments)})")
    for at in w.nests:
        w.nest(at)
    w.lines += [f"return {', '.join(w.names[b] for b in w.returns)}"] if w.returns else []
    w.lines += _results(name, program, programs, w, given)
    w.bind_extents(inputs)
    if name == "forward":
        arguments = tuple(a for a in arguments if any(re.search(rf"\b{a}\b", line.partition("#")[0]) for line in w.lines))
    body = indented(w.lines)
    text = f'@kernel\ndef _{name}({", ".join(arguments)}):\n    """{DOCS[name]}"""\n{body}'
    sizes = (w.memory.reals.length, w.memory.integers.length)
    return Entry(f"_{name}", arguments, inputs, tuple(outputs), text, _told(program, inputs), sizes, w.returns)


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
    for t in program.having(Role.PARAM):
        if programs.gradient_of(t.name) not in program.results:
            start = w.offsets[t.name]
            w.lines.append(f"grad[{w.sum(start)}:{w.sum(start + Mul(*t.shape))}] = {zero}  # {t.name} has no effect")


def _results(name: str, program: Program, programs: Programs, w: EntryWriter, given: Mapping[str, str]) -> list[str]:
    scalar = [r for r in program.results if not w.schedule.buffers[r].shape]
    if name == "predict":
        return [f"{given[r]}[()] = {w.names[r]}" for r in scalar] or ([] if w.lines else ["pass"])
    if name == "evaluate":
        pairs = [(f"values[{at}]", w.names[r]) for at, r in enumerate(_measured(programs))]
        left = [pair for pair in pairs if pair[0] != pair[1]]
        return [" = ".join(map(", ".join, zip(*left, strict=True)))] if left else []
    if name == "forward":
        return []
    stores = [f"grad[{w.sum(w.offsets[r])}] = {w.names[r]}" for r in scalar if r != programs.loss and r in w.offsets]
    return [*stores, f"return {w.names[programs.loss]}"]


def _update_entry(program: Program, w: EntryWriter) -> Entry:
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
    extent = program.declared[flat[0]].shape[0]
    w.sizes |= {} if w.lines else {extent: "params.size"}  # nothing else needs a name for it
    for at in w.nests:
        w.nest(at)
    if not isinstance(extent, Integer) and any(re.search(rf"\b{extent}\b", line.partition("#")[0]) for line in w.lines):
        w.lines.insert(0, f"{extent} = params.size")
    body = indented(w.lines)
    text = f'@kernel\ndef _update({", ".join(arguments)}):\n    """One step of the optimizer, in place."""\n{body}'
    return Entry("_update", arguments, (), (), text, (), (S.Zero, S.Zero))


def _helpers(printed: list[Kernel], entries: Mapping[str, Entry], dtype: str) -> tuple[Function, ...]:
    """The scalar functions that the printed text calls."""
    text = "\n".join([*(k.text for k in printed), *(e.text for e in entries.values())])
    called = set(re.findall(r"\b(_[a-z]\w*)\(", text))
    number = Printer(dtype).number
    names = [n for n in ORDER if n in called] + sorted(n for n in called if n.startswith("_exprel"))
    return tuple(Function(n, "", f"@kernel\n{helper_text(n, number, dtype)}") for n in dict.fromkeys(names))
