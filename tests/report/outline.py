"""A page read back: its elements, ids, links and text, by the standard library's parser of HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset("meta link br img input hr".split())
FOREIGN = frozenset("path rect circle ellipse line polyline polygon stop mspace".split())
"""SVG and MathML elements that may close themselves."""


@dataclass
class Element:
    """An element with what it holds."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", style: str = "") -> Iterator[Element]:
        """Every element below of a tag and a class."""
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag) and (not style or style in child.attributes.get("class", "").split()):
                    yield child
                yield from child.all(tag, style)

    @property
    def text(self) -> str:
        """All text below."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def at(self, id_: str) -> Element:
        """The element of an id."""
        return next(element for element in self.all() if element.attributes.get("id") == id_)


class _Reader(HTMLParser):
    """Builds the tree; every element must be closed where it was opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> at {self.getpos()} closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(html: str) -> Element:
    """The tree of a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is not closed"
    return reader.open[0]
