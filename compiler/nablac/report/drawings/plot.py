"""drawings/plot: the loss along the negative gradient as SVG: the true curve, the tangent and the parabola."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import numpy as np

from nablac.report.drawings.circuit import MINUS
from nablac.report.numbers.taylor import Expansion

WIDTH, HEIGHT = 440, 430
"""So wide that it need not be cut on a telephone."""
LEFT, RIGHT, TOP, BOTTOM = 78, 18, 112, 52
ROW = 18
"""Names of curves and of marks stand above the frame, a row each, where no curve runs."""
LETTER = 7.5
TICKS = 5
LARGEST = 1e300
"""Beyond it differences overflow, and nothing can be drawn to scale."""

COLOURS = {
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#59636e", "#9aa4af"),
    "grid": ("#d8dee4", "#30363d"),
    "actual": ("#1a5fb4", "#79b8ff"),
    "first": ("#a15c00", "#e3b341"),
    "second": ("#c5221f", "#ff7b72"),
}
"""Name -> colour on light and on dark ground."""


def can_be_drawn(expanded: Expansion) -> bool:
    """Whether there is a loss to begin from, and a slope and a curvature there."""
    return all(abs(number) < LARGEST for number in (expanded.loss, expanded.slope, expanded.curvature))


def plot(expanded: Expansion) -> str:
    """The drawing: loss over learning rate; of an expansion that ``can_be_drawn``."""
    rates = [rate for rate, _ in expanded.curve]
    curves = {
        "actual": [loss for _, loss in expanded.curve],
        "first": [expanded.predicted(rate, 1) for rate in rates],
        "second": [expanded.predicted(rate, 2) for rate in rates],
    }
    frame = _Frame(rates, curves, expanded.loss)
    names = {"actual": f"{expanded.of}(θ − η·g)", "first": "first order", "second": "second order"}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="np" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-labelledby="np-title" style="width:100%;height:auto;max-width:{WIDTH}px">',
        f'<title id="np-title">{escape(f"{expanded.of} after one step, over the learning rate")}</title>',
        _style(),
        *frame.axes(expanded.of),
        *frame.marks(expanded),
        *(frame.line(name, rates, curves[name]) for name in ("first", "actual", "second")),
        *_legend(names),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    light = "".join(f"--np-{name}:{colour};" for name, (colour, _) in COLOURS.items())
    dark = "".join(f"--np-{name}:{colour};" for name, (_, colour) in COLOURS.items())
    rules = "".join(
        f".np .np-{name}{{stroke:var(--np-{name})}}.np text.np-{name}{{fill:var(--np-{name});stroke:none}}"
        for name in COLOURS
    )
    return (
        f"<style>:where(.np){{{light}}}\n@media (prefers-color-scheme:dark){{:where(.np){{{dark}}}}}\n"
        ".np text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px}"
        f"{rules}</style>"
    )


class _Frame:
    """The scales, and what is drawn to scale.  What runs out of the frame, as a tangent soon does, is cut off."""

    def __init__(self, rates: Sequence[float], curves: dict[str, list[float]], start: float) -> None:
        self.reach = rates[-1]
        true = [v for v in curves["actual"] if abs(v) < LARGEST]
        low, high = min(*true, start), max(*true, start)
        fall = [v for v in curves["second"] if start - 4 * (high - low) <= v <= high + (high - low)]
        low, high = min(low, *fall, start), max(high, *fall, start)
        room = 0.08 * (high - low) or max(abs(start), 1.0) * 0.1
        self.low, self.high = low - room, high + room

    def x(self, rate: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * rate / self.reach

    def y(self, loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - loss) / (self.high - self.low)

    def line(self, name: str, rates: Sequence[float], values: Sequence[float]) -> str:
        """A curve in as many pieces as the frame cuts it into."""
        path, drawing = "", False
        for (r0, v0), (r1, v1) in zip(zip(rates, values, strict=True), list(zip(rates, values, strict=True))[1:],
                                      strict=False):  # fmt: skip
            piece = self._clipped(r0, v0, r1, v1)
            if piece is None:
                drawing = False
                continue
            (ra, va), (rb, vb) = piece
            path += ("" if drawing else f"M{self.x(ra):.1f} {self.y(va):.1f}") + f"L{self.x(rb):.1f} {self.y(vb):.1f}"
            drawing = (rb, vb) == (r1, v1)
        dash = "" if name == "actual" else ' stroke-dasharray="7 4"' if name == "second" else ' stroke-dasharray="2 4"'
        return (
            f'<path class="np-{name}" fill="none" stroke="{COLOURS[name][0]}" '
            f'stroke-width="{2.5 if name == "actual" else 2}"{dash} d="{path}"/>'
        )

    def _clipped(
        self, r0: float, v0: float, r1: float, v1: float
    ) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """The part of a segment between the frame's lower and upper edge."""
        if not (math.isfinite(v0) and math.isfinite(v1)):
            return None
        begin, end = 0.0, 1.0
        for edge, inside in ((self.low, 1.0), (self.high, -1.0)):
            a, b = inside * (v0 - edge), inside * (v1 - edge)
            if a < 0 and b < 0:
                return None
            if a < 0:
                begin = max(begin, a / (a - b))
            elif b < 0:
                end = min(end, a / (a - b))
        if begin > end:
            return None
        at = lambda t: (r0 + t * (r1 - r0), v0 + t * (v1 - v0))  # noqa: E731
        return at(begin) if begin else (r0, v0), at(end) if end < 1 else (r1, v1)

    def axes(self, of: str) -> Iterator[str]:
        """Grid, numbers and names."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for loss in _ticks(self.low, self.high):
            y = self.y(loss)
            yield _rule(LEFT, y, right, y, "grid")
            yield _words(LEFT - 8, y + 4, _number(loss), "faint", "end")
        for rate in _ticks(0.0, self.reach):
            yield _rule(self.x(rate), TOP, self.x(rate), bottom, "grid")
            yield _words(self.x(rate), bottom + 18, _number(rate), "faint", "middle")
        yield _rule(LEFT, bottom, right, bottom, "faint")
        yield _words((LEFT + right) / 2, HEIGHT - 10, "learning rate η", "ink", "middle")
        yield _words(LEFT, TOP - 10, of, "ink", "end")

    def marks(self, expanded: Expansion) -> Iterator[str]:
        """The model's own rate, and the bottom of the parabola."""
        own = ("η of the model", expanded.rate)
        found = [own] + ([("bottom of the parabola", expanded.best)] if expanded.best else [])
        bottom = HEIGHT - BOTTOM
        for place, (words, rate) in enumerate(found):
            if 0 < rate <= self.reach:
                x, y = self.x(rate), TOP - 8 - ROW * (len(found) - 1 - place)
                near_end = x + 5 + LETTER * len(words) > WIDTH
                yield _rule(x, y - 10, x, bottom, "faint", ' stroke-dasharray="1 3"')
                yield _words(x - 5 if near_end else x + 5, y, words, "faint", "end" if near_end else "start")


def _legend(names: dict[str, str]) -> Iterator[str]:
    for row, (name, words) in enumerate(names.items()):
        y = 16 + ROW * row
        dash = "" if name == "actual" else ' stroke-dasharray="7 4"' if name == "second" else ' stroke-dasharray="2 4"'
        yield _rule(LEFT, y, LEFT + 30, y, name, f' stroke-width="2.5"{dash}')
        yield _words(LEFT + 38, y + 4, words, "ink", "start")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _number(value: float) -> str:
    return f"{np.round(value, 12):.6g}".replace("-", MINUS)


def _rule(x0: float, y0: float, x1: float, y1: float, name: str, more: str = "") -> str:
    width = "" if "stroke-width" in more else ' stroke-width="1"'
    return (
        f'<path class="np-{name}" fill="none" stroke="{COLOURS[name][0]}"{width}{more} '
        f'd="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'
    )


def _words(x: float, y: float, text: str, name: str, anchor: str) -> str:
    return (
        f'<text class="np-{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{COLOURS[name][0]}" '
        f'font-family="sans-serif" font-size="13">{escape(text)}</text>'
    )
