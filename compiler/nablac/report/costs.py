"""report/costs: what a training step costs, counted in the compiled programs: operations, bytes, memory, by layer.

An addition, a multiplication and a function count one operation each, so a multiply-add counts two.  Formulas keep the
batch and the widths apart, factor by factor; numbers stand beside them for the batch that the model is trained with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import sympy
from sympy import Expr, Symbol

from nablac.algebra.cost import equation_work
from nablac.emit.code import scheduled
from nablac.emit.lower import batched_inputs
from nablac.emit.module import native_programs
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import IntAccess
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.passes.contract import NOMINAL
from nablac.pipeline import Compiled
from nablac.plan.loops import Buffer, Number, Schedule, Space
from nablac.plan.memory import plan_memory
from nablac.report.content import Cost
from nablac.report.formulas import boxes
from nablac.report.formulas.boxes import Box, Operator, Row

INTEGER_BYTES = 8


@dataclass(frozen=True)
class LayerCost:
    """A layer's share: its parameters, its operations forward and backward, the bytes of what it saves.

    What belongs to no layer stands under the name of its equation.
    """

    layer: str
    parameters: Cost
    forward: Cost
    backward: Cost
    activations: Cost


class Sum:
    """A sum of products of extents, ``2*n*784*256 + n*256``, each product a coefficient and its factors as they stand.

    >>> from sympy import Integer
    >>> total = Sum()
    >>> total.add(2, (Integer(256), Symbol("n"), Integer(784)))
    >>> total.text, total.at({"n": 10})
    ('2*n*784*256', 4014080)
    """

    def __init__(self) -> None:
        self.terms: dict[tuple[Expr, ...], int] = {}

    def add(self, coefficient: int, factors: Iterable[Expr]) -> None:
        """One product more; equal products, in whatever order, are counted together."""
        key = tuple(sorted((f for f in factors if f != 1), key=_order))
        if coefficient:
            self.terms[key] = self.terms.get(key, 0) + coefficient

    def add_all(self, other: Sum, times: int = 1) -> None:
        """Every product of another sum, some times over."""
        for key, coefficient in other.terms.items():
            self.add(coefficient * times, key)

    def add_polynomial(self, length: Expr, times: int) -> None:
        """A polynomial in extents, such as the length of an arena."""
        for term in sympy.Add.make_args(sympy.expand(length)):
            number, rest = term.as_coeff_Mul()
            factors = [base for base, power in rest.as_powers_dict().items() for _ in range(int(power)) if base != 1]
            self.add(int(number) * times, factors)

    def at(self, sizes: Mapping[str, int]) -> int:
        """The number it is for given sizes."""
        return sum(c * prod(int(f) if f.is_Integer else sizes[str(f)] for f in key) for key, c in self.terms.items())

    @property
    def products(self) -> list[list[str]]:
        """The products as the words they are written with."""
        return [[*([str(c)] if c != 1 or not key else []), *map(str, key)] for key, c in self.terms.items() if c] or [
            ["0"]
        ]

    @property
    def text(self) -> str:
        """The sum in the grammar of the specs."""
        return " + ".join("*".join(words) for words in self.products)

    @property
    def box(self) -> Box:
        """The sum as a formula."""
        parts: list[Box] = []
        for words in self.products:
            parts += [Operator("+")] if parts else []
            for at, word in enumerate(words):
                parts += [Operator("*")] if at else []
                parts.append(boxes.Number(word) if word.isdigit() else boxes.Name(word))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def cost(self, title: str, unit: str, sizes: Mapping[str, int]) -> Cost:
        """The row that tells it."""
        return Cost(title, self.box, self.text, self.at(sizes), unit)


def _order(factor: Expr) -> tuple[int, str, int]:
    """Names first, then widths, the larger before the smaller: the order in which a layer reads, in -> out."""
    return (1, "", -int(factor)) if factor.is_Integer else (0, str(factor), 0)


def sizes_of(compiled: Compiled) -> dict[str, int]:
    """A size for each named extent: the batch that the model is trained with; for another name, a nominal one."""
    program = compiled.model.program
    batched = batched_inputs(program)
    batch = {str(program.declared[name].shape[0]) for name in batched}
    names = sorted({str(s) for t in program.tensors for e in t.shape for s in e.free_symbols})
    names = list(dict.fromkeys(names + sorted({str(s) for e in program.equations for s in _symbols(e)})))
    return {n: compiled.model.training.batch_size if n in batch or not batch else NOMINAL for n in names}


def _symbols(equation: Equation) -> set[Symbol]:
    return {s for extent in equation.ranges.values() for s in extent.free_symbols}


def costs(compiled: Compiled, sizes: Mapping[str, int] | None = None) -> tuple[Cost, ...]:
    """The rows of a step's costs; ``sizes`` gives each named extent its number, ``sizes_of`` unless given."""
    return tuple(StepCosts(compiled, sizes).rows())


