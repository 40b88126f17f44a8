"""frontend/optimizers: update rules and schedules, each a row of equation text over one flat vector.

``theta[p]`` are all parameters in a row, ``g[p]`` their gradient, ``lr`` the learning rate, ``t`` the step, from 1.
What an equation calls ``v_next`` replaces ``v``; vectors other than theta start at 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr

from nablac.errors import NablacError, Place, SpecError
from nablac.frontend.definition import Definition, Option, exact, with_defaults
from nablac.frontend.model import Optimizer
from nablac.ir.declare import check_plain_name
from nablac.ir.equation import Equation, Program
from nablac.ir.index import extent
from nablac.ir.parse import parse_equations, parse_expression
from nablac.ir.syntax import FunctionText
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.tokens import Line

_LR = Option("lr", float, None, low=0, high=1e6, above=True, help="the learning rate")
_DECAY = Option("weight_decay", float, 0.0, low=0, high=1e6, help="the factor of theta that is added to the gradient")
_MOMENTUM = Option("momentum", float, 0.9, low=0, high=1, help="the part of the velocity that is kept")


@dataclass(frozen=True)
class Rule:
    """A row: the name, its options, its state vectors and its equations."""

    name: str
    options: tuple[Option, ...]
    state: tuple[str, ...]
    equations: tuple[str | Line, ...]
    help: str = ""


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "sgd",
            (_LR, _DECAY),
            (),
            ("theta_next[p] = theta[p] - lr*(g[p] + weight_decay*theta[p])",),
            "steepest descent",
        ),
        Rule(
            "momentum",
            (_LR, _MOMENTUM, _DECAY),
            ("v",),
            (
                "v_next[p] = momentum*v[p] + g[p] + weight_decay*theta[p]",
                "theta_next[p] = theta[p] - lr*v_next[p]",
            ),
            "descent with a velocity",
        ),
        Rule(
            "nesterov",
            (_LR, _MOMENTUM, _DECAY),
            ("v",),
            (
                "v_next[p] = momentum*v[p] + g[p] + weight_decay*theta[p]",
                "theta_next[p] = theta[p] - lr*(g[p] + weight_decay*theta[p] + momentum*v_next[p])",
            ),
            "momentum that looks one step ahead",
        ),
        Rule(
            "adam",
            (
                Option("lr", float, 0.001, low=0, high=1e6, above=True, help="the learning rate"),
                Option("beta1", float, 0.9, low=0, high=0.999999, help="how slowly the mean forgets"),
                Option("beta2", float, 0.999, low=0, high=0.9999999, help="how slowly the mean square forgets"),
                Option("eps", float, 1e-8, low=0, high=1, above=True, help="keeps the quotient finite"),
                _DECAY,
            ),
            ("m", "v"),
            (
                "c1 = 1 - beta1**t",
                "c2 = 1 - beta2**t",
                "m_next[p] = beta1*m[p] + (1 - beta1)*(g[p] + weight_decay*theta[p])",
                "v_next[p] = beta2*v[p] + (1 - beta2)*(g[p] + weight_decay*theta[p])**2",
                "theta_next[p] = theta[p] - lr*(m_next[p]/c1)/(sqrt(v_next[p]/c2) + eps)",
            ),
            "steps scaled by running means of the gradient and its square",
        ),
    )
}

SCHEDULES: dict[str, tuple[tuple[Option, ...], str]] = {
    "constant": ((), "lr0"),
    "step": (
        (
            Option("every", int, low=1, help="after how many epochs the rate falls"),
            Option("gamma", float, 0.1, low=0, high=1, above=True, help="to which part of it"),
        ),
        "lr0*gamma**floor(epoch/every)",
    ),
}
"""Formulas of ``lr0`` and ``epoch`` (from 0); a user's own formula may also use ``epochs``, their number."""

PLAIN = tuple(formula for _, formula in SCHEDULES.values())
"""Formulas that give a learning rate whatever their options are."""


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
    results = tuple(new for _, new in updates)
    program = Program(rule.name, (*tensors, *parsed.tensors), parsed.equations, results, dtype)
    return Optimizer(rule.name, program, updates, exact(values["lr"]), schedule or constant_schedule())


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
    return Rule(name, (_LR,), tuple(state), tuple(equations))


def constant_schedule() -> Expr:
    """lr0 in every epoch."""
    return formula_schedule("lr0", epochs=1)


def named_schedule(name: str, given: Mapping[str, object], where: Mapping[str, Place | None]) -> Expr:
    """A schedule of the table with its options."""
    if name not in SCHEDULES:
        raise SpecError(
            f"there is no schedule '{name}'"[:120],
            expected=f"one of {', '.join(SCHEDULES)}, or a formula of lr0, epoch and epochs",
            where=where.get(""),
        )
    options, formula = SCHEDULES[name]
    values = with_defaults(Definition(name, (), (), "", options), given, f"schedule '{name}'", where)
    return formula_schedule(formula, 1, {key: exact(value) for key, value in values.items()})


def formula_schedule(formula: str | Line, epochs: int, constants: Mapping[str, Expr] | None = None) -> Expr:
    """The learning rate of an epoch, by a formula.

    >>> formula_schedule("lr0*epoch/epochs", epochs=20)
    lr0*epoch/20
    """
    declared = {"lr0": Tensor("lr0", role=Role.INPUT), "epoch": Tensor("epoch", (), Kind.INT, Role.INPUT)}
    known = {"epochs": exact(epochs), **(constants or {})}
    equations = parse_expression(formula, "lr", declared, constants=known).equations
    if len(equations) > 1 or equations[0].reduction:
        raise SpecError("a schedule has no reductions", where=equations[-1].origin.where)
    if formula not in PLAIN:
        _check_rates(equations[0], tuple(declared.values()), epochs)
    return equations[0].body


def _check_rates(equation: Equation, declared: tuple[Tensor, ...], epochs: int) -> None:
    """Refuse a formula that gives no rate in one of the first epochs or the last, or none above 0 in any of them."""
    from nablac.ir.interpret import interpret  # NumPy is loaded only where it is needed

    program = Program("schedule", (*declared, Tensor("lr")), (equation,), ("lr",), "float64")
    rates = []
    for epoch in sorted({*range(min(epochs, 8)), epochs - 1}):
        rate = float(interpret(program, {"lr0": 1.0, "epoch": epoch})["lr"])
        rates.append(rate)
        if not 0 <= rate < math.inf:
            raise SpecError(
                "the schedule gives no learning rate",
                found=f"lr0 times {rate:g} in epoch {epoch}",
                expected="a finite number that is at least 0",
                where=equation.origin.where,
                remedy="the first epoch is 0" if epoch == 0 else None,
            )
    if not any(rates):
        raise SpecError("the schedule's learning rate is 0", expected="one above 0", where=equation.origin.where)
