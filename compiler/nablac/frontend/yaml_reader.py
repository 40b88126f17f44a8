"""frontend/yaml_reader: YAML text -> plain data, and the place of every key and value.

Built on ruamel.yaml's events, so that nothing is constructed but mappings, lists, strings, numbers, booleans and null,
by YAML 1.2: ``1e-3`` is a number and ``NO`` a word.  Tags, anchors, aliases, merge keys and duplicate keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from nablac.errors import Place, SpecError
from nablac.ir.tokens import Line

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_VALUES = 20_000

Path = tuple[str | int, ...]

_INTEGERS = (
    (re.compile(r"[-+]?[0-9]{1,40}", re.ASCII), 10),
    (re.compile(r"0x[0-9a-fA-F]{1,40}", re.ASCII), 16),
    (re.compile(r"0o[0-7]{1,40}", re.ASCII), 8),
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
_NO_NUMBER = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
"""Infinity and what is not a number: read as such, to be refused as such."""
_STRANGE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML allows nowhere."""
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
}


@dataclass
class Document:
    """The data, and by path the places of keys and of values and the values as they were written."""

    file: str
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    written: dict[Path, Line] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Where the value of a path stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Place(self.file, 1, 1)

    def key(self, path: Path) -> Place:
        """Where the key of a path stands."""
        return self.keys.get(path) or self.place(path)

    def line(self, path: Path) -> Line:
        """A scalar as text with its place."""
        return self.written[path]


def read_yaml(text: str, file: str) -> Document:
    """The one document of a text.

    >>> read_yaml("lr: 1e-3\\ncountry: NO\\n", "example").data
    {'lr': 0.001, 'country': 'NO'}
    """
    if len(text) > MAX_BYTES:
        raise SpecError(
            "the spec is too long",
            found=f"{len(text)} characters",
            expected=f"at most {MAX_BYTES}",
            where=Place(file, text.count("\n", 0, MAX_BYTES) + 1),
        )
    strange = _STRANGE.search(text)
    if strange is not None:
        where = text_place(text, strange.start(), file)
        raise SpecError("a spec holds no control characters", found=f"{strange.group()!r}", where=where)
    document = Document(file)
    try:
        events = list(_events(text, file))
    except YAMLError as error:
        raise _unreadable(error, file) from None
    except (ValueError, RecursionError):
        raise SpecError("this is not YAML", where=Place(file, 1, 1)) from None
    reader = _Reader(events, document, text)
    if not reader.done():
        document.data = reader.node(())
    return document


def text_place(text: str, offset: int, file: str) -> Place:
    """The place of a character of a file's text."""
    before = text[:offset]
    return Place(file, before.count("\n") + 1, offset - before.rfind("\n"))


def _events(text: str, file: str) -> Iterator[Event]:
    """The events of the one document, counted while the scanner runs: it is quadratic in the depth."""
    documents = depth = values = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise SpecError("a spec is one document", found="a second one", where=_place(event, file))
        if isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
            _check_event(event, file)
            values += 1
            depth += isinstance(event, (SequenceStartEvent, MappingStartEvent))
            if values > MAX_VALUES or depth > MAX_DEPTH:
                raise SpecError(
                    "the spec is nested too deeply" if depth > MAX_DEPTH else "the spec is too large",
                    expected=f"at most {MAX_VALUES} keys and values, nested at most {MAX_DEPTH} deep",
                    where=_place(event, file),
                )
            yield event
        elif isinstance(event, (SequenceEndEvent, MappingEndEvent)):
            depth -= 1
            yield event


def _check_event(event: Any, file: str) -> None:
    what = None
    if isinstance(event, AliasEvent) or event.anchor is not None:
        what = "anchors and aliases (& and *)"
    elif getattr(event, "tag", None) is not None:
        what = "tags (!)"
    if what is not None:
        raise SpecError(
            f"a spec has no {what}",
            where=_place(event, file),
            remedy="write the value out; a text that begins with & * or ! is put in quotes",
        )


def _place(event: Any, file: str) -> Place:
    return Place(file, event.start_mark.line + 1, event.start_mark.column + 1)


def _unreadable(error: YAMLError, file: str) -> SpecError:
    where, problem = Place(file, 1, 1), "this is not YAML"
    remedy = None
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            where = Place(file, mark.line + 1, mark.column + 1)
        problem = f"this is not YAML: {error.problem or error.context}"
        if "mapping values are not allowed" in problem or "expected ',' or" in problem:
            remedy = 'a text with ": ", brackets or commas is put in quotes: x: "real[n, 4]"'
        elif "cannot start any token" in problem:
            remedy = "indent with spaces, and put a text that begins with a special character in quotes"
    return SpecError(problem, where=where, remedy=remedy)


class _Reader:
    """The walk over the events."""

    def __init__(self, events: list[Event], document: Document, text: str) -> None:
        self.events, self.document, self.position = events, document, 0
        self.lines = re.split("\r\n|\r|\n", text)

    def done(self) -> bool:
        """Whether there is nothing left."""
        return self.position >= len(self.events)

    def _next(self) -> Any:
        event = self.events[self.position]
        self.position += 1
        return event

    def node(self, path: Path) -> Any:
        """The value whose events come next."""
        event = self._next()
        where = _place(event, self.document.file)
        self.document.values[path] = where
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path, where)
        if isinstance(event, SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(self.events[self.position], SequenceEndEvent):
                items.append(self.node((*path, len(items))))
            self.position += 1
            return items
        return self._mapping(path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(self.events[self.position], MappingEndEvent):
            event = self._next()
            where = _place(event, self.document.file)
            if not isinstance(event, ScalarEvent):
                raise SpecError(
                    "a key is a word",
                    found="a list or a mapping",
                    where=where,
                    remedy='a text that begins with { or [ is put in quotes: "real[n, 4]"',
                )
            key = event.value
            if key in found:
                raise SpecError(
                    f"the key '{key[:60]}' is given twice",
                    found=f"also at {self.document.keys[(*path, key)]}",
                    where=where,
                    remedy="keep one of them",
                )
            if key == "<<":
                raise SpecError("a spec has no merge keys (<<)", where=where, remedy="write the values out")
            self.document.keys[(*path, key)] = where
            found[key] = self.node((*path, key))
        self.position += 1
        return found

    def _scalar(self, event: ScalarEvent, path: Path, where: Place) -> Any:
        text, style = event.value, event.style
        self.document.written[path] = self._line(event, where)
        if style is not None:
            return text
        if text in _WORDS:
            return _WORDS[text]
        for pattern, base in _INTEGERS:
            if pattern.fullmatch(text):
                return int(text, base)
        if _NO_NUMBER.fullmatch(text):
            return float(text.replace(".", ""))
        return float(text) if _FLOAT.fullmatch(text) else text

    def _line(self, event: ScalarEvent, where: Place) -> Line:
        """The scalar's text and the place of its first character, exact where no escapes or folds moved the rest."""
        text = event.value
        if event.style == "|":
            row = event.start_mark.line + 1
            while row < len(self.lines) and not self.lines[row].strip():
                row += 1
            indent = len(self.lines[row]) - len(self.lines[row].lstrip()) if row < len(self.lines) else 0
            return Line(text, Place(where.file, row + 1, indent + 1))
        exact = event.start_mark.line == event.end_mark.line
        if event.style in ('"', "'"):
            exact = exact and event.end_mark.column - event.start_mark.column == len(text) + 2
            where = Place(where.file, where.line, (where.column or 1) + 1)
        return Line(text, where, exact and event.style != ">")
