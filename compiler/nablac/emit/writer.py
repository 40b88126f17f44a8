"""emit/writer: the lines of one entry: views of the arenas by offsets, then one line or one short nest a nest.

A function binds every array once, calls kernels and products in order, and names scalars in between; which function
it is, and what it takes and gives, is said in ``emit/entries``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy
from sympy import Expr, Mul, Symbol

from nablac.emit.comments import Commentary
from nablac.emit.kernels import Kernel, Site, call_lines
from nablac.emit.naming import NameSpace, stem
from nablac.emit.nests import bare, nest_lines, store_line
from nablac.emit.printer import Printer
from nablac.errors import CompileError, InternalError
from nablac.ir.functions import Access
from nablac.plan.loops import Buffer, Gemm, Loop, Nest, Number, Operand, Pick, Schedule, Space, Store, walk
from nablac.plan.memory import Memory, Spot

UNPACK, FEW = "_parameters", 3
"""The function that gives the parameters' views, and how many of them are worth its call."""


@dataclass
class EntryWriter:
    """Writes one entry.  ``offsets`` places parameters (and their gradients, and state) in their flat arrays."""

    schedule: Schedule
    memory: Memory
    offsets: Mapping[str, Expr]
    sites: Mapping[int, Site]
    kernels: Mapping[int, Kernel]
    tell: Commentary
    nests: range
    """Which nests of the schedule this function computes."""
    returns: tuple[str, ...] = ()
    """The buffers that it hands on to the entries that call it."""
    sizes: dict[Expr, str] = field(default_factory=dict)
    """How extents are called that no name is made for."""
    lines: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    """The lines that make names for arrays, not yet among ``lines``."""
    names: dict[str, str] = field(default_factory=dict)
    loops: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space = NameSpace()
        buffers = self.schedule.buffers
        self.printer = Printer(
            self.schedule.dtype,
            lambda a: (self.names[a.tensor], buffers[a.tensor].number),
            lambda s: str(s.name) if s.is_positive else self.loop_name(s),
        )
        self.spots: dict[str, Spot] = {
            s.buffer.name: s for a in (self.memory.reals, self.memory.integers) for s in a.spots
        }

    @property
    def read(self) -> set[str]:
        """The buffers whose values the function uses."""
        return {name for at in self.nests for name in self.schedule.nests[at].read}

    @property
    def touched(self) -> set[str]:
        """The buffers that the function reads or writes."""
        return self.read | {name for at in self.nests for name in self.schedule.nests[at].written}

    def returned(self, name: str) -> bool:
        """Whether a scalar comes out of a kernel and is not used here."""
        return name not in self.read and any(name in site.signature.returns for site in self.sites.values())

    def take_extents(self) -> None:
        """Keep the names of extents for them."""
        for name in sorted({str(s) for b in self.schedule.buffers.values() for e in b.shape for s in e.free_symbols}):
            self.space.take(name)

    def bind_extents(self, inputs: tuple[str, ...]) -> None:
        """``n = x.shape[0]`` in front of all lines, for each extent known at run time that they use."""
        heads = []
        for symbol in sorted(
            {s for b in self.schedule.buffers.values() for e in b.shape for s in e.free_symbols}, key=str
        ):
            if not self.uses(str(symbol)):
                continue
            shown = [name for name in inputs if symbol in self.schedule.buffers[name].shape]
            if not shown:
                raise CompileError(f"no input of {self.schedule.name} tells how large {symbol} is")
            shape = self.schedule.buffers[shown[0]].shape
            heads.append(f"{symbol} = {self.names[shown[0]]}.shape[{shape.index(symbol)}]")
        self.lines[:0] = heads

    def bind(self, name: str) -> None:
        """The line that makes a buffer's name, if it needs one."""
        buffer = self.schedule.buffers[name]
        if name in self.names or (buffer.space is Space.REGISTER and "#" not in name and buffer.shape):
            return
        self.names[name] = self.space.take(name)
        if buffer.space is Space.WORK:
            spot = self.spots[name]
            arena = "iwork" if buffer.number is Number.INT else "work"
            self.views.append(f"{self.names[name]} = {self.view(arena, spot.offset, buffer.shape)}")
        elif buffer.space in (Space.PARAM, Space.GRAD, Space.STATE):
            arena = {Space.PARAM: "params", Space.GRAD: "grad", Space.STATE: "state"}[buffer.space]
            text = self.view(arena, self.offsets[name], buffer.shape)
            self.views.append(f"{self.names[name]} = {text}")

    def bind_new(self, buffer: Buffer) -> None:
        """Name a buffer and give it memory of its own for the length of the call."""
        self.names[buffer.name] = self.space.take(buffer.name)
        sizes = ", ".join(self.sum(e) for e in buffer.shape)
        kind = "np.int64" if buffer.number is Number.INT else "real"
        shape = f"({sizes})" if len(buffer.shape) > 1 else sizes
        self.lines.append(f"{self.names[buffer.name]} = np.empty({shape}, {kind})")

    def uses(self, word: str) -> bool:
        """Whether a name stands in the lines, comments apart."""
        return any(re.search(rf"\b{word}\b", line.partition("#")[0]) for line in self.lines)

    def flush(self) -> None:
        """The views' lines, two in one where they fit."""
        while self.views:
            pair = [line.split(" = ") for line in self.views[:2]]
            line = " = ".join(map(", ".join, zip(*pair, strict=True)))
            if len(line) > 116:
                line, pair = self.views[0], pair[:1]
            self.lines.append(line)
            del self.views[: len(pair)]

    def unpack(self, arena: str, names: Sequence[str]) -> None:
        """The views of ``arena`` (params or grad) by one call, if it is worth one; ``names`` calls them as here."""
        touched = self.touched
        used = [name if name in touched else None for name in names]
        if len(names) < FEW or len([name for name in used if name]) < FEW:
            return
        for buffer in filter(None, used):
            self.names[buffer] = self.space.take(buffer)
        told = ", ".join(self.names[buffer] if buffer else "_" for buffer in used)
        if len(told) + len(arena) < 98:
            self.lines.append(f"{told} = {UNPACK}({arena})")
        else:
            wrapped = textwrap.wrap(f"{told},", 110)
            self.lines += ["(", *(f"    {line}" for line in wrapped), f") = {UNPACK}({arena})"]

    def view(self, arena: str, offset: Expr, shape: tuple[Expr, ...]) -> str:
        """A part of an arena as an array of a shape."""
        if not shape:
            return f"{arena}[{self.sum(offset)}]"
        lengths = ", ".join(map(self.sum, shape)) + ("," if len(shape) == 1 else "")
        return f"_view({arena}, {self.sum(offset)}, ({lengths}))"

    def sum(self, e: Expr) -> str:
        """An integer expression in the extents."""
        return self.printer.integer(sympy.expand(e))

    def nest(self, at: int) -> None:
        """The lines of one nest: a product, named scalars, a call; where no kernel is printed for it, its loops."""
        nest = self.schedule.nests[at]
        if nest.is_product:
            self._product(nest)
        elif nest.is_scalar:
            self._scalars(nest)
        elif at in self.sites:
            self._call(self.sites[at], self.kernels[at])
        else:
            for name in nest.written:
                self._name(name)
            told = all(map(self.tell.is_told, nest.equations))
            remarks = [f"{self.tell.remark(nest.equations)}, as above"] if told else self.tell.lines(nest.equations)
            self.lines += [f"# {remark}" for remark in remarks]
            self.lines += nest_lines(nest.body, self.printer, self.schedule.buffers, self.sizes)

    def _scalars(self, nest: Nest) -> None:
        for s in walk(nest.body):
            if isinstance(s, Pick) or not isinstance(s, Store):
                raise InternalError("only stores can stand in a scalar nest")
            self._name(s.target.tensor)
            line = store_line(s, self.printer, self.schedule.buffers)
            equation = next((e for e in nest.equations if e.target == s.target.tensor), None)
            self.lines.append(line + (f"  # {self.tell.remark([equation])}" if equation else ""))

    def _name(self, name: str) -> None:
        if name not in self.names:
            self.names[name] = self.space.take(stem(name) if "#" in name else name)

    def _call(self, site: Site, kernel: Kernel) -> None:
        signature = site.signature
        arguments = [self.names[a] for a in signature.arrays]
        for name in signature.scalars:
            text = self.printer.element(Access(name))
            number = self.schedule.buffers[name].number
            arguments.append(f"real({text})" if number is Number.WIDE and self.schedule.dtype == "float32" else text)
        arguments += [self.sum(signature.extents[p]) for p in kernel.passed]
        for name in signature.returns:
            self._name(name)
        given = ", ".join(self.names[r] for r in signature.returns)
        call = f"{given} = " if given else ""
        told = self.tell.remark(site.nest.equations)
        self.remarked(f"{call}{kernel.name}({', '.join(arguments)})", told, told[: told.rindex(")") + 1])

    def remarked(self, line: str, *remarks: str) -> None:
        """A call with the first remark behind it that fits, or else with the first above it."""
        for remark in remarks:
            if len(line) + len(remark) + 8 <= 120:
                self.lines.append(f"{line}  # {remark}")
                return
        head, _, arguments = line.partition("(")
        results, _, function = head.rpartition(" = ")
        self.lines.append(f"# {remarks[0]}")
        self.lines += call_lines(results.split(", ") if results else (), function, arguments[:-1].split(", "))

    def _product(self, nest: Nest) -> None:
        remark = ""
        for equation in nest.equations:  # there is one
            remark = self.tell.remark([equation]) if self.tell.is_told(equation) else self.tell.like(equation)
        self.lines += [] if remark else [f"# {line}" for line in self.tell.lines(nest.equations)]
        body, margin = nest.body, ""
        while isinstance(body[0], Loop):
            loop = body[0]
            self.lines.append(f"{margin}for {self.loop_name(loop.index)} in range({self.sum(loop.extent)}):")
            body, margin = loop.body, margin + "    "
        gemm = body[0]
        if not isinstance(gemm, Gemm) or gemm.prologue or gemm.epilogue:
            raise InternalError("a product with a prologue or an epilogue has no printer yet")
        left, right, target = (self.matrix(o) for o in (gemm.left, gemm.right, gemm.target))
        left += ".T" if gemm.form[0] == "T" else ""
        right += ".T" if gemm.form[1] == "T" else ""
        scale = "" if gemm.scale == 1 else f", {bare(self.printer.real(gemm.scale))}"
        line = f"{margin}_gemm({left}, {right}, {target}{scale})"
        if remark:
            self.remarked(line, remark)
        else:
            self.lines.append(line)

    def loop_name(self, index: Symbol) -> str:
        """The name of a batch loop, which may serve again."""
        if index.name not in self.loops:
            self.loops[index.name] = self.space.take(index.name)
        return self.loops[index.name]

    def matrix(self, operand: Operand) -> str:
        """An operand as a 2-d array: the buffer, an element of its batch, or a reshaped view."""
        buffer = self.schedule.buffers[operand.buffer]
        text = self.names[operand.buffer]
        lead = len(operand.leading)
        if lead:
            text += f"[{', '.join(self.loop_name(i) for i in operand.leading)}]"
        if len(operand.rows) == 1 and len(operand.columns) == 1:
            return text
        sizes = buffer.shape[lead:]
        rows, columns = Mul(*sizes[: len(operand.rows)]), Mul(*sizes[len(operand.rows) :])
        return f"{text}.reshape(({self.sum(rows)}, {self.sum(columns)}))"
