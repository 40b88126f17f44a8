"""frontend/optimizers: an update rule with its options' values -> a program over one flat vector."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sympy import Expr, Rational

from nablac.errors import NablacError, Place, SpecError
from nablac.frontend.definition import Definition, Value, exact, with_defaults
from nablac.frontend.model import Optimizer
from nablac.frontend.schedules import SCHEDULES, constant_schedule, drops, formula_schedule, named_schedule
from nablac.frontend.update_rules import AROUND, BEFORE, BEHIND, LR, RULES, Around, Rule
from nablac.ir.declare import check_plain_name
from nablac.ir.equation import Equation, Program
from nablac.ir.index import extent
from nablac.ir.parse import ParsedEquations, parse_equations
from nablac.ir.syntax import FunctionText
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import Line

__all__ = ["RULES", "SCHEDULES", "Rule", "formula_schedule", "make_optimizer", "named_schedule", "own_rule"]


def make_optimizer(
    rule: Rule,
    given: Mapping[str, object],
    *,
    schedule: Expr | None = None,
    dtype: str = "float32",
    functions: Mapping[str, FunctionText] | None = None,
    where: Mapping[str, Place | None] | None = None,
) -> Optimizer:
    """The optimizer of a rule with its options' values, and with what is given of the options that every rule takes."""
    places = where or {}
    values = _values(rule, given, places)
    rule = rule.for_options(values)
    _check_schedule(rule, values, schedule, places)
    constants = {option.name: exact(values[option.name]) for option in rule.options if option.name != "lr"}
    asked = {name: exact(value) for name, value in values.items() if name not in constants and name != "lr"}
    tensors = _tensors(rule, places.get("state") or places.get(""))
    declared = {t.name: t for t in tensors}
    parts = []
    try:
        for around in (a for a in BEFORE if a.name in asked):
            named = {"gradient": declared["g"]}
            parts.append(_parsed(around, named, asked, {"g": f"{around.name}.g"}))
            declared["g"] = parts[-1].tensors[-1]
        parts.append(parse_equations(rule.equations, declared, functions, constants=constants, layer=rule.name))
        made = {t.name: t for t in parts[-1].tensors}
        _check_made(rule, made, places)
        for around in (a for a in BEHIND if a.name in asked):
            kept = Tensor(around.name, declared["theta"].shape, Kind.REAL, Role.STATE)
            _check_free(around, {*declared, *made}, places)
            named = {around.name: kept, "theta_next": made["theta_next"]}
            parts.append(_parsed(around, named, asked, {f"{around.name}_next": f"{around.name}_next"}))
            tensors = (*tensors, kept)
    except NablacError as error:
        raise error.at(places.get("")) from None
    equations = [e for part in parts for e in part.equations]
    idle = _idle(rule, equations)
    every = (t for t in (*tensors, *(t for part in parts for t in part.tensors)) if not _of(t.name, idle))
    updates = tuple((t.name, f"{t.name}_next") for t in tensors if t.role in _KEPT and t.name not in idle)
    results = tuple(new for _, new in updates)
    program = Program(rule.name, tuple(every), tuple(e for e in equations if not _of(e.target, idle)), results, dtype)
    rate = checked_rate(exact(values["lr"]), dtype, places.get("lr") or places.get(""))
    schedule, upward = schedule or constant_schedule(), bool(values.get("maximize"))
    return Optimizer(rule.name, program, updates, rate, schedule, asked.get("ema"), rule.search, upward)


def checked_rate(rate: Rational, dtype: str, where: Place | None) -> Rational:
    """The learning rate, if it is more than 0 in numbers of that width."""
    if dtype == "float32" and float(rate) <= _LEAST / 2:  # it would be rounded to 0
        raise SpecError(
            f"the learning rate is 0 in {dtype}",
            found=f"lr: {float(rate):g}",
            expected=f"at least {_LEAST:g}",
            where=where,
            remedy="a larger one, or dtype: float64",
        )
    return rate


_LEAST = 2.0**-149
"""The least number above 0 of float32."""

_KEPT = (Role.PARAM, Role.STATE)


