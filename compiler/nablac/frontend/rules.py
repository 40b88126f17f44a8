"""frontend/rules: optimizers and schedules as the Python front-end writes them: ``nc.Adam(lr=0.01)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nablac.errors import Place, TraceError
from nablac.frontend.model import Optimizer
from nablac.frontend.optimizers import RULES, formula_schedule, make_optimizer, named_schedule, own_rule
from nablac.frontend.places import user_place
from nablac.ir.syntax import Line

Schedule = str | Mapping[str, Mapping[str, float]] | None
"""A formula of lr0, epoch and epochs, or a name with options: ``{"step": {"every": 10, "gamma": 0.5}}``."""


@dataclass(frozen=True)
class Rule:
    """An optimizer to be: its name and options, or equations and state of one's own."""

    name: str
    options: Mapping[str, float]
    schedule: str | Mapping[str, Mapping[str, float]] | None = None
    equations: Sequence[str] = ()
    state: Sequence[str] = ()
    where: Place | None = field(default=None, compare=False)

    def make(self, dtype: str = "float32", epochs: int = 1) -> Optimizer:
        """The optimizer for a model of some dtype, trained for some epochs."""
        places = {"": self.where}
        row = own_rule(self.equations, self.state, self.name) if self.equations else RULES[self.name]
        schedule = None
        if isinstance(self.schedule, str):
            line = Line(self.schedule, self.where or Place("<python>"), exact=False)
            schedule = formula_schedule(line, epochs)
        elif self.schedule is not None:
            if len(self.schedule) != 1:
                raise TraceError("a schedule has one name", found=str(self.schedule), where=self.where)
            ((name, options),) = self.schedule.items()
            schedule = named_schedule(name, options, places)
        return make_optimizer(row, self.options, schedule=schedule, dtype=dtype, where=places)


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
    equations: Sequence[str], state: Sequence[str] = (), *, lr: float, name: str = "own", schedule: Schedule = None
) -> Rule:
    """An update rule by equations of theta, g, lr, t and state vectors: ``theta_next[p] = theta[p] - lr*g[p]``."""
    return Rule(name, {"lr": lr}, schedule, tuple(equations), tuple(state), where=user_place())
