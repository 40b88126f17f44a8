"""sweep/settings: the texts ``KEY=VALUES`` -> the settings of a sweep: every combination, or random draws.

Values are read by the rules of YAML, as in a spec; a range is written ``LOW..HIGH``, with ``log`` behind it where the
logarithm is what is drawn evenly.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nablac.errors import NablacError, Place, SpecError
from nablac.frontend.yaml_reader import Path, read_yaml

MOST = 10_000
"""Settings of one sweep."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+(\w+))?\s*")
_DIGITS = 4
"""Of a number that is drawn: as many as can be read, and typed again."""


@dataclass(frozen=True)
class Value:
    """One value of a key: as it is shown, as plain data, and the texts of its scalars by their paths below it."""

    text: str
    data: Any
    written: Mapping[Path, str]


@dataclass(frozen=True)
class Range:
    """Numbers to draw from, both ends among them; whole ones if both ends are."""

    low: float
    high: float
    log: bool
    whole: bool

    def draw(self, random: np.random.Generator) -> Value:
        """One of them, rounded to four digits."""
        part = random.random()
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        if self.whole:  # each number has the room from half below it to half above
            low, high = (math.log(end) if self.log else end for end in (self.low - 0.5, self.high + 0.5))
        drawn = low + part * (high - low)
        drawn = math.exp(drawn) if self.log else drawn
        number = round(drawn) if self.whole else float(f"{drawn:.{_DIGITS}g}")
        number = type(number)(min(max(number, self.low), self.high))
        return Value(f"{number!r}", number, {(): repr(number)})


@dataclass(frozen=True)
class Setting:
    """A key of the spec, the values it takes, and where that was asked for."""

    key: str
    values: tuple[Value, ...] | Range
    where: Place


def read_settings(texts: Sequence[str]) -> tuple[Setting, ...]:
    """The settings of a command line.

    >>> (lr,) = read_settings(["optimizer.adam.lr=1e-3, 1e-2"])
    >>> lr.key, [value.data for value in lr.values]
    ('optimizer.adam.lr', [0.001, 0.01])
    """
    settings: list[Setting] = []
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        where = Place(f"--set {text}"[:200])
        if not equals or not key or not values or not all(key.split(".")):
            raise SpecError("a setting is a key and its values", where=where, expected="such as train.epochs=10,20")
        if key in {setting.key for setting in settings}:
            raise SpecError(f"'{key}' is set twice", where=where, remedy="give all its values at once: KEY=A,B")
        settings.append(Setting(key, _range(values, where) or _list(values, where), where))
    return tuple(settings)


def _range(text: str, where: Place) -> Range | None:
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    low, high, word = found.groups()
    ends = float(low), float(high)
    log, whole = word == "log", bool(re.fullmatch(r"[-+]?\d+", low) and re.fullmatch(r"[-+]?\d+", high))
    if word not in (None, "log") or not ends[0] < ends[1] < 1e300 or ends[0] < -1e300 or (log and ends[0] <= 0):
        raise SpecError(
            "this is no range",
            found=text[:60],
            expected="LOW..HIGH or LOW..HIGH log, the lower end first, and above 0 for log",
            where=where,
        )
    return Range(*ends, log, whole)


def _list(text: str, where: Place) -> tuple[Value, ...]:
    try:
        document = read_yaml(f"[{text}]", str(where))
    except NablacError as error:
        remedy = "a value with a comma, a colon or brackets is put in quotes"
        raise SpecError(error.subject, found=error.found, where=where, remedy=remedy) from None
    items = document.data
    if not isinstance(items, list) or not items or any(item is None for item in items):
        raise SpecError("a setting has values between its commas", found=text[:60], where=where)
    values = []
    for number, item in enumerate(items):
        below = {path[1:]: line.text for path, line in document.written.items() if path[0] == number}
        values.append(Value(_shown(item, below), item, below))
    texts = [value.text for value in values]
    if len(set(texts)) < len(texts):
        raise SpecError(f"the value {max(texts, key=texts.count)} is given twice", where=where, remedy="give it once")
    return tuple(values)


def _shown(item: Any, written: Mapping[Path, str], path: Path = ()) -> str:
    if isinstance(item, dict):
        return "{" + ", ".join(f"{key}: {_shown(value, written, (*path, key))}" for key, value in item.items()) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(_shown(value, written, (*path, k)) for k, value in enumerate(item)) + "]"
    return written[path]


def grid(settings: Sequence[Setting]) -> Iterator[tuple[Value, ...]]:
    """Every combination; the last key changes first."""
    lists = []
    for setting in settings:
        if isinstance(setting.values, Range):
            raise SpecError(
                f"'{setting.key}' has a range, and a grid needs its values",
                where=setting.where,
                remedy="give a list, A,B,C, or draw at random: --random 20",
            )
        lists.append(setting.values)
    count = math.prod(len(values) for values in lists)
    if count > MOST:
        raise SpecError(
            "the sweep is too large",
            found=f"{count:,} settings",
            expected=f"at most {MOST:,}",
            remedy="draw some of them at random: --random 100",
        )
    return itertools.product(*lists)


def draws(settings: Sequence[Setting], count: int, seed: int) -> Iterator[tuple[Value, ...]]:
    """So many random draws.  Each key has random numbers of its own, so that more draws begin with the same ones."""
    randoms = [np.random.default_rng([seed, zlib.crc32(setting.key.encode())]) for setting in settings]
    for _ in range(count):
        yield tuple(
            setting.values.draw(random)
            if isinstance(setting.values, Range)
            else setting.values[int(random.integers(len(setting.values)))]
            for setting, random in zip(settings, randoms, strict=True)
        )
