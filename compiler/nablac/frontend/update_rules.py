"""frontend/update_rules: the optimizers that come with nablac, each a row of equation text over one flat vector.

``theta[p]`` are all parameters in a row, ``g[p]`` their gradient, ``lr`` the learning rate, ``t`` the step, from 1.
What an equation calls ``v_next`` replaces ``v``; vectors other than theta start at 0.  A vector that the options leave
without a reader is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from nablac.frontend import lbfgs
from nablac.frontend.definition import Option, Value
from nablac.ir.tokens import Line


@dataclass(frozen=True)
class Rule:
    """A row: the name, its options, its state vectors and its equations.

    Where it has as many of them as an option says (``written``, an option's name), both are functions of that number.
    With ``search`` the rate is a length that a line search finds, which starts with the one that is given.
    """

    name: str
    options: tuple[Option, ...]
    state: tuple[str, ...]
    equations: tuple[str | Line, ...]
    help: str = ""
    written: tuple[str, Callable[[int], tuple[str, ...]], Callable[[int], tuple[str, ...]]] | None = None
    search: bool = False

    def for_options(self, values: Mapping[str, Value]) -> Rule:
        """The rule with its state and equations, of options that are known."""
        if self.written is None:
            return self
        option, state, equations = self.written
        return replace(self, state=state(int(values[option])), equations=equations(int(values[option])), written=None)


@dataclass(frozen=True)
class Around:
    """Equations that an option puts before every rule, over what the rule calls ``g``, or behind, over its theta_next.

    In the text the option's number is ``c``.  What goes before gives the ``g`` that the rule then reads; what goes
    behind has a state vector of the option's name.
    """

    option: Option
    equations: tuple[str, ...]

    @property
    def name(self) -> str:
        """The option's name."""
        return self.option.name


def _lr(default: float | None = None) -> Option:
    return Option("lr", float, default, low=0, high=1e6, above=True, help="the learning rate")


def _decay(default: float = 0.0) -> Option:
    return Option("weight_decay", float, default, low=0, high=1e6, help="the part of theta that is taken off")


def _eps(default: float) -> Option:
    return Option("eps", float, default, low=0, high=1, above=True, help="keeps the quotient finite")


def _kept(name: str, default: float, help: str) -> Option:
    return Option(name, float, default, low=0, high=0.9999999, help=help)


LR = _lr()
_DECAY = Option("weight_decay", float, 0.0, low=0, high=1e6, help="the factor of theta that is added to the gradient")
_SHRINKS = Option("weight_decay", float, 0.01, low=0, high=1e6, help="by which part of it, times lr, theta shrinks")
_SHRINKS_NOT = Option("weight_decay", float, 0.0, low=0, high=1e6, help="by which part of it, times lr, theta shrinks")
_MOMENTUM = Option("momentum", float, 0.9, low=0, high=1, help="the part of the velocity that is kept")
_LOOKING = Option("momentum", float, 0.9, low=0, high=1, above=True, help="the part of the velocity that is kept")
_SMOOTHED = Option("momentum", float, 0.0, low=0, high=1, help="the part of the velocity that is kept, if any")
_DAMPENING = Option("dampening", float, 0.0, low=0, high=1, help="the part of the gradient left out after step 1")
_MAXIMIZE = Option("maximize", bool, False, help="whether the loss is made large")
_AMSGRAD = Option("amsgrad", bool, False, help="whether the mean square in use never falls")
_CENTERED = Option("centered", bool, False, help="whether the squared mean is taken off the mean square")
_DECOUPLED = Option("decoupled", bool, False, help="whether weight decay acts on theta alone, as in adamw")
_BETA1 = Option("beta1", float, 0.9, low=0, high=0.999999, help="how slowly the mean forgets")
_BETA2 = _kept("beta2", 0.999, "how slowly the mean square forgets")
_RECTIFIED = Option("beta2", float, 0.999, low=0.7, high=0.9999999, help="how slowly the mean square forgets")
_FORGETTING = _kept("alpha", 0.99, "how slowly the mean square forgets")
_WARMING = Option("momentum_decay", float, 0.004, low=0, high=1e6, help="how fast the momentum reaches beta1")
_SLOWING = Option("lr_decay", float, 0.0, low=0, high=1e6, help="how fast the learning rate falls")
_FIRST = Option("initial", float, 0.0, low=0, high=1e6, help="what the sum of squares starts at")
_FALL = Option("eta_minus", float, 0.5, low=0, high=0.999999, above=True, help="the factor of a step that turned back")
_RISE = Option("eta_plus", float, 1.2, low=1, high=1e6, above=True, help="the factor of a step that went on")
_SMALLEST = Option("step_min", float, 1e-6, low=0, high=1e6, below="step_max", help="the smallest step")
_WIDEST = Option("step_max", float, 50.0, low=0, high=1e6, help="the largest step")

_G = "(1 - 2*maximize)*g[p]"
_D = f"{_G} + weight_decay*theta[p]"
_SHRUNK = "(1 - lr*weight_decay)*theta[p]"
_EITHER = (f"({_G} + (1 - decoupled)*weight_decay*theta[p])", "(1 - lr*decoupled*weight_decay)*theta[p]")
_UNDAMPED = "t == 1 or dampening == 0 or momentum == 0"
_LARGEST = "s_next[p] = where(amsgrad == 1, max(s[p], v_next[p]), 0)"
_ROOT = "sqrt(where(amsgrad == 1, s_next[p], v_next[p])/c2)"

BEFORE = (
    Around(
        Option("clip_value", float, None, low=0, high=1e6, above=True, help="a bound of the gradient's entries"),
        ("g[p] = clamp(gradient[p], -c, c)",),
    ),
    Around(
        Option("clip_norm", float, None, low=0, high=1e6, above=True, help="a bound of the gradient's norm"),
        (
            "norm = sqrt(sum[p](gradient[p]**2))",
            "scale = min(1, c/(norm + 1e-6))",
            "g[p] = scale*gradient[p]",
        ),
    ),
)
"""What may be done to the gradient before any rule, in this order.  As in PyTorch, 1e-6 keeps the quotient finite."""

BEHIND = (
    Around(
        Option("ema", float, None, low=0, high=0.9999999, above=True, help="how slowly the mean of theta forgets"),
        ("ema_next[p] = c*ema[p] + (1 - c)*theta_next[p]",),
    ),
)
"""What may be done behind any rule: ema/(1 - c**t) is the mean of all theta so far, later ones weighing more."""

AROUND = tuple(around.option for around in (*BEFORE, *BEHIND))
"""The options that every rule takes, if they are given."""

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "sgd",
            (LR, _DECAY, _MAXIMIZE),
            (),
            (f"theta_next[p] = theta[p] - lr*({_D})",),
            "steepest descent",
        ),
        Rule(
            "momentum",
            (LR, _MOMENTUM, _DECAY, _DAMPENING, _MAXIMIZE),
            ("v",),
            (
                f"v_next[p] = momentum*v[p] + where({_UNDAMPED}, 1, 1 - dampening)*({_D})",
                "theta_next[p] = theta[p] - lr*v_next[p]",
            ),
            "descent with a velocity",
        ),
        Rule(
            "heavy_ball",
            (LR, _MOMENTUM, _DECAY, _MAXIMIZE),
            ("v",),
            (f"v_next[p] = momentum*v[p] + lr*({_D})", "theta_next[p] = theta[p] - v_next[p]"),
            "momentum whose velocity holds the learning rate",
        ),
        Rule(
            "nesterov",
            (LR, _LOOKING, _DECAY, _MAXIMIZE),
            ("v",),
            (f"v_next[p] = momentum*v[p] + {_D}", f"theta_next[p] = theta[p] - lr*({_D} + momentum*v_next[p])"),
            "momentum that looks one step ahead",
        ),
        Rule(
            "adam",
            (_lr(0.001), _BETA1, _BETA2, _eps(1e-8), _DECAY, _AMSGRAD, _MAXIMIZE),
            ("m", "v", "s"),
            (
                "c1 = 1 - beta1**t",
                "c2 = 1 - beta2**t",
                f"m_next[p] = beta1*m[p] + (1 - beta1)*({_D})",
                f"v_next[p] = beta2*v[p] + (1 - beta2)*({_D})**2",
                _LARGEST,
                f"theta_next[p] = theta[p] - lr*(m_next[p]/c1)/({_ROOT} + eps)",
            ),
            "steps scaled by running means of the gradient and its square",
        ),
        Rule(
            "adamw",
            (_lr(0.001), _BETA1, _BETA2, _eps(1e-8), _SHRINKS, _AMSGRAD, _MAXIMIZE),
            ("m", "v", "s"),
            (
                "c1 = 1 - beta1**t",
                "c2 = 1 - beta2**t",
                f"m_next[p] = beta1*m[p] + (1 - beta1)*{_G}",
                "v_next[p] = beta2*v[p] + (1 - beta2)*g[p]**2",
                _LARGEST,
                f"theta_next[p] = {_SHRUNK} - lr*(m_next[p]/c1)/({_ROOT} + eps)",
            ),
            "adam whose weight decay acts on theta alone",
        ),
        Rule(
            "nadam",
            (_lr(0.002), _BETA1, _BETA2, _eps(1e-8), _DECAY, _WARMING, _DECOUPLED, _MAXIMIZE),
            ("m", "v", "u"),
            (
                "mu = beta1*(1 - 0.96**(t*momentum_decay)/2)",
                "ahead = beta1*(1 - 0.96**((t + 1)*momentum_decay)/2)",
                "c2 = 1 - beta2**t",
                "u_next[p] = 1 - mu*(1 - u[p])",
                f"m_next[p] = beta1*m[p] + (1 - beta1)*{_EITHER[0]}",
                f"v_next[p] = beta2*v[p] + (1 - beta2)*{_EITHER[0]}**2",
                f"step[p] = (1 - mu)*{_EITHER[0]}/u_next[p] + ahead*m_next[p]/(1 - ahead*(1 - u_next[p]))",
                f"theta_next[p] = {_EITHER[1]} - lr*step[p]/(sqrt(v_next[p]/c2) + eps)",
            ),
            "adam with Nesterov's look ahead; 1 - u is the product of all mu so far",
        ),
        Rule(
            "radam",
            (_lr(0.001), _BETA1, _RECTIFIED, _eps(1e-8), _DECAY, _DECOUPLED, _MAXIMIZE),
            ("m", "v"),
            (
                "c1 = 1 - beta1**t",
                "c2 = 1 - beta2**t",
                "last = 2/(1 - beta2) - 1",
                "rho = last - 2*t*beta2**t/c2",
                "r = where(rho > 5, sqrt((rho - 4)*(rho - 2)*last/((last - 4)*(last - 2)*rho)), 0)",
                f"m_next[p] = beta1*m[p] + (1 - beta1)*{_EITHER[0]}",
                f"v_next[p] = beta2*v[p] + (1 - beta2)*{_EITHER[0]}**2",
                "scale[p] = where(rho > 5, r*sqrt(c2)/(sqrt(v_next[p]) + eps), 1)",
                f"theta_next[p] = {_EITHER[1]} - lr*(m_next[p]/c1)*scale[p]",
            ),
            "adam that waits until the mean square is known well enough",
        ),
        Rule(
            "adamax",
            (_lr(0.002), _BETA1, _BETA2, _eps(1e-8), _DECAY, _MAXIMIZE),
            ("m", "u"),
            (
                "c1 = 1 - beta1**t",
                f"d[p] = {_D}",
                "m_next[p] = beta1*m[p] + (1 - beta1)*d[p]",
                "u_next[p] = max(beta2*u[p], abs(d[p]) + eps)",
                "theta_next[p] = theta[p] - lr*m_next[p]/(c1*u_next[p])",
            ),
            "adam with a running maximum in place of the mean square",
        ),
        Rule(
            "adagrad",
            (_lr(0.01), _SLOWING, _DECAY, _FIRST, _eps(1e-10), _MAXIMIZE),
            ("s",),
            (
                f"d[p] = {_D}",
                "s_next[p] = s[p] + d[p]**2",
                "theta_next[p] = theta[p] - lr/(1 + (t - 1)*lr_decay)*d[p]/(sqrt(s_next[p] + initial) + eps)",
            ),
            "steps scaled by the sum of all squared gradients",
        ),
        Rule(
            "rmsprop",
            (_lr(0.01), _FORGETTING, _eps(1e-8), _DECAY, _SMOOTHED, _CENTERED, _MAXIMIZE),
            ("v", "m", "b"),
            (
                f"d[p] = {_D}",
                "v_next[p] = alpha*v[p] + (1 - alpha)*d[p]**2",
                "m_next[p] = where(centered == 1, alpha*m[p] + (1 - alpha)*d[p], 0)",
                "step[p] = d[p]/(sqrt(v_next[p] - where(centered == 1, m_next[p], 0)**2) + eps)",
                "b_next[p] = where(momentum > 0, momentum*b[p] + step[p], 0)",
                "theta_next[p] = theta[p] - lr*where(momentum > 0, b_next[p], step[p])",
            ),
            "steps scaled by a running mean of the squared gradient",
        ),
        Rule(
            "adadelta",
            (_lr(1.0), _kept("rho", 0.9, "how slowly the mean squares forget"), _eps(1e-6), _DECAY, _MAXIMIZE),
            ("v", "u"),
            (
                f"d[p] = {_D}",
                "v_next[p] = rho*v[p] + (1 - rho)*d[p]**2",
                "step[p] = d[p]*sqrt(u[p] + eps)/sqrt(v_next[p] + eps)",
                "u_next[p] = rho*u[p] + (1 - rho)*step[p]**2",
                "theta_next[p] = theta[p] - lr*step[p]",
            ),
            "steps scaled by running means of the squared steps and gradients",
        ),
        Rule(
            "rprop",
            (_lr(0.01), _FALL, _RISE, _SMALLEST, _WIDEST, _MAXIMIZE),
            ("h", "s"),
            (
                f"turn[p] = {_G}*h[p]",
                "factor[p] = where(turn[p] > 0, eta_plus, where(turn[p] < 0, eta_minus, 1))",
                "s_next[p] = clamp(where(t == 1, lr, s[p])*factor[p], step_min, step_max)",
                f"h_next[p] = where(turn[p] < 0, 0, {_G})",
                "theta_next[p] = theta[p] - sign(h_next[p])*s_next[p]",
            ),
            "steps by the gradient's sign alone, for full batches",
        ),
        Rule(
            "lion",
            (_lr(0.0001), _BETA1, _kept("beta2", 0.99, "how slowly the mean forgets"), _SHRINKS_NOT, _MAXIMIZE),
            ("m",),
            (
                f"theta_next[p] = {_SHRUNK} - lr*sign(beta1*m[p] + (1 - beta1)*{_G})",
                f"m_next[p] = beta2*m[p] + (1 - beta2)*{_G}",
            ),
            "steps by the sign of a running mean",
        ),
        Rule(
            "lbfgs",
            (_lr(1.0), Option("history", int, 10, low=1, high=50, help="how many pairs of steps and changes are kept")),
            (),
            (),
            "steps by the inverse Hessian that the last steps tell, for full batches",
            ("history", lbfgs.state, lbfgs.equations),
            search=True,
        ),
    )
}
