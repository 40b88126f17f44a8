"""emit/numpy_helpers: the stable NumPy spellings of the language's functions, as text to be put into a module.

Each keeps the dtype it is given and is written only where a formula uses it.  Their names start with ``_np_``, which
no tensor's local name can.
"""

from __future__ import annotations

SIGMOID = '''\
def _np_sigmoid(x):
    """1/(1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)'''

SOFTPLUS = '''\
def _np_softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))'''

LOGCOSH = '''\
def _np_logcosh(x):
    """log(cosh(x)), without overflow, and without cancellation near 0."""
    a = np.abs(x)
    small = np.minimum(a, 1)
    return np.where(a < 1, np.log1p(2 * np.sinh(small / 2) ** 2), a + np.log1p(np.exp(-2 * a)) - 0.6931471805599453)'''

LOG1MEXP = '''\
def _np_log1mexp(x):
    """log(1 - exp(-x)) for x > 0, accurate at both ends."""
    return np.where(x < 0.6931471805599453, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x)))'''

EXPREL = '''\
def _np_exprel(x, order):
    """The derivative of the given order of (exp(x) - 1)/x, which is the integral of t**order * exp(x*t) over [0, 1].

    Within 20 of 0, a series of positive terms on either side; beyond, the recurrence by integration by parts.
    """
    near, far = np.clip(x, -20, 20), np.where(np.abs(x) > 20, x, 20)
    rise = np.ones_like(near)
    fall = rise / (order + 1)
    total, decay = fall, fall
    for m in range(1, 90):
        rise = rise * near / m
        total = total + rise / (m + order + 1)
        fall = -fall * near / (order + 1 + m)
        decay = decay + fall
    by_parts = np.expm1(far) / far
    for k in range(1, order + 1):
        by_parts = (np.exp(far) - k * by_parts) / far
    return np.where(np.abs(x) > 20, by_parts, np.where(x >= 0, total, np.exp(near) * decay))'''

ERF = '''\
def _np_erf(x):
    """The error function, element by element."""
    from math import erf

    return np.vectorize(erf, otypes=[np.float64])(x).astype(x.dtype)'''

UNIFORM = '''\
def _np_uniform(seed, step, stream, number, dtype):
    """Evenly from [0, 1), a function of its arguments alone: Philox2x32-10 (Salmon et al., SC 2011)."""
    low, mask, seed = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(seed)
    key = (seed ^ (seed >> low) ^ np.uint64(stream)) & mask
    one, two = np.asarray(number).astype(np.uint64) & mask, np.uint64(step) & mask
    for _ in range(10):
        product = np.uint64(0xD256D193) * one
        one, two, key = (product >> low) ^ key ^ two, product & mask, (key + np.uint64(0x9E3779B9)) & mask
    return dtype(one >> np.uint64(8)) * dtype(2**-24)'''

HELPERS: dict[str, str] = {
    "_np_sigmoid": SIGMOID,
    "_np_softplus": SOFTPLUS,
    "_np_logcosh": LOGCOSH,
    "_np_log1mexp": LOG1MEXP,
    "_np_exprel": EXPREL,
    "_np_erf": ERF,
    "_np_uniform": UNIFORM,
}
"""Every helper by its name, in the order in which they are written."""
