"""frontend/schedules: the learning rate of an epoch or step, as a row of formula text or a formula of the user's own.

A formula reads ``lr0``, the rate that is given, the ``epoch``, from 0, and ``epochs``, their number; or the ``step``,
from 0 over all epochs, and ``steps``, how many an epoch has, which is known when there are data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Function

from nablac.errors import Place, SpecError
from nablac.frontend.definition import Definition, Option, exact, with_defaults
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, IntAccess
from nablac.ir.parse import parse_expression
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import Line


class drops(Function):  # noqa: N801 - it is called so where it is printed
    """How often the loss has come to a rest: of patience, threshold and cooldown, and of the history so far."""


@dataclass(frozen=True)
class Row:
    """A schedule: its options and its formula.

    An option that takes a list applies the formula once for each, ``lr0`` being what the one before it gave.
    """

    options: tuple[Option, ...]
    formula: str
    help: str
    each: str | None = None


_GAMMA = Option("gamma", float, 0.1, low=0, high=1, above=True, help="the factor of the rate")
_OVER = Option("over", int, "epochs", low=1, high=10**9, help="for how many epochs; all of them unless given")
_LOW = Option("low", float, 0.0, low=0, high=1e6, help="the rate at the end")
_START = Option("start", float, 0.1, low=0, high=1, help="the first rate, as a part of lr0")
_END = "min(epoch, over)/over"
_WAVES = "floor(log(1 + epoch*(longer - 1)/every)/log(max(longer, 2)) + 1e-9)"  # 1e-9: a logarithm is not exact
_PEAK = "max(rise*over - 1, 0)"
_LENGTH = f"every*where(longer > 1, longer**{_WAVES}, 1)"
_SINCE = f"where(longer > 1, epoch - every*(longer**{_WAVES} - 1)/max(longer - 1, 1), epoch - every*floor(epoch/every))"

SCHEDULES: dict[str, Row] = {
    "constant": Row((), "lr0", "always lr0"),
    "step": Row(
        (
            Option("every", int, low=1, help="after how many epochs the rate falls"),
            Option("gamma", float, 0.1, low=0, high=1, above=True, help="to which part of it"),
        ),
        "lr0*gamma**floor(epoch/every)",
        "times gamma after every so many epochs",
    ),
    "multi_step": Row(
        (Option("at", int, low=1, help="at which epochs the rate falls: one or a list"), _GAMMA),
        "lr0*where(epoch >= at, gamma, 1)",
        "times gamma at each of some epochs",
        each="at",
    ),
    "exponential": Row(
        (Option("gamma", float, low=0, high=1, above=True, help="the factor of each epoch"),),
        "lr0*gamma**epoch",
        "times gamma after every epoch",
    ),
    "cosine": Row(
        (_LOW, _OVER),
        f"low + (lr0 - low)*(1 + cos(pi*{_END}))/2",
        "half a wave from lr0 down to low",
    ),
    "restarts": Row(
        (
            Option("every", int, low=1, high=10**9, help="the epochs of the first wave"),
            Option("longer", int, 1, low=1, high=1000, help="how many times as long each wave is as the one before"),
            _LOW,
        ),
        f"low + (lr0 - low)*(1 + cos(pi*({_SINCE})/({_LENGTH})))/2",
        "half waves from lr0 down to low, one after the other",
    ),
    "warmup": Row(
        (Option("over", int, low=1, high=10**9, help="for how many epochs"), _START),
        f"lr0*(start + (1 - start)*{_END})",
        "in a straight line from a part of lr0 up to it",
    ),
    "polynomial": Row(
        (Option("power", float, 1.0, low=0, high=1000, above=True, help="1 for a straight line"), _LOW, _OVER),
        f"low + (lr0 - low)*(1 - {_END})**power",
        "down to low by a power of the epochs that are left",
    ),
    "one_cycle": Row(
        (
            Option("rise", float, 0.3, low=0, high=1, help="the part of the epochs in which the rate rises"),
            Option("first", float, 0.04, low=0, high=1, help="the first rate, as a part of lr0"),
            Option("last", float, 4e-6, low=0, high=1, help="the last rate, as a part of lr0"),
            _OVER,
        ),
        "lr0*where(epoch < rise*over - 1,"
        " first + (1 - first)*(1 - cos(pi*epoch/max(rise*over - 1, 1e-9)))/2,"
        " where(epoch < over - 1,"
        f" last + (1 - last)*(1 + cos(pi*(epoch - {_PEAK})/max(over - 1 - {_PEAK}, 1e-9)))/2,"
        " where(over > 1, last, 1)))",
        "half a wave up to lr0, and one down to next to nothing",
    ),
    "plateau": Row(
        (
            Option("factor", float, 0.1, low=0, high=0.999999, above=True, help="to which part of it the rate falls"),
            Option("patience", int, 10, low=0, high=10**9, help="how many epochs in a row may be no better"),
            Option("threshold", float, 1e-4, low=0, high=0.999999, help="by which part of it a loss must be better"),
            Option("cooldown", int, 0, low=0, high=10**9, help="the epochs after a fall that are not counted"),
            Option("min_lr", float, 0.0, low=0, high=1e6, help="the rate below which it does not fall"),
        ),
        "max(lr0*factor**drops, min(lr0, min_lr))",
        "times factor when the loss has been no better for more epochs than patience",
    ),
}
"""Each by its name; a formula of the user's own reads ``lr0``, ``epoch``, ``epochs``, ``step`` and ``steps`` too."""

PLAIN = tuple(row.formula for row in SCHEDULES.values())
"""Formulas that give a learning rate whatever their options are."""


def constant_schedule() -> Expr:
    """lr0 in every epoch."""
    return formula_schedule("lr0", epochs=1)