def _values(rule: Rule, given: Mapping[str, object], places: Mapping[str, Place | None]) -> dict[str, Value]:
    """The value of each of the rule's options, and of those that every rule takes, if they are given."""
    around = () if rule.search else AROUND  # a line search follows the gradient as it is
    asked = tuple(option for option in around if option.name in given)
    known = tuple((option.name, "") for option in around if option not in asked)  # told where a name is unknown
    row = Definition(rule.name, (), (), "", (*rule.options, *asked), known)
    return with_defaults(row, given, f"optimizer '{rule.name}'", places)


def _check_free(around: Around, taken: set[str], places: Mapping[str, Place | None]) -> None:
    """Refuse a rule of the user's own that calls something else as the option's state vector is called."""
    if taken & {around.name, f"{around.name}_next"}:
        raise SpecError(
            f"'{around.name}' is an option of the optimizer and a vector of its equations",
            where=places.get(around.name) or places.get(""),
            remedy="name the vector otherwise",
        )


def _check_schedule(
    rule: Rule, values: Mapping[str, Value], schedule: Expr | None, places: Mapping[str, Place | None]
) -> None:
    """Refuse to wait for a small loss where a large one is wanted."""
    if values.get("maximize") and schedule is not None and schedule.has(drops):
        raise SpecError(
            f"optimizer '{rule.name}' cannot have the schedule 'plateau' with 'maximize'",
            expected="a loss that is made small",
            where=places.get("maximize") or places.get(""),
            remedy="minimise -1 times the loss",
        )


def _parsed(
    around: Around, named: Mapping[str, Tensor], asked: Mapping[str, Rational], shown: Mapping[str, str]
) -> ParsedEquations:
    """An option's equations; what they define is called by ``shown``, or else after the option."""
    return parse_equations(
        around.equations,
        named,
        constants={"c": asked[around.name]},
        rename=lambda name: shown.get(name, f"{around.name}.{name}"),
        layer=around.name,
    )


def _check_made(rule: Rule, made: Mapping[str, Tensor], places: Mapping[str, Place | None]) -> None:
    """Refuse a rule that does not say what replaces theta and each state vector."""
    for kept in ("theta", *rule.state):
        new = f"{kept}_next"
        if new not in made or made[new].shape != (extent("P"),) or made[new].kind is not Kind.REAL:
            raise SpecError(
                f"optimizer '{rule.name}' does not say what replaces '{kept}'",
                expected=f"an equation {new}[p] = ...",
                where=places.get(""),
            )


def _of(name: str, vectors: Collection[str]) -> bool:
    """Whether a tensor is one of some state vectors, or the next of one."""
    return name.removesuffix("_next") in vectors


def _idle(rule: Rule, equations: Sequence[Equation]) -> set[str]:
    """State vectors that the options have left at 0 and without a reader: they need not be kept."""
    resting = {e.target for e in equations if e.body == 0}
    read = {name for e in equations for name in e.sources}
    return {s for s in rule.state if f"{s}_next" in resting and not {s, f"{s}_next"} & read}


def _tensors(rule: Rule, where: Place | None) -> tuple[Tensor, ...]:
    flat = (extent("P"),)
    for name in rule.state:
        check_plain_name(name, where)
        if name in ("theta", "g", "lr", "t") or rule.state.count(name) > 1:
            raise SpecError(f"'{name}' cannot be a state of the optimizer: it has a meaning already", where=where)
    return (
        Tensor("theta", flat, Kind.REAL, Role.PARAM),
        Tensor("g", flat, Kind.REAL, Role.INPUT),
        *(Tensor(name, flat, Kind.REAL, Role.STATE) for name in rule.state),
        Tensor("lr", (), Kind.REAL, Role.INPUT),
        Tensor("t", (), Kind.INT, Role.INPUT),
    )


def own_rule(equations: Sequence[str | Line], state: Sequence[str], name: str = "own") -> Rule:
    """A rule of the user's own; numbers stand in its equations."""
    return Rule(name, (LR,), tuple(state), tuple(equations))


