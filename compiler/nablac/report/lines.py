"""report/lines: from an equation's number to its lines in the generated module, and back, by the module's own comments.

A comment above a kernel stands for the whole function, one inside a function for the statement below it, one at a
line's end for that line.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from nablac.report.content import Span

RUNS = re.compile(r"(?:\(\d+\)(?:-\(\d+\))? ?)+")
RUN = re.compile(r"\((\d+)\)(?:-\((\d+)\))?")


def spans_of(source: str) -> Mapping[int, tuple[Span, ...]]:
    """The lines of each equation's number, in the order of the module.

    >>> module = '''
    ... # (1) h[i] = 2*x[i]
    ... # (2) a[i] = relu(h[i])
    ... def _compute_a(x, a):
    ...     pass
    ...
    ... def _gradient(x, a):
    ...     _compute_a(x, a)  # (1)-(2) relu_1
    ... '''
    >>> spans_of(module)[2]
    (Span(first=3, last=5, function='_compute_a'), Span(first=8, last=8, function='_gradient'))
    """
    statements = _statements(ast.parse(source))
    smallest = _smallest(statements)
    starts = [first for first, _, _ in statements]
    found: dict[int, list[Span]] = defaultdict(list)
    for numbers, first, own in _comments(source):
        span = smallest.get(first) if own else _below(first, statements, starts)
        if span is not None:
            for number in numbers:
                _add(found[number], span)
    return {number: tuple(spans) for number, spans in sorted(found.items())}


def numbers_in(comment: str) -> list[int]:
    """The equations that a comment is about: runs of numbers where it starts, and after ``also`` and semicolons.

    >>> numbers_in("# (17) d[i] = f((3)*d[i]); also (19) (29) relu_3, linear_3; (21)-(22) relu_2")
    [17, 19, 29, 21, 22]
    """
    text = comment.lstrip("# ")
    heads, _, others = text.partition("also ") if not text.startswith("also ") else ("", "", text[5:])
    parts = [heads, *(others.split("; ") if others else ())]
    numbers: list[int] = []
    for part in parts:
        start = RUNS.match(part)
        for first, last in RUN.findall(start[0]) if start else ():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def _comments(source: str) -> Iterator[tuple[list[int], int, bool]]:
    """The numbers of each comment, its line, and whether it shares it with code."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            numbers = numbers_in(token.string)
            if numbers:
                yield numbers, token.start[0], bool(token.line[: token.start[1]].strip())


def _statements(tree: ast.Module) -> list[tuple[int, int, str]]:
    """First and last line of every function and of every statement of a function's own, with the function's name."""
    found: set[tuple[int, int, str]] = set()

    def enter(node: ast.AST, function: str) -> None:
        for block in ("body", "handlers", "orelse", "finalbody"):  # no statement stands inside an expression
            for inner in getattr(node, block, ()):
                inside, first = function, inner.lineno
                if isinstance(inner, ast.FunctionDef):
                    inside, first = inner.name, min([inner.lineno, *(d.lineno for d in inner.decorator_list)])
                if inside:
                    found.add((first, inner.end_lineno or first, inside))
                enter(inner, inside)

    enter(tree, "")
    return sorted(found, key=lambda s: (s[0], -s[1]))


def _smallest(statements: list[tuple[int, int, str]]) -> dict[int, Span]:
    """The smallest statement at each line."""
    found: dict[int, Span] = {}
    for first, last, function in sorted(statements, key=lambda s: s[0] - s[1]):
        found.update(dict.fromkeys(range(first, last + 1), Span(first, last, function)))
    return found


def _below(line: int, statements: list[tuple[int, int, str]], starts: list[int]) -> Span | None:
    """From a comment to the end of the statement that begins next."""
    at = bisect_right(starts, line)
    return Span(line, *statements[at][1:]) if at < len(statements) else None


def _add(spans: list[Span], span: Span) -> None:
    """Append a span; comments above one function make one span together."""
    if spans and spans[-1].last == span.last and spans[-1].function == span.function:
        return
    spans.append(span)
