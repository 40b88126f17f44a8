"""emit/initialisers: the functions that draw what NumPy's generators have no method for, as text for the module."""

from __future__ import annotations

from collections.abc import Sequence

from nablac.ir.tensor import Tensor

TEXTS: dict[str, str] = {
    "orthogonal": '''\
def _orthogonal(random, gain, shape):
    """Rows, or columns if there are fewer, at right angles: Q of a normal draw's QR, signed so that R's are plus."""
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(random.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.copysign(1, np.diag(r))
    return gain * (q if rows >= columns else q.T).reshape(shape)''',
    "truncated_normal": '''\
def _truncated_normal(random, mean, deviation, shape):
    """Normal, drawn again where it is more than two deviations off."""
    drawn = random.normal(size=shape)
    while (far := abs(drawn) > 2).any():
        drawn[far] = random.normal(size=far.sum())
    return mean + deviation * drawn''',
}
"""By the name of the distribution; a function takes a generator, the distribution's numbers and the shape."""


def initialisers(parameters: Sequence[Tensor]) -> tuple[str, str]:
    """The functions that a model needs, and the expression of the module that gives a parameter's distribution."""
    used = {t.initialiser.name for t in parameters if t.initialiser}
    texts = [text for name, text in TEXTS.items() if name in used]
    if not texts:
        return "", "getattr(_random(seed, stream), rule)"
    rules = ", ".join(f'"{name}": _{name}' for name in TEXTS if name in used)
    chosen = f'''\
def _drawn(random, rule):
    """The distribution of a name: a function of its numbers and a shape."""
    own = {{{rules}}}.get(rule)
    return (lambda *numbers: own(random, *numbers)) if own else getattr(random, rule)'''
    return "\n\n\n".join([*texts, chosen]), "_drawn(_random(seed, stream), rule)"
