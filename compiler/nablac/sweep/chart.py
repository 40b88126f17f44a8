"""sweep/chart: the rows of a sweep as parallel coordinates, an SVG drawn by hand that needs no script to be read.

An axis for each key that takes several values, then one for each measure; a line for each setting, the best on top.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from nablac.sweep.results import Results, Row, shown_number

TOP, HEIGHT, SIDE, GAP, FOOT = 46, 300, 90, 150, 44
SHADES = 8
WIDE = 50
"""How many times the smallest the largest value is on an axis that goes by the logarithm."""
FEW = 9


@dataclass(frozen=True)
class Axis:
    """A name, where a row's value lies (0 at the foot to 1 at the top; None for none), and marks with their texts."""

    name: str
    place: Callable[[Row], float | None]
    marks: tuple[tuple[float, str], ...]
    scale: str


def axes(results: Results) -> list[Axis]:
    """Those of the keys, and of the measures with the one the table is sorted by last."""
    rows, made = results.rows, []
    for index, key in enumerate(results.plan.keys):
        if len({row.values[index] for row in rows}) > 1:
            made.append(_key_axis(key, [row.values[index] for row in rows], index))
    part = results.by.split("_")[0]
    for name in [*(name for name in results.shown[1:] if name.startswith(part)), results.by]:
        found = [row.measures[name][0] for row in rows if name in row.measures]
        finite = [value for value in found if math.isfinite(value)]
        if finite:
            made.append(_measure_axis(name, finite))
    return made


def _key_axis(key: str, texts: Sequence[str], index: int) -> Axis:
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(texts):
        names = sorted(set(texts))
        places = {name: (k + 0.5) / len(names) for k, name in enumerate(names)}
        return Axis(key, lambda row: places[row.values[index]], tuple((at, name) for name, at in places.items()), "")
    at, log = _scale(known)
    values = sorted(set(known))
    marks = values if len(values) <= FEW else _ticks(values[0], values[-1], log)
    shown = tuple((at(value), f"{value:g}") for value in marks)
    return Axis(key, lambda row: at(float(row.values[index])), shown, "log" if log else "")


def _measure_axis(name: str, values: Sequence[float]) -> Axis:
    at, log = _scale(values)

    def place(row: Row) -> float | None:
        value = row.measures.get(name, (math.nan, 0.0))[0]
        return at(value) if math.isfinite(value) else None

    marks = tuple((at(value), shown_number(value)) for value in _ticks(min(values), max(values), log))
    return Axis(name, place, marks, "log" if log else "")


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?", text) and text.count(".") < 2 else None


def _scale(values: Sequence[float]) -> tuple[Callable[[float], float], bool]:
    """Where a value lies between the smallest and the largest, and whether by the logarithm."""
    low, high = min(values), max(values)
    log = low > 0 and high / low >= WIDE
    first, last = (math.log(low), math.log(high)) if log else (low, high)
    length = last - first
    return lambda value: ((math.log(value) if log else value) - first) / length if length else 0.5, log


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers from the lower end to the upper one, and the ends where there is none."""
    if log:
        decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        found = [10.0**k for k in decades][:: max(1, len(decades) // 6)]
    else:
        step = 10.0 ** math.floor(math.log10((high - low) or 1))
        step = next((s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= 6), 2 * step)
        first = math.ceil(low / step - 1e-9)
        found = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return found if len(found) > 1 else [low, high] if low < high else [low]


def chart(results: Results) -> str:
    """The drawing, or nothing where there is no axis."""
    columns, rows = axes(results), results.rows
    if len(columns) < 2:
        return ""
    width, height = 2 * SIDE + GAP * (len(columns) - 1), TOP + HEIGHT + FOOT
    best_first = [row.setting for row in rows]
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="Parallel coordinates of the settings and their {escape(results.by)}">'
    ]
    parts += [_line(row, columns, best_first.index(row.setting) / max(1, len(rows) - 1)) for row in reversed(rows)]
    parts += [_axis(axis, k) for k, axis in enumerate(columns)]
    return "\n".join([*parts, "</svg>"])


def _line(row: Row, columns: Sequence[Axis], rank: float) -> str:
    """A row's line; where it has no measure it goes below the axes."""
    points = []
    for k, axis in enumerate(columns):
        at = axis.place(row)
        points.append((SIDE + GAP * k, TOP + HEIGHT + FOOT / 2 if at is None else TOP + HEIGHT * (1 - at)))
    path = f"M{points[0][0]} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        path += f"C{x0 + GAP / 3:.0f} {y0:.1f} {x1 - GAP / 3:.0f} {y1:.1f} {x1} {y1:.1f}"
    lost = any(axis.place(row) is None for axis in columns)
    shade = "lost" if lost else f"shade{min(SHADES - 1, int(rank * SHADES))}"
    heights = " ".join(f"{y:.1f}" for _, y in points)
    return f'<path class="line {shade}" data-setting="{row.setting}" data-at="{heights}" d="{path}"/>'


def _axis(axis: Axis, number: int) -> str:
    x, foot = SIDE + GAP * number, TOP + HEIGHT
    scale = f' <tspan class="scale">{axis.scale}</tspan>' if axis.scale else ""
    parts = [
        f'<g class="axis" data-axis="{number}">',
        f'<text class="name" x="{x}" y="{TOP - 22}">{escape(_short(axis.name, 22))}{scale}</text>',
        f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{foot}"/>',
    ]
    for at, text in axis.marks:
        y = foot - HEIGHT * at
        parts.append(f'<line x1="{x - 4}" y1="{y:.1f}" x2="{x}" y2="{y:.1f}"/>')
        parts.append(f'<text class="mark" x="{x - 7}" y="{y + 4:.1f}">{escape(_short(text, 16))}</text>')
    parts.append(f'<rect class="reach" x="{x - 14}" y="{TOP - 8}" width="28" height="{HEIGHT + 16}"/></g>')
    return "\n".join(parts)


def _short(text: str, most: int) -> str:
    """The end of a dotted path tells more than its beginning."""
    return text if len(text) <= most else "…" + text[-(most - 1) :]
