"""frontend/lbfgs: the two-loop recursion of L-BFGS as equations, written out for each pair that is kept.

A pair is a step ``s`` and the change ``y`` of the gradient over it.  ``s1, y1`` are the oldest, and 0 until there are
so many.  The direction ``d`` is -H g, H being the inverse Hessian that the pairs tell; ``lr`` is how far a line search
goes along it.
"""

from __future__ import annotations


def state(pairs: int) -> tuple[str, ...]:
    """The pairs, and theta and the gradient as they were a step ago."""
    return (*(f"{letter}{k}" for letter in "sy" for k in range(1, pairs + 1)), "last", "h")


def equations(pairs: int) -> tuple[str, ...]:
    """A new pair takes the place of the oldest if it tells of a minimum; then the recursion back and forth.

    >>> equations(1)[3:5]
    ('s1_next[p] = where(taken == 1, s[p], s1[p])', 'y1_next[p] = where(taken == 1, y[p], y1[p])')
    """
    numbers = range(1, pairs + 1)
    after = {pairs: ("s", "y")} | {k: (f"s{k + 1}", f"y{k + 1}") for k in numbers[:-1]}
    lines = [
        "s[p] = theta[p] - last[p]",
        "y[p] = g[p] - h[p]",
        "taken = where(t > 1 and sum[p](s[p]*y[p]) > 1e-10*sum[p](y[p]**2), 1, 0)",
    ]
    for k in numbers:
        lines.append(f"s{k}_next[p] = where(taken == 1, {after[k][0]}[p], s{k}[p])")
        lines.append(f"y{k}_next[p] = where(taken == 1, {after[k][1]}[p], y{k}[p])")
        lines.append(f"c{k} = sum[p](s{k}_next[p]*y{k}_next[p])")
    lines.append(f"q{pairs + 1}[p] = g[p]")
    for k in reversed(numbers):
        lines.append(f"a{k} = where(c{k} > 0, sum[p](s{k}_next[p]*q{k + 1}[p])/c{k}, 0)")
        lines.append(f"q{k}[p] = q{k + 1}[p] - a{k}*y{k}_next[p]")
    lines.append(f"gamma = where(c{pairs} > 0, c{pairs}/sum[p](y{pairs}_next[p]**2), 1)")
    lines.append("r1[p] = gamma*q1[p]")
    for k in numbers:
        lines.append(f"b{k} = where(c{k} > 0, sum[p](y{k}_next[p]*r{k}[p])/c{k}, 0)")
        lines.append(f"r{k + 1}[p] = r{k}[p] + (a{k} - b{k})*s{k}_next[p]")
    lines += ["last_next[p] = theta[p]", "h_next[p] = g[p]", f"d[p] = -r{pairs + 1}[p]"]
    return (*lines, "theta_next[p] = theta[p] + lr*d[p]")
