"""lint/rules: the table of rules, and the door of this package: ``lint`` looks at a compiled model by all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nablac.lint.association import association
from nablac.lint.cancelled import cancelled
from nablac.lint.domains import domains
from nablac.lint.finding import Finding
from nablac.lint.kinks import kinks
from nablac.lint.saturation import saturation
from nablac.lint.stopped import stopped
from nablac.lint.study import Study
from nablac.lint.unused import unused
from nablac.pipeline import Compiled

Rule = Callable[[Study], Iterator[Finding]]

RULES: dict[str, tuple[Rule, str]] = {
    "unused": (unused, "a parameter that does not reach the loss; an input or an equation that nothing needs"),
    "zero-gradient": (stopped, "a gradient that is zero everywhere, and the equation that stops it"),
    "domain": (domains, "a log, root, division or power whose argument is not known to lie in its domain"),
    "saturation": (saturation, "a prediction that saturates with a loss that does not make up for it"),
    "cancelled": (cancelled, "a parameter that a normalisation takes out again"),
    "kink": (kinks, "a formula that meets a kink where the declared derivatives give no subgradient"),
    "association": (association, "a product that another order would compute at a tenth of the cost"),
}
"""Each rule by its id, with what it finds."""


def lint(compiled: Compiled) -> tuple[Finding, ...]:
    """What is likely a mistake in a model, rule by rule, each in the order of the equations."""
    study = Study(compiled)
    return tuple(finding for rule, _ in RULES.values() for finding in rule(study))
