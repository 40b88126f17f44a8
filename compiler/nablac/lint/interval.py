"""lint/interval: sets of real numbers as intervals with open or closed ends, and arithmetic on them.

Ends are floats: what matters is the sign and which end belongs to the set, and 0 and 1 are exact.  An infinite end
never belongs to it.  ``nonzero`` takes 0 out of an interval that reaches over it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

INFINITY = math.inf
LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Interval:
    """The numbers between two ends.

    >>> print(Interval(0, INFINITY, low_open=True) + Interval(1, 1))
    (1, inf)
    """

    low: float = -INFINITY
    high: float = INFINITY
    low_open: bool = False
    high_open: bool = False
    nonzero: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", min(self.low, LARGEST))
        object.__setattr__(self, "high", max(self.high, -LARGEST))
        object.__setattr__(self, "low_open", self.low_open or self.low == -INFINITY or (self.nonzero and self.low == 0))
        object.__setattr__(
            self, "high_open", self.high_open or self.high == INFINITY or (self.nonzero and self.high == 0)
        )
        object.__setattr__(self, "nonzero", self.nonzero and self.low < 0 < self.high)

    def __str__(self) -> str:
        text = f"{'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"
        return f"{text} without 0" if self.nonzero else text

    # --- questions ----------------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether no number is in it."""
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    @property
    def is_positive(self) -> bool:
        """Whether all of it lies above 0."""
        return self.low > 0 or (self.low == 0 and self.low_open)

    @property
    def is_nonnegative(self) -> bool:
        """Whether none of it lies below 0."""
        return self.low >= 0

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 is not in it."""
        return self.nonzero or self.is_positive or (-self).is_positive

    def is_within(self, other: Interval) -> bool:
        """Whether all of it lies in another."""
        low = self.low > other.low or (self.low == other.low and (self.low_open or not other.low_open))
        high = self.high < other.high or (self.high == other.high and (self.high_open or not other.high_open))
        return self.is_empty or (low and high and (self.excludes_zero or not other.nonzero))

    # --- sets ---------------------------------------------------------------------------------------------------------

    def meet(self, other: Interval) -> Interval:
        """What is in both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not closed, self.excludes_zero or other.excludes_zero)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        low, low_open = min((self.low, self.low_open), (other.low, other.low_open))
        high, closed = max((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not closed, self.excludes_zero and other.excludes_zero)

    # --- arithmetic ---------------------------------------------------------------------------------------------------

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low, self.high_open, self.low_open, self.nonzero)

    def __add__(self, other: Interval) -> Interval:
        return Interval(
            self.low + other.low, self.high + other.high, self.low_open or other.low_open,
            self.high_open or other.high_open,
        )  # fmt: skip

    def __mul__(self, other: Interval) -> Interval:
        ends = [
            _product(a, a_open, b, b_open)
            for a, a_open in ((self.low, self.low_open), (self.high, self.high_open))
            for b, b_open in ((other.low, other.low_open), (other.high, other.high_open))
        ]
        low, low_open = min(ends)
        high, closed = max((value, not is_open) for value, is_open in ends)
        return Interval(low, high, low_open, not closed, self.excludes_zero and other.excludes_zero)

    def reciprocal(self) -> Interval:
        """1/x of its numbers, all real numbers if 0 is among them."""
        if self.is_positive:
            high = INFINITY if self.low == 0 else 1 / self.low
            return Interval(0.0 if self.high == INFINITY else 1 / self.high, high, self.high_open, self.low_open)
        if (-self).is_positive:
            return -(-self).reciprocal()
        return Interval(nonzero=self.nonzero)

    def magnitude(self) -> Interval:
        """|x| of its numbers."""
        if self.is_nonnegative:
            return self
        if self.high <= 0:
            return -self
        high, closed = max((-self.low, not self.low_open), (self.high, not self.high_open))
        return Interval(0.0, high, self.nonzero, not closed)

    def power(self, exponent: int) -> Interval:
        """x**exponent of its numbers."""
        if exponent < 0:
            return self.power(-exponent).reciprocal()
        if exponent == 0:
            return point(1.0)
        base = self.magnitude() if exponent % 2 == 0 else self
        return base.rising(lambda x: _power(x, exponent))

    def rising(self, function: Callable[[float], float]) -> Interval:
        """The image under a function that rises and keeps 0 apart if it keeps it at all."""
        low, high = function(self.low), function(self.high)
        zero_stays = self.nonzero and function(0.0) == 0.0
        return Interval(low, high, self.low_open, self.high_open, zero_stays)


def point(value: float) -> Interval:
    """One number."""
    return Interval(value, value)


ALL = Interval()
POSITIVE = Interval(low=0.0, low_open=True)
NONNEGATIVE = Interval(low=0.0)
NOTHING = Interval(1.0, 0.0)


def _product(a: float, a_open: bool, b: float, b_open: bool) -> tuple[float, bool]:
    """An end of a product and whether it is missing; 0 times anything that is there is 0."""
    if a == 0 or b == 0:
        return 0.0, not ((a == 0 and not a_open) or (b == 0 and not b_open))
    return a * b, a_open or b_open


def _power(x: float, exponent: int) -> float:
    try:
        return math.copysign(1, x) ** exponent * abs(x) ** exponent
    except OverflowError:
        return INFINITY * math.copysign(1, x) ** exponent
