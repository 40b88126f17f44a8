"""frontend/rules: optimizers and schedules as the Python front-end writes them: ``nc.Adam(lr=0.01)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any

from sympy import Expr

from nablac.errors import Place, TraceError
from nablac.frontend import update_rules
from nablac.frontend.definition import Option
from nablac.frontend.model import Optimizer
from nablac.frontend.optimizers import make_optimizer, own_rule
from nablac.frontend.places import user_place
from nablac.frontend.schedules import SCHEDULES, formula_schedule, named_schedule, one_after_another
from nablac.frontend.sources import written_lines
from nablac.frontend.update_rules import RULES
from nablac.ir.declare import check_plain_name
from nablac.ir.tokens import Line

Schedule = str | Mapping[str, Mapping[str, Any]] | None
"""A formula of lr0, epoch and epochs, or a name with options: ``{"step": {"every": 10, "gamma": 0.5}}``."""


@dataclass(frozen=True)
class Rule:
    """An optimizer to be: its name and options, or equations and state of one's own."""

    name: str
    options: Mapping[str, float]
    schedule: Schedule | Sequence[Schedule] = None
    equations: str | Sequence[str] | None = None
    state: str | Sequence[str] = ()
    where: Place | None = field(default=None, compare=False)

    def make(self, dtype: str = "float32", epochs: int = 1) -> Optimizer:
        """The optimizer for a model of some dtype, trained for some epochs."""
        row = RULES[self.name] if self.equations is None else self._own_row(self.equations)
        rate = next((option.default for option in row.options if option.name == "lr"), None)
        schedule = self._schedule(self.schedule, epochs, self.options.get("lr", rate))
        return make_optimizer(row, self.options, schedule=schedule, dtype=dtype, where={"": self.where})

    def _own_row(self, equations: str | Sequence[str]) -> update_rules.Rule:
        texts, state = self._texts("equations", equations), self._texts("state", self.state)
        check_plain_name(self.name, self.where)
        return own_rule([line for text in texts for line in written_lines(text, self._place)], state, self.name)

    def _texts(self, what: str, value: str | Sequence[str]) -> list[str]:
        """A text or a list of texts, as a list."""
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            raise TraceError(
                f"an optimizer's {what} are texts",
                found=f"{value!r:.60}",
                expected="a list of texts",
                where=self.where,
            )
        return list(texts)

    @property
    def _place(self) -> Place:
        return self.where or Place("<python>")

    def _schedule(self, given: Schedule | Sequence[Schedule], epochs: int, lr: object) -> Expr | None:
        if given is None:
            return None
        if isinstance(given, (list, tuple)):
            known = None if any(isinstance(item, str) and item not in SCHEDULES for item in given) else lr
            made = [self._schedule(item, epochs, known) for item in given]
            return one_after_another([schedule for schedule in made if schedule is not None], self.where)
        if isinstance(given, str) and given not in SCHEDULES:
            return formula_schedule(next(iter(written_lines(given, self._place)), Line(given, self._place)), epochs)
        named = {given: {}} if isinstance(given, str) else given
        if not isinstance(named, Mapping) or len(named) != 1:
            raise TraceError(
                "a schedule is a formula, or has one name",
                found=f"{given!r:.60}",
                expected='"lr0*0.9**epoch", or {"step": {"every": 10, "gamma": 0.5}}',
                where=self.where,
            )
        ((name, options),) = named.items()
        if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
            raise TraceError(f"the options of schedule '{name}' have names", found=f"{options!r:.60}", where=self.where)
        return named_schedule(str(name), options, {"": self.where}, epochs, lr)


def _named(row: update_rules.Rule) -> Callable[..., Rule]:
    """The function of a rule: its options in order or by name, and the schedule by name."""
    known = [option.name for option in row.options]

    def function(*values: float, schedule: Schedule | Sequence[Schedule] = None, **options: float) -> Rule:
        place = user_place()
        if len(values) > len(known):
            expected = ", ".join(known)
            raise TraceError(f"'{row.name}' takes {len(known)} options", expected=expected, where=place)
        twice = next((name for name in known[: len(values)] if name in options), None)
        if twice is not None:
            raise TraceError(f"'{row.name}': '{twice}' is given twice", where=place)
        return Rule(row.name, {**dict(zip(known, values, strict=False)), **options}, schedule, where=place)

    function.__doc__ = f"{row.help[:1].upper()}{row.help[1:]}."
    parameters = [*map(_parameter, row.options), *_BY_NAME]
    function.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return function


def _parameter(option: Option) -> Parameter:
    default = Parameter.empty if option.default is None else option.default
    return Parameter(option.name, Parameter.POSITIONAL_OR_KEYWORD, default=default)


_BY_NAME = [
    Parameter(name, Parameter.KEYWORD_ONLY, default=None)
    for name in ("schedule", *(option.name for option in update_rules.AROUND))
]
_SPELLED = {"sgd": "SGD", "heavy_ball": "HeavyBall", "adamw": "AdamW", "nadam": "NAdam", "radam": "RAdam"}
_SPELLED |= {"rmsprop": "RMSprop", "lbfgs": "LBFGS"}

OPTIMIZERS: dict[str, Callable[..., Rule]] = {
    _SPELLED.get(name, name.capitalize()): _named(row) for name, row in RULES.items()
}
"""A function for each rule of the table, by its name in ``nc``."""


def OwnOptimizer(  # noqa: N802
    equations: str | Sequence[str],
    state: str | Sequence[str] = (),
    *,
    lr: float,
    name: str = "own",
    schedule: Schedule | Sequence[Schedule] = None,
    **options: float,
) -> Rule:
    """An update rule by equations of theta, g, lr, t and state vectors: ``theta_next[p] = theta[p] - lr*g[p]``.

    The options are those that every rule takes, such as ``clip_norm``.
    """
    return Rule(name, {"lr": lr, **options}, schedule, equations, state, where=user_place())
