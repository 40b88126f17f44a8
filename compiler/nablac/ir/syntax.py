"""ir/syntax: the words of a text -> a statement; the first half of reading an equation, before any name is looked up.

Only text that ``ir/tokens`` has let through is handed to Python's ``ast``.  Nothing is ever evaluated: ``ir/elaborate``
walks the tree and knows the few nodes it accepts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from nablac.errors import ParseError
from nablac.ir.tokens import Line, Token, excerpt, tokens_of

REDUCERS = ("sum", "mean", "max", "min", "prod", "argmax", "argmin")
"""What may stand before a bracket of indices."""


@dataclass(frozen=True)
class Range:
    """``for p in 4``: the extent of an index, stated."""

    index: str
    extent: ast.expr
    offset: int


@dataclass(frozen=True)
class EquationText:
    """``target[i, ..., j] = body for p in 4``; an index that is None is the ellipsis."""

    line: Line
    target: str
    indices: tuple[str | None, ...]
    body: ast.expr
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True)
class FunctionText:
    """``name(z) = body``: a function of the user's own."""

    line: Line
    name: str
    parameters: tuple[str, ...]
    body: ast.expr


def read_statement(line: Line) -> EquationText | FunctionText:
    """An equation or a function's definition.

    >>> from nablac.errors import Place
    >>> statement = read_statement(Line("h[i,j] = sum[k](W[j,k]*x[i,k])", Place("example")))
    >>> statement.target, statement.indices
    ('h', ('i', 'j'))
    """
    tokens = tokens_of(line)
    equals = [t for t in tokens if t.text == "=" and t.depth == 0]
    stray = [t for t in tokens if t.text == "=" and t.depth > 0] + equals[1:]
    if stray:
        raise ParseError(
            "an equation has one '='",
            found=excerpt(line),
            where=line.place(stray[0].offset),
            remedy="a comparison is written ==",
        )
    if not equals:
        raise ParseError(
            "this is not an equation",
            found=excerpt(line) or "nothing",
            expected="name[indices] = expression",
            where=line.where,
        )
    split = equals[0].offset
    head = _tree(line, 0, split, "the left side")
    body, ranges = _body_and_ranges(line, tokens, split + 1)
    if isinstance(head, ast.Call):
        if ranges:
            raise ParseError("a function has no 'for'", where=line.place(ranges[0].offset))
        return FunctionText(line, *_function_head(line, head), body)
    return EquationText(line, *_target(line, head), body, ranges)


def read_expression(line: Line, target: str) -> EquationText:
    """A bare expression, as the equation of a scalar named ``target``."""
    tokens = tokens_of(line)
    equals = [t for t in tokens if t.text == "="]
    if equals:
        raise ParseError(
            "an expression has no '='",
            found=excerpt(line),
            where=line.place(equals[0].offset),
            remedy="a comparison is written ==; an equation belongs under 'equations'",
        )
    body, ranges = _body_and_ranges(line, tokens, 0)
    return EquationText(line, target, (), body, ranges)


def _body_and_ranges(line: Line, tokens: tuple[Token, ...], start: int) -> tuple[ast.expr, tuple[Range, ...]]:
    loops = [t for t in tokens if t.text == "for" and t.offset >= start]
    nested = [t for t in loops if t.depth]
    if nested:
        raise ParseError(
            "'for' stands at the end of an equation",
            where=line.place(nested[0].offset),
            remedy="write it after the last bracket: h[p] = x[2*p] for p in 4",
        )
    if not loops:
        return _tree(line, start, len(line.flat), "the right side"), ()
    body = _tree(line, start, loops[0].offset, "the right side")
    ends = [t.offset for t in loops[1:]] + [len(line.flat)]
    return body, tuple(r for t, end in zip(loops, ends, strict=True) for r in _ranges(line, tokens, t.offset + 3, end))


