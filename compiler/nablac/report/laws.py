"""report/laws: what a law or a pass is called in a report, and what it states."""

from __future__ import annotations

from collections.abc import Mapping

from nablac.algebra.laws import ALL, SHORT
from nablac.passes import logsum, resolve, scale, select, share, shift

IDENTITIES: Mapping[str, str] = {
    **{law.name: law.identity for law in (*ALL, *SHORT)},
    "saved output": "the derivative in terms of the value that the forward pass keeps",
    share.LAW: "what an equation computes already is read from it",
    shift.LAW: "sum[k](exp(z[k])) = exp(m)*sum[k](exp(z[k] - m)) with m = max[k](z[k])",
    resolve.LAW: "a sum whose value another equation or a definition gives is not summed again",
    scale.LAW: "sum[k](2*u[k]) = 2*sum[k](u[k])",
    logsum.LAW: "log(1 + sum[k](exp(z[k]))) = softplus(log(sum[k](exp(z[k]))))",
    select.LAW: "sum[k](where(k == y, f(k), 0)) = f(y)",
}
"""The laws of the tables and those that are passes, each with its identity."""

PASSES: Mapping[str, str] = {
    "trace": "as it was derived",
    "canonicalise": "copies and constants are put into their readers",
    "select": "a choice under a sum picks its term",
    "logsum": "a sum of exponentials beside a number in a logarithm is read by its own logarithm",
    "resolve": "sums whose value is known are not summed again",
    "scale": "numbers stand outside sums",
    "stabilise": "the laws are applied, definitions written out where that lets one fire",
    "contract": "products in the cheapest order, factors out of sums that do not run over them",
    "inline": "an elementwise equation goes into its only reader",
    "shift": "sums of exponentials are shifted by their maximum",
    "shorten": "the laws that only shorten",
    "share": "what is computed already is read",
    "read in place": "no equation of its own any more: its readers hold it, or an equal equation stands for it",
}
"""What each pass does, in a phrase."""


def identity(law: str) -> str:
    """What a law states."""
    return IDENTITIES[law]
