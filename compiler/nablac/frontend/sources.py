"""frontend/sources: the text of the user's own Python file: where an argument or a literal string stands in it.

The running program knows the place of a call, not of what is written in it.  The file is only read, never run here.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

from nablac.errors import Place
from nablac.ir.tokens import Line, lines_of


def argument_places(code: CodeType) -> dict[str, Place]:
    """The places of a function's arguments; empty where its text is not known."""
    for node in _nodes(code.co_filename):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if code.co_firstlineno in (first, node.lineno):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                return {a.arg: Place(code.co_filename, a.lineno, a.col_offset + 1) for a in arguments}
    return {}


def written_lines(text: str, call: Place) -> list[Line]:
    """The equations of a text, each at its place in the literal string at a call, where it is one.

    Otherwise (a variable, an escape) a text of several lines has the place of the call and the line in the text.
    """
    where = _literal(text, call)
    if where is not None:
        return list(lines_of(" " * ((where.column or 1) - 1) + text, Place(where.file, where.line, 1)))
    if "\n" not in text.strip():
        return [Line(line.text, call, exact=False) for line in lines_of(text, call)]
    return list(lines_of(text, Place(f"{call}, in the text", 1, 1)))


def _literal(text: str, call: Place) -> Place | None:
    """Where the first character of a text stands, if the call at a place holds it as one literal without escapes."""
    lines = linecache.getlines(call.file)
    for node in _nodes(call.file):
        if not isinstance(node, ast.Call) or (node.lineno, node.col_offset + 1) != (call.line, call.column):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and part.value == text:
                rest = "".join([lines[part.lineno - 1][part.col_offset :], *lines[part.lineno :]])
                opening = len(rest) - len(rest.lstrip("rRuU"))
                opening += 3 if rest[opening : opening + 3] in ('"""', "'''") else 1
                if rest.startswith(text, opening):
                    return Place(call.file, part.lineno, part.col_offset + opening + 1)
    return None


def _nodes(file: str) -> Iterator[ast.AST]:
    """The nodes of a file; none if it cannot be read."""
    tree = _tree("".join(linecache.getlines(file)))
    return ast.walk(tree) if tree is not None else iter(())


@lru_cache(maxsize=4)
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
