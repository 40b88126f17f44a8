"""emit/render: the finished strings put into the templates, the only file that knows Jinja2."""

from __future__ import annotations

import re
from dataclasses import asdict
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, meta

from nablac.emit.view import ModelView

PAGE = 120


def render(view: ModelView) -> str:
    """The module's text."""
    fields = asdict(view)
    text = _environment().get_template(f"{fields.pop('layout')}.py.j2").render(fields)
    lines = [folded(line.rstrip()) for line in text.strip("\n").splitlines()]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines)) + "\n"


def folded(line: str, depth: int = 0) -> str:
    """A line of code that is too long, in two or more: each ends behind a comma, inside as few brackets as can be.

    How long a line is depends on the parts that a model has, and on its inputs' names.  Where it begins, ``depth``
    brackets are open.

    >>> print(folded("total = add(" + 12 * "first[:size], " + "second)"))
    total = add(first[:size], first[:size], first[:size], first[:size], first[:size], first[:size], first[:size],
        first[:size], first[:size], first[:size], first[:size], first[:size], second)
    """
    if len(line) <= PAGE or line.lstrip().startswith("#"):
        return line
    margin = len(line) - len(line.lstrip()) + (0 if depth else 4)
    quote, ends = "", dict[int, int]()
    for at, (letter, after) in enumerate(zip(line[:PAGE], line[1:], strict=False)):
        if quote:
            quote = "" if letter == quote and line[at - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{" or letter in ")]}":
            depth += 1 if letter in "([{" else -1
        elif depth and letter + after == ", ":
            ends[depth] = at + 1
    if not ends:
        return line
    depth = min(ends)
    return line[: ends[depth]] + "\n" + folded(" " * margin + line[ends[depth] + 1 :], depth)


def undeclared(layout: str) -> set[str]:
    """The variables that a layout and the templates it includes want filled."""
    environment = _environment()
    wanted, seen, todo = set[str](), set[str](), [f"{layout}.py.j2"]
    while todo:
        name = todo.pop()
        seen.add(name)
        assert environment.loader is not None
        tree = environment.parse(environment.loader.get_source(environment, name)[0])
        wanted |= meta.find_undeclared_variables(tree)
        todo += [other for other in meta.find_referenced_templates(tree) if other and other not in seen]
    return wanted


def _environment() -> Environment:
    # what is filled in is Python, not HTML: nothing is escaped here, and the view holds no text of a user's as it came
    return Environment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def folder() -> str:
    """Where the templates are: the package ``nablac.templates``, or the source tree's directory of that name."""
    if find_spec("nablac.templates") is not None:
        return str(files("nablac.templates"))
    return str(Path(__file__).resolve().parents[3] / "templates")
