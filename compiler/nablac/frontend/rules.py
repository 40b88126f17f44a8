"""frontend/rules: optimizers and schedules as the Python front-end writes them: ``nc.Adam(lr=0.01)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Expr

from nablac.errors import Place, TraceError
from nablac.frontend import optimizers
from nablac.frontend.model import Optimizer
from nablac.frontend.optimizers import RULES, SCHEDULES, formula_schedule, make_optimizer, named_schedule, own_rule
from nablac.frontend.places import user_place
from nablac.frontend.sources import written_lines
from nablac.ir.declare import check_plain_name
from nablac.ir.tokens import Line

Schedule = str | Mapping[str, Mapping[str, float]] | None
"""A formula of lr0, epoch and epochs, or a name with options: ``{"step": {"every": 10, "gamma": 0.5}}``."""


@dataclass(frozen=True)
class Rule:
    """An optimizer to be: its name and options, or equations and state of one's own."""

    name: str
    options: Mapping[str, float]
    schedule: str | Mapping[str, Mapping[str, float]] | None = None
    equations: str | Sequence[str] | None = None
    state: str | Sequence[str] = ()
    where: Place | None = field(default=None, compare=False)

    def make(self, dtype: str = "float32", epochs: int = 1) -> Optimizer:
        """The optimizer for a model of some dtype, trained for some epochs."""
        row = RULES[self.name] if self.equations is None else self._own_row(self.equations)
        schedule = self._schedule(epochs)
        return make_optimizer(row, self.options, schedule=schedule, dtype=dtype, where={"": self.where})

    def _own_row(self, equations: str | Sequence[str]) -> optimizers.Rule:
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

    def _schedule(self, epochs: int) -> Expr | None:
        given = self.schedule
        if given is None:
            return None
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
        return named_schedule(str(name), options, {"": self.where})


def SGD(lr: float, weight_decay: float = 0.0, schedule: Schedule = None) -> Rule:  # noqa: N802
    """Steepest descent."""
    return Rule("sgd", {"lr": lr, "weight_decay": weight_decay}, schedule, where=user_place())


def Momentum(  # noqa: N802
    lr: float, momentum: float = 0.9, weight_decay: float = 0.0, schedule: Schedule = None
) -> Rule:
    """Descent with a velocity: v = momentum*v + g, theta = theta - lr*v."""
    options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return Rule("momentum", options, schedule, where=user_place())


def Nesterov(  # noqa: N802
    lr: float, momentum: float = 0.9, weight_decay: float = 0.0, schedule: Schedule = None
) -> Rule:
    """Momentum that looks one step ahead."""
    options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    return Rule("nesterov", options, schedule, where=user_place())


def Adam(  # noqa: N802
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    schedule: Schedule = None,
) -> Rule:
    """Steps scaled by running means of the gradient and its square."""
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    return Rule("adam", options, schedule, where=user_place())


def OwnOptimizer(  # noqa: N802
    equations: str | Sequence[str],
    state: str | Sequence[str] = (),
    *,
    lr: float,
    name: str = "own",
    schedule: Schedule = None,
) -> Rule:
    """An update rule by equations of theta, g, lr, t and state vectors: ``theta_next[p] = theta[p] - lr*g[p]``."""
    return Rule(name, {"lr": lr}, schedule, equations, state, where=user_place())