def named_schedule(
    name: str, given: Mapping[str, object], where: Mapping[str, Place | None], epochs: int, lr: object = None
) -> Expr:
    """A schedule of the table with its options; ``lr`` is the rate that it starts from, if that is known."""
    if name not in SCHEDULES:
        raise SpecError(
            f"there is no schedule '{name}'"[:120],
            expected=f"one of {', '.join(SCHEDULES)}, or a formula of lr0, epoch, epochs, step and steps",
            where=where.get(""),
        )
    row = SCHEDULES[name]
    definition = Definition(name, (), (), "", row.options, (("by", ""),) if _reads_epoch(row) else ())
    unit = _unit(given, where, f"schedule '{name}'") if _reads_epoch(row) else "epoch"
    given = {key: value for key, value in given.items() if key != "by" or not _reads_epoch(row)}
    values = given.get(row.each) if row.each else None
    if row.each and isinstance(values, (list, tuple)) and not values:
        place = where.get(row.each) or where.get("")
        raise SpecError(f"schedule '{name}': '{row.each}' is empty", expected="a number, or some of them", where=place)
    rounds = [{**given, str(row.each): value} for value in values] if isinstance(values, (list, tuple)) else [given]
    made: list[Expr] = []
    for options in rounds:
        numbers = with_defaults(definition, options, f"schedule '{name}'", where)
        _check_low(name, numbers.get("low"), lr, where)
        known = {key: _whole(epochs, unit) if value == "epochs" else exact(value) for key, value in numbers.items()}
        rate = formula_schedule(row.formula, epochs, known)
        resting = drops(*(known[key] for key in ("patience", "threshold", "cooldown") if key in known))
        made.append(rate.xreplace({IntAccess("epoch"): IntAccess(unit), IntAccess("drops"): resting}))
    return one_after_another(made, where.get(row.each or "") or where.get(""))


def _check_low(name: str, low: object, lr: object, where: Mapping[str, Place | None]) -> None:
    """Refuse to fall to what is above the start."""
    if isinstance(low, (int, float)) and isinstance(lr, (int, float)) and low > lr:
        raise SpecError(
            f"schedule '{name}' would rise: it goes down to 'low'",
            found=f"low: {low:g}, above lr: {lr:g}",
            expected=f"at most {lr:g}",
            where=where.get("low") or where.get(""),
        )


def _reads_epoch(row: Row) -> bool:
    return re.search(r"\bepoch\b", row.formula) is not None


def _unit(given: Mapping[str, object], where: Mapping[str, Place | None], subject: str) -> str:
    """What a schedule counts: epochs, or steps if it is asked for."""
    unit = given.get("by", "epoch")
    if unit not in ("epoch", "step"):
        place = where.get("by") or where.get("")
        raise SpecError(f"{subject}: 'by' cannot be {unit!r:.60}", expected="epoch or step", where=place)
    return str(unit)


def _whole(epochs: int, unit: str) -> Expr:
    """The whole training in epochs or in steps."""
    return exact(epochs) * (IntAccess("steps") if unit == "step" else 1)


def one_after_another(schedules: Sequence[Expr], where: Place | None = None) -> Expr:
    """Each schedule with what the one before it gave as its ``lr0``; a list without any is refused."""
    if not schedules:
        raise SpecError("a schedule's list is empty", expected="one item or more", where=where, remedy="leave it out")
    if sum(schedule.has(drops) for schedule in schedules) > 1:
        raise SpecError("'plateau' stands twice in a list of schedules", remedy="keep one of them", where=where)
    rate: Expr = Access("lr0")
    for schedule in schedules:
        rate = schedule.xreplace({Access("lr0"): rate})
    return rate


def formula_schedule(formula: str | Line, epochs: int, constants: Mapping[str, Expr] | None = None) -> Expr:
    """The learning rate of an epoch, by a formula.

    >>> formula_schedule("lr0*epoch/epochs", epochs=20)
    lr0*epoch/20
    """
    own = formula not in PLAIN
    names = ("epoch", "step", "steps", *(() if own else ("drops",)))
    declared = {"lr0": Tensor("lr0", role=Role.INPUT)} | {n: Tensor(n, (), Kind.INT, Role.INPUT) for n in names}
    known = {"epochs": exact(epochs), **(constants or {})}
    equations = parse_expression(formula, "lr", declared, constants=known).equations
    if len(equations) > 1 or equations[0].reduction:
        raise SpecError("a schedule has no reductions", where=equations[-1].origin.where)
    if own:
        _check_rates(equations[0], tuple(declared.values()), epochs)
    return equations[0].body


def _check_rates(equation: Equation, declared: tuple[Tensor, ...], epochs: int) -> None:
    """Refuse a formula that gives no rate in one of the first epochs or the last, or none above 0 in any of them."""
    from nablac.ir.interpret import interpret  # NumPy is loaded only where it is needed

    program = Program("schedule", (*declared, Tensor("lr")), (equation,), ("lr",), "float64")
    rates, steps = [], 10 if "step" in equation.sources else 1
    for step in sorted({*range(min(epochs, 8) * steps), epochs * steps - 1}):
        epoch = step // steps
        rate = float(interpret(program, {"lr0": 1.0, "epoch": epoch, "step": step, "steps": steps})["lr"])
        rates.append(rate)
        if not 0 <= rate < math.inf:
            raise SpecError(
                "the schedule gives no learning rate",
                found=f"lr0 times {rate:g} in epoch {epoch}" + (f", step {step}" if steps > 1 else ""),
                expected="a finite number that is at least 0",
                where=equation.origin.where,
                remedy=f"the first {'step' if steps > 1 else 'epoch'} is 0" if step == 0 else None,
            )
    if not any(rates):
        raise SpecError("the schedule's learning rate is 0", expected="one above 0", where=equation.origin.where)
