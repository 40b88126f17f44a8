"""report/document: a report in every format it can be had in; what ``nablac inspect`` writes and a notebook shows."""

from __future__ import annotations

import html
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from nablac.emit.write import checked_path, write
from nablac.errors import CompileError
from nablac.report.article import article
from nablac.report.content import MARK, Report, Sheet
from nablac.report.drawings.dot import dot
from nablac.report.drawings.graph import Graph
from nablac.report.drawings.svg import svg
from nablac.report.drawings.terminal_graph import draw
from nablac.report.markdown import markdown
from nablac.report.pages.page import page
from nablac.report.structure import structure
from nablac.report.terminal import sheet_table, terminal

FORMATS = ("text", "latex", "md", "html", "json", "dot", "svg")


@dataclass(frozen=True)
class Document:
    """A report and the graph it is about.

    ``figures`` are further drawings (title and SVG), ``sheets`` the tables of numbers that were asked for; ``at_point``
    tells that there are values on the graph, so that it stands in the text, too.
    """

    report: Report
    graph: Graph
    figures: tuple[tuple[str, str], ...] = ()
    sheets: tuple[Sheet, ...] = ()
    at_point: bool = False

    def render(self, format_: str, steps: bool = False) -> str:
        """The text of one of ``FORMATS``; ``steps`` adds the derivations where the format does not always have them."""
        made: dict[str, Callable[[], str]] = {
            "text": lambda: self.text(steps=steps),
            "latex": lambda: article(self.whole, steps),
            "md": lambda: markdown(self.whole, steps),
            "html": lambda: self.html,
            "json": lambda: json.dumps(structure(self.whole), indent=1, ensure_ascii=False) + "\n",
            "dot": lambda: f"// {self.report.about}\n{dot(self.graph)}",
            "svg": lambda: f"<!-- {self.report.about} -->\n{self.figures[-1][1] if self.figures else self.drawing}",
        }
        return made[format_]()

    @cached_property
    def drawing(self) -> str:
        """The graph as SVG."""
        return svg(self.graph)

    @cached_property
    def whole(self) -> Report:
        """The report with its drawings and tables."""
        drawings = {"Graph": self.drawing, **dict(self.figures)}
        return replace(self.report, drawings=drawings, sheets=(*self.sheets, *self.report.sheets))

    @cached_property
    def html(self) -> str:
        """One page that needs no network."""
        return page(self.whole)

    def shown(self, width: int, steps: bool = False) -> RenderableType:
        """What a terminal shows."""
        parts: list[RenderableType] = [terminal(self.report, width, steps)]
        if self.at_point:
            parts += [Text("\ngraph", "bold"), draw(self.graph, width)]
        return Group(*parts, *(sheet_table(sheet) for sheet in self.sheets))

    def text(self, width: int = 140, steps: bool = False) -> str:
        """The same without colours."""
        console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
        console.print(self.shown(width, steps), soft_wrap=True)
        written = console.file
        assert isinstance(written, io.StringIO)
        return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"

    def write(self, path: str | Path, format_: str, *, steps: bool = False, force: bool = False) -> Path:
        """Write a file, whole or not at all; a file that is no report of nablac's is kept unless forced."""
        path = checked_path(path)
        if not force and os.path.isfile(path) and not _is_report(path):
            raise CompileError(
                f"{path} is no report of nablac's",
                expected="no file there, or a report",
                remedy="choose another name with -o, or --force",
            )
        write(self.render(format_, steps), path, force=True)
        return path

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        frame = 'style="width: 100%; height: 45rem; border: 1px solid #8884"'
        return f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" {frame}></iframe>'


def _is_report(path: Path) -> bool:
    try:
        return MARK in path.read_text("utf-8", "replace")
    except OSError:
        return False
