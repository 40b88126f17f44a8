"""frontend/optimizers: an update rule with its options' values -> a program over one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sympy import Expr

from nablac.errors import NablacError, Place, SpecError
from nablac.frontend.definition import Definition, exact, with_defaults
from nablac.frontend.model import Optimizer
from nablac.frontend.schedules import SCHEDULES, constant_schedule, formula_schedule, named_schedule
from nablac.frontend.update_rules import LR, RULES, Rule
from nablac.ir.declare import check_plain_name
from nablac.ir.equation import Program
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
    """The optimizer of a rule with its options' values."""
    places = where or {}
    subject = f"optimizer '{rule.name}'"
    row = Definition(rule.name, (), (), "", rule.options)
    values = with_defaults(row, given, subject, places)
    constants = {name: exact(value) for name, value in values.items() if name != "lr"}
    tensors = _tensors(rule, places.get("state") or places.get(""))
    try:
        parsed = parse_equations(
            rule.equations, {t.name: t for t in tensors}, functions, constants=constants, layer=rule.name
        )
    except NablacError as error:
        raise error.at(places.get("")) from None
    made = {t.name: t for t in parsed.tensors}
    updates = tuple((name, f"{name}_next") for name in ("theta", *rule.state))
    for kept, new in updates:
        if new not in made or made[new].shape != (extent("P"),) or made[new].kind is not Kind.REAL:
            raise SpecError(
                f"{subject} does not say what replaces '{kept}'",
                expected=f"an equation {new}[p] = ...",
                where=places.get(""),
            )
    idle = _idle(rule, parsed)
    updates = tuple((kept, new) for kept, new in updates if kept not in idle)
    every = tuple(t for t in (*tensors, *parsed.tensors) if t.name.removesuffix("_next") not in idle)
    equations = tuple(e for e in parsed.equations if e.target.removesuffix("_next") not in idle)
    program = Program(rule.name, every, equations, tuple(new for _, new in updates), dtype)
    return Optimizer(rule.name, program, updates, exact(values["lr"]), schedule or constant_schedule())


def _idle(rule: Rule, parsed: ParsedEquations) -> set[str]:
    """State vectors that the options have left at 0 and without a reader: they need not be kept."""
    resting = {e.target for e in parsed.equations if e.body == 0}
    read = {name for e in parsed.equations for name in e.sources}
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


