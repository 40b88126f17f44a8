"""pages/listing: the generated module's text as HTML lines, lightly coloured, numbers linked to their equations."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

CHUNK = 50
"""Lines that a browser lays out together, or not at all while they are out of sight."""

REFERENCE = re.compile(r"(?<![\w)\]])\((\d+)\)(?:-\((\d+)\))?")
"""An equation's number in a comment, or a run of them: ``(12)``, ``(4)-(9)``, but not the argument of ``f(2)``."""

MENTION = re.compile(r"\s+\((\d+)\) \S")
"""A line of the module's head that shows a numbered equation."""


@dataclass(frozen=True)
class Line:
    """One line: its number and its HTML."""

    number: int
    text: Markup


@dataclass(frozen=True)
class Chunk:
    """Some lines together."""

    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Paint:
    """From one column to another: a token's class."""

    first: int
    last: int
    style: str


def listing(source: str, known: Collection[int]) -> tuple[Chunk, ...]:
    """The lines of a module; ``known`` are the equations whose numbers in comments lead to them."""
    rows = source.removesuffix("\n").split("\n")  # as tokenize counts them
    paints = _paints(source, rows)
    lines = [Line(n, _line(row, paints.get(n, ()), known)) for n, row in enumerate(rows, 1)]
    return tuple(Chunk(tuple(lines[k : k + CHUNK])) for k in range(0, len(lines), CHUNK))


def _line(row: str, paints: Sequence[_Paint], known: Collection[int]) -> Markup:
    """A line's text, every character of it, in the colours of its tokens."""
    pieces, column = [], 0
    for paint in paints:
        first = max(paint.first, column)
        pieces.append(escape(row[column:first]))
        text = row[first : paint.last]
        linked = paint.style == "c" or (paint.style == "s" and MENTION.match(row))
        inside = _linked(text, known) if linked else escape(text)
        pieces.append(Markup('<span class="{}">{}</span>').format(paint.style, inside))
        column = max(paint.last, column)
    return Markup("").join([*pieces, escape(row[column:])])


def _linked(text: str, known: Collection[int]) -> Markup:
    """A comment whose equations' numbers lead to their formulas."""
    pieces, place = [], 0
    for match in REFERENCE.finditer(text):
        for group in (1, 2):
            if match[group] is not None and int(match[group]) in known:
                first, last = match.start(group) - 1, match.end(group) + 1
                link = Markup('<a href="#eq-{}">{}</a>').format(match[group], text[first:last])
                pieces += [escape(text[place:first]), link]
                place = last
    return Markup("").join([*pieces, escape(text[place:])])


def _paints(source: str, rows: Sequence[str]) -> dict[int, list[_Paint]]:
    """What is to be coloured on each line."""
    found: dict[int, list[_Paint]] = {}
    defining = False
    for token in _tokens(source):
        style = _style(token, defining)
        defining = token.type == tokenize.NAME and token.string in ("def", "class")
        if style:
            (top, left), (bottom, right) = token.start, token.end
            for line in range(top, bottom + 1):
                first = left if line == top else 0
                last = right if line == bottom else len(rows[line - 1])
                if first < last:
                    found.setdefault(line, []).append(_Paint(first, last, style))
    return found


def _style(token: tokenize.TokenInfo, defining: bool) -> str | None:
    """The class of a token: comment, string, keyword, number, the name that is defined, or none."""
    if token.type == tokenize.NAME:
        return "d" if defining else "k" if keyword.iskeyword(token.string) else None
    kind = tokenize.tok_name[token.type]
    return "s" if kind.startswith("FSTRING") else {"COMMENT": "c", "STRING": "s", "NUMBER": "n"}.get(kind)


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens, up to where the text is Python no more."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(source).readline)
    except (tokenize.TokenError, SyntaxError):
        return
