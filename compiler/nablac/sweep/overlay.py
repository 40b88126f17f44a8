"""sweep/overlay: a spec that has been read, and values for some of its keys -> the spec with these values.

The values go into the plain data, never into the text; whether a key is there and takes the value is for the schema and
for all that reads the spec, who tell the option on the command line as the place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nablac.errors import Place, SpecError
from nablac.frontend.schema import Spec, TrainSection
from nablac.frontend.yaml_reader import Document, Path
from nablac.ir.tokens import Line
from nablac.sweep.settings import Setting, Value


def overlay(document: Document, settings: Sequence[Setting], values: Sequence[Value]) -> Document:
    """The document with a value for each setting, whole sections before what is in them.

    >>> from nablac.frontend.yaml_reader import read_yaml
    >>> from nablac.sweep.settings import read_settings
    >>> settings = read_settings(["lr=0.1", "network.0.linear=8"])
    >>> spec = read_yaml("optimizer: adam\\nnetwork: [{linear: 4}]", "example")
    >>> overlay(spec, settings, [setting.values[0] for setting in settings]).data
    {'optimizer': {'adam': {'lr': 0.1}}, 'network': [{'linear': 8}]}
    """
    pairs = zip(settings, values, strict=True)
    for setting, value in sorted(pairs, key=lambda pair: _depth(pair[0].key)):
        document = _set(document, setting, value)
    return document


def _depth(key: str) -> int:
    """How far down a key is; a number of the trainer's that is named alone is no section."""
    return 0 if key in Spec.model_fields else max(1, key.count("."))


def _set(document: Document, setting: Setting, value: Value) -> Document:
    parts = _parts(document.data, setting.key)
    data, path = _with(document.data, (), parts, value.data, setting.where)

    def outside(other: Path) -> bool:
        return other[: len(path)] != path

    made = replace(
        document,
        data=data,
        keys={other: place for other, place in document.keys.items() if outside(other) or other == path},
        values={other: place for other, place in document.values.items() if outside(other)},
        written={other: line for other, line in document.written.items() if outside(other)},
    )
    for length in range(1, len(path)):
        made.keys.setdefault(path[:length], setting.where)
        made.values.setdefault(path[:length], setting.where)
    _place(made, path, value.data, setting.where)
    made.written.update({(*path, *below): Line(text, setting.where, False) for below, text in value.written.items()})
    return made


def _place(document: Document, path: Path, data: Any, where: Place) -> None:
    """Whatever is set stands where it was asked for."""
    document.keys[path] = document.values[path] = where
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        _place(document, (*path, key), value, where)


def _parts(data: Any, key: str) -> list[str]:
    """The keys on the way.  The trainer's numbers may be named alone, as ``lr`` and ``epochs``."""
    if "." in key or key in Spec.model_fields or not isinstance(data, Mapping):
        return key.split(".")
    if key in TrainSection.model_fields:
        return ["train", key]
    if key != "lr":
        return [key]
    rule = data.get("optimizer", "adam")
    if not isinstance(rule, Mapping):
        return ["optimizer", str(rule), "lr"]
    if "equations" in rule:
        return ["optimizer", "lr"]
    name = next((name for name in rule if name != "schedule"), "adam")
    options = rule.get(name)
    return ["optimizer", name] + (["lr"] if options is None or isinstance(options, Mapping) else [])


def _with(node: Any, path: Path, parts: list[str], value: Any, where: Place) -> tuple[Any, Path]:
    """The node with the value further down, and the value's path.  A name alone is that name without options."""
    if not parts:
        return value, path
    part, rest = parts[0], parts[1:]
    if isinstance(node, list):
        if not part.isdecimal() or int(part) >= len(node):
            raise SpecError(
                f"'{_name(path)}' is a list, and has no item '{part[:60]}'",
                expected=f"a number from 0 to {len(node) - 1}" if node else "an item, and there is none",
                where=where,
            )
        index = int(part)
        item, found = _with(node[index], (*path, index), rest, value, where)
        return [*node[:index], item, *node[index + 1 :]], found
    if node is None or node == part:
        node = {}
    if not isinstance(node, Mapping):
        raise SpecError(
            f"'{_name(path)}' has no key '{part[:60]}'",
            found=f"{node!r:.60}",
            where=where,
            remedy=f"set '{_name(path)}' itself" if path else None,
        )
    item, found = _with(node.get(part), (*path, part), rest, value, where)
    return {**node, part: item}, found


def _name(path: Path) -> str:
    return ".".join(map(str, path))
