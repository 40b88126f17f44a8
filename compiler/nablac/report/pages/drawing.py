"""pages/drawing: an SVG made fit to stand in the page: shapes alone, ids of its own, its style apart.

The page's policy allows no style attribute and no second style element, so what an SVG carries of these goes into the
page's own sheet.  What could run or fetch is refused, wherever it comes from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

from nablac.errors import InternalError

SPACE = "http://www.w3.org/2000/svg"
SVG = f"{{{SPACE}}}"

SHAPES = frozenset(
    (
        "svg g path rect circle ellipse line polyline polygon text tspan title desc defs marker clipPath"
        " linearGradient stop"
    ).split()
)
"""The elements that a drawing may hold."""

DARK = re.compile(r"@media *\(prefers-color-scheme: *dark\)")

SMALLEST = 0.75
"""How much a drawing may shrink before it scrolls."""

NARROW, TALL = 360, 2.0
"""What a margin beside the text has room for.  A drawing that is wider still lies above the text, unless it is a long
strip, so many times as high as wide."""

REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Figure:
    """A drawing in the page, and the rules it needs in the page's style; ``shape`` is ``wide`` or ``tall``."""

    id: str
    title: str
    shape: str
    svg: Markup
    style: str


def inlaid(id_: str, title: str, svg: str) -> Figure:
    """A drawing to be put into the page; raises ``InternalError`` for one that holds more than shapes and style."""
    root = ElementTree.fromstring(svg)
    rules = [_rules(element) for element in root.iter(f"{SVG}style")]
    for parent in list(root.iter()):
        for child in parent.findall(f"{SVG}style"):
            parent.remove(child)
    root.attrib.pop("style", None)
    width, height = (float(root.attrib[key].removesuffix("px")) for key in ("width", "height"))
    rules.append(_size(id_, width))
    for element in root.iter():
        _mend(element, id_)
    root.set("id", f"{id_}-svg")
    root.set("role", "group")
    root.attrib.pop("aria-labelledby", None)
    root.set("aria-label", title)
    ElementTree.register_namespace("", SPACE)
    shape = "wide" if SMALLEST * width > NARROW and height < TALL * width else "tall"
    return Figure(id_, title, shape, Markup(ElementTree.tostring(root, encoding="unicode")), "".join(rules))


def _size(id_: str, width: float) -> str:
    """As wide as the panel, but never so small that its words cannot be read, nor larger than it was drawn."""
    return f"#{id_}-svg{{width:100%;height:auto;max-width:{width:.0f}px;min-width:{SMALLEST * width:.0f}px}}\n"


def _rules(style: Element) -> str:
    """Rules that can neither end the style element that they are put into nor fetch anything; on paper all is light."""
    rules = DARK.sub("@media screen and (prefers-color-scheme:dark)", "".join(style.itertext()))
    if "<" in rules or "url(" in rules or "@import" in rules:
        raise InternalError("a drawing's style holds more than rules")
    return rules


def _mend(element: Element, id_: str) -> None:
    """Refuse what is no shape; make ids unique in the page; give the nodes that can be chosen their role."""
    name = element.tag.removeprefix(SVG)
    if name not in SHAPES:
        raise InternalError(f"a drawing holds <{name}>")
    for key, value in element.attrib.items():
        if key.startswith("on") or key == "style" or "href" in key:
            raise InternalError(f"a drawing holds {key}=...")
        if key == "id":
            element.set(key, f"{id_}-{'-'.join(value.split())}")
        elif "url(" in value and not key.startswith("data-"):
            element.set(key, REFERENCE.sub(rf"url(#{id_}-\1)", value))
    if "tabindex" in element.attrib:
        element.set("role", "button")