def _ranges(line: Line, tokens: tuple[Token, ...], start: int, end: int) -> Iterator[Range]:
    inside = [t for t in tokens if start <= t.offset < end]
    commas = [t.offset for t in inside if t.text == "," and t.depth == 0]
    for begin, stop in zip([start, *(c + 1 for c in commas)], [*commas, end], strict=True):
        part = [t for t in inside if begin <= t.offset < stop]
        if len(part) < 3 or part[0].kind != "name" or part[1].text != "in":
            raise ParseError(
                "a 'for' gives an index its extent",
                found=line.flat[begin:stop].strip() or "nothing",
                expected="for p in 4",
                where=line.place(part[0].offset if part else min(begin, len(line.flat) - 1)),
            )
        yield Range(part[0].text, _tree(line, part[1].offset + 2, stop, "an extent"), part[0].offset)


def _tree(line: Line, start: int, end: int, what: str) -> ast.expr:
    """The tree of one part of the text, its offsets those of the whole."""
    text = line.flat[start:end]
    if not text.strip():
        raise ParseError(f"{what} is empty", found=excerpt(line), where=line.place(min(start, len(line.flat) - 1)))
    padded = "(" + " " * max(start - 1, 0) + text + "\n)"
    shift = 1 if start == 0 else 0
    try:
        tree = ast.parse(padded, mode="eval").body
    except SyntaxError as error:
        offset = min((error.offset or 1) - 1 - shift, len(line.flat) - 1) if error.lineno == 1 else end - 1
        raise ParseError(f"{what} cannot be read", found=excerpt(line), where=line.place(max(offset, start))) from None
    except (RecursionError, MemoryError, ValueError):
        raise ParseError(f"{what} is nested too deeply", where=line.place(start)) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset -= shift
            if node.end_col_offset is not None:
                node.end_col_offset -= shift
    return tree


def dotted(node: ast.AST) -> str | None:
    """The name a node spells, dots and all (``linear_1.W``); None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def index_nodes(node: ast.Subscript) -> list[ast.expr]:
    """The expressions between a subscript's brackets."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def is_ellipsis(node: ast.AST) -> bool:
    """Whether a node is ``...``."""
    return isinstance(node, ast.Constant) and node.value is ...


def _target(line: Line, head: ast.expr) -> tuple[str, tuple[str | None, ...]]:
    if isinstance(head, ast.Subscript):
        name, nodes = dotted(head.value), index_nodes(head)
    else:
        name, nodes = dotted(head), []
    if name is None or isinstance(head, ast.Subscript) and not nodes:
        raise ParseError(
            "the left side is not a target",
            found=ast.unparse(head),
            expected="a name with its indices, such as h[i, j]",
            where=line.place(head.col_offset),
        )
    return name, index_names(line, nodes, "a target's indices")


def index_names(line: Line, nodes: list[ast.expr], what: str) -> tuple[str | None, ...]:
    """The names of a list of plain indices, None for the ellipsis; repeated or composed ones are refused."""
    names: list[str | None] = []
    for node in nodes:
        name = None if is_ellipsis(node) else node.id if isinstance(node, ast.Name) else ""
        if name == "" or name in names:
            raise ParseError(
                f"{what} are plain names, each once",
                found=ast.unparse(node),
                where=line.place(node.col_offset),
                remedy="name the index, and give its extent with 'for i in 4' if nothing else does",
            )
        names.append(name)
    return tuple(names)


def _function_head(line: Line, head: ast.Call) -> tuple[str, tuple[str, ...]]:
    names = tuple(a.id for a in head.args if isinstance(a, ast.Name))
    if not isinstance(head.func, ast.Name) or head.keywords or len(names) != len(head.args) or not names:
        raise ParseError(
            "a function is defined by its name and its arguments' names",
            found=ast.unparse(head),
            expected="f(z) = ...",
            where=line.place(head.col_offset),
        )
    if len(set(names)) != len(names):
        raise ParseError(f"function '{head.func.id}' names an argument twice", where=line.place(head.col_offset))
    return head.func.id, names