def layer_costs(compiled: Compiled, sizes: Mapping[str, int] | None = None) -> tuple[LayerCost, ...]:
    """The costs of each layer, in the order of the forward pass."""
    return tuple(StepCosts(compiled, sizes).layers())


class StepCosts:
    """One training step, loss and gradient and then the update: who wants rows and layers both makes it once.

    ``schedule`` is that of the gradient program, if it is known already (``emit_code`` gives it).
    """

    def __init__(
        self, compiled: Compiled, sizes: Mapping[str, int] | None = None, schedule: Schedule | None = None
    ) -> None:
        self.compiled = compiled
        self.sizes = sizes_of(compiled) if sizes is None else sizes
        self.program, self.update = compiled.programs["gradient"], compiled.programs["update"]
        self.schedule = schedule or scheduled("gradient", self.program, native_programs(compiled))
        self.real = 4 if self.program.dtype == "float32" else 8
        needed = set(self.program.results) - set(compiled.gradients.values())  # the loss, statistics of the batches
        for equation in reversed(self.program.equations):
            needed.update(equation.sources if equation.target in needed else ())
        self.forward = [e for e in self.program.equations if e.target in needed]
        self.backward = [e for e in self.program.equations if e.target not in needed]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self) -> list[Cost]:
        """Operations, traffic and memory of the step."""
        count, byte = "operations", "bytes"
        parameters, saved = self.parameters(), self.saved()
        parts = {
            "forward pass": _operations(self.forward),
            "backward pass": _operations(self.backward),
            "update": self.update_operations(),
        }
        moved = {
            "forward pass": self.moved(self.forward, saved),
            "backward pass": self.moved(self.backward, saved),
            "update": self.update_moved(),
        }
        memory = self.memory()
        return [
            *(self.row(title, total, count) for title, total in parts.items()),
            self.row("step", _total(parts.values()), count),
            *(self.row(f"{title}, read and written at least", total, byte) for title, total in moved.items()),
            self.row("parameters", parameters, "numbers"),
            self.row("saved activations", self.elements(saved), "numbers"),
            *(self.row(title, total, byte) for title, total in memory.items()),
            self.row("peak memory of a step", _total(memory.values()), byte),
        ]

    def row(self, title: str, total: Sum, unit: str) -> Cost:
        return total.cost(title, unit, self.sizes)

    # --- counts -------------------------------------------------------------------------------------------------------

    def parameters(self) -> Sum:
        total = Sum()
        for tensor in self.program.having(Role.PARAM):
            total.add(1, tensor.shape)
        return total

    def of_flat(self, times: int, frozen: bool = False) -> Sum:
        """A number for each parameter, some times over: what the flat vectors of the update come to."""
        total, each = Sum(), Sum()
        for tensor in self.program.having(Role.PARAM):
            if frozen or not tensor.frozen:
                each.add(1, tensor.shape)
        total.add_all(each, times)
        return total

    def update_operations(self) -> Sum:
        total = Sum()
        for equation in self.update.equations:
            each, _ = equation_work(equation)
            if equation.ranges:
                total.add_all(self.of_flat(each))
            else:
                total.add(each, ())
        return total

    def saved(self) -> list[Buffer]:
        """What the forward pass leaves in memory and the backward pass reads."""
        read = {name for equation in self.backward for name in equation.sources}
        kept = [(self.schedule.buffers[e.target], e) for e in self.forward if e.target in read]
        # what lives in one nest alone has shrunk to a register or a row there
        return [b for b, e in kept if b.space is Space.WORK and b.shape and b.shape == e.shape]

    def elements(self, buffers: Sequence[Buffer]) -> Sum:
        total = Sum()
        for buffer in buffers:
            total.add(1, buffer.shape)
        return total

    def bytes_of(self, thing: Tensor | Buffer) -> Sum:
        whole = thing.kind is Kind.INT if isinstance(thing, Tensor) else thing.number is Number.INT
        total = Sum()
        total.add(INTEGER_BYTES if whole else self.real, thing.shape)
        return total

    def moved(self, equations: Sequence[Equation], saved: Sequence[Buffer]) -> Sum:
        """Each array that comes from or goes to memory once: parameters, inputs, saved values, gradients."""
        read = {name for equation in equations for name in equation.sources}
        given = [t for t in self.program.tensors if t.role is not Role.RESULT and t.name in read]
        made = {e.target for e in equations}
        gradients = [t for t in self.program.tensors if t.name in made and t.name in self.compiled.gradients.values()]
        rest: list[Tensor | Buffer] = [*saved, *gradients]
        return _total([*(self.fetched(t, equations) for t in given), *map(self.bytes_of, rest)])

    def fetched(self, tensor: Tensor, equations: Sequence[Equation]) -> Sum:
        """The bytes read of what is given: of a table that is read by gathers alone, no more than these fetch."""
        whole, most = self.bytes_of(tensor), Sum()
        for equation in equations:
            for access in equation.reads:
                if access.tensor != tensor.name:
                    continue
                part = Sum()
                part.add(self.real, (equation.ranges[i] for i in equation.ranges if access.has(i)))
                if not any(i.has(IntAccess) for i in access.indices) or part.at(self.sizes) > whole.at(self.sizes):
                    return whole
                most = max(most, part, key=lambda one: one.at(self.sizes))
        return most

    def update_moved(self) -> Sum:
        read = {name for equation in self.update.equations for name in equation.sources}
        flat = [t.name for t in self.update.tensors if t.shape and t.role is not Role.RESULT]
        written = [kept for kept, _ in self.compiled.model.optimizer.updates]
        return self.of_flat(self.real * (sum(name in read for name in flat) + len(written)))

    def memory(self) -> dict[str, Sum]:
        arenas, work = plan_memory(self.schedule), Sum()
        work.add_polynomial(arenas.reals.length, self.real)
        work.add_polynomial(arenas.integers.length, INTEGER_BYTES)
        inputs = [t for t in self.program.having(Role.INPUT) if t.name in self.program.readers]
        return {
            "parameters in memory": self.of_flat(self.real, frozen=True),
            "gradient in memory": self.of_flat(self.real, frozen=True),
            "state of the optimizer in memory": self.of_flat(self.real * len(self.compiled.model.optimizer.state)),
            "batch in memory": _total(map(self.bytes_of, inputs)),
            "working memory": work,
        }

    # --- layers -------------------------------------------------------------------------------------------------------

    def layers(self) -> list[LayerCost]:
        """Every layer's share."""
        rows = _Rows(self.compiled.model.program)
        names = dict.fromkeys(map(rows.of, (*self.forward, *self.backward)))
        owner: dict[str, str] = {}
        for equation in self.compiled.model.program.equations:  # as written: a bias goes into its reader later
            for name in equation.sources:
                owner.setdefault(name, rows.of(equation))
        names = dict.fromkeys([*names, *(owner[t.name] for t in self.program.having(Role.PARAM))])
        saved = {b.name for b in self.saved()}
        found = []
        for name in names:
            own = [t for t in self.program.having(Role.PARAM) if owner.get(t.name) == name]
            parameters = Sum()
            for tensor in own:
                parameters.add(1, tensor.shape)
            forward = [e for e in self.forward if rows.of(e) == name]
            kept = [self.schedule.buffers[e.target] for e in forward if e.target in saved]
            found.append(
                LayerCost(
                    name,
                    self.row("parameters", parameters, "numbers"),
                    self.row("forward", _operations(forward), "operations"),
                    self.row("backward", _operations(e for e in self.backward if rows.of(e) == name), "operations"),
                    self.row("activations", _total(map(self.bytes_of, kept)), "bytes"),
                )
            )
        return found


class _Rows:
    """Which row of the table an equation belongs to: its layer's, or that of the equation as it was written."""

    def __init__(self, written: Program) -> None:
        self.layers = {e.target: e.origin.layer for e in written.equations}

    def of(self, equation: Equation) -> str:
        """The layer that the equation, or the one it was derived from, came with."""
        origin = equation.origin
        name = origin.of or equation.target
        return origin.layer or self.layers.get(name) or name.split(".")[0]


def _operations(equations: Iterable[Equation]) -> Sum:
    total = Sum()
    for equation in equations:
        total.add(*equation_work(equation))
    return total


def _total(sums: Iterable[Sum]) -> Sum:
    total = Sum()
    for one in sums:
        total.add_all(one)
    return total
