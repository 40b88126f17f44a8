"""emit/header: the words at the top of a module: its title, its formulas, its conventions at kinks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.functions import KINKS
from nablac.ir.text import print_equation

WIDTH = 118


def title(model: Model) -> str:
    """The docstring's first line; the user's own words made harmless inside it."""
    words = "".join(c for c in " ".join(model.title.split()) if c.isprintable()).replace("\\", "/").replace('"', "'")
    text = f"{model.name}: {words}" if words else f"{model.name}: a model, its gradients and its trainer"
    return text[: WIDTH - 1]  # behind three quotes


def formulas(programs: Mapping[str, Program], numbers: Mapping[str, int]) -> list[str]:
    """The numbered equations of the forward pass, and those of the gradients; layers that are alike share a line."""
    derived = {print_equation(e): e.target for e in programs["gradient"].equations if e.origin.rule == "reverse"}
    every = {e.target: print_equation(e) for name in ("forward", "gradient") for e in programs[name].equations}
    forward = {text: target for target, text in every.items() if text not in derived}
    lines = ["Forward:", *_rows(forward, numbers), "", "Gradients:", *_rows(derived, numbers)]
    return lines if derived else lines[:-2]


def _rows(equations: Mapping[str, str], numbers: Mapping[str, int]) -> list[str]:
    """The equations in the order of their numbers: the first of each pattern in full, those alike by name."""
    groups: dict[str, list[str]] = {}
    for text in sorted(equations, key=lambda text: numbers[text]):
        groups.setdefault(re.sub(r"_\d+", "_", text), []).append(text)
    rows = []
    for first, *others in groups.values():
        alike = ", ".join(f"({numbers[text]}) {equations[text]}" for text in others)
        rows.append(f"  ({numbers[first]}) {first}" + (f"; alike {alike}" if others else ""))
    return rows


def wrapped(lines: Sequence[str]) -> str:
    """Lines that fit into the page, and into a docstring; those that go on are indented."""
    found: list[str] = []
    for line in lines:
        margin = " " * (len(line) - len(line.lstrip()) + 6)
        parts = textwrap.wrap(line, WIDTH, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False)
        found += parts or [""]
    return "\n".join(found).replace("\\", "\\\\").replace('"""', "'''")


def conventions(programs: Iterable[Program]) -> str:
    """The declared derivatives at the kinks of the functions that the programs use."""
    text = "\n".join(print_equation(e) for program in programs for e in program.equations)
    used = [rule for name, rule in KINKS.items() if _uses(text, name)]
    names = [name for name in KINKS if _uses(text, name)]
    if not used:
        return "No function in it has a kink."
    rules = [rule if rule.startswith(f"{name}'") else f"{name}: {rule}" for name, rule in zip(names, used, strict=True)]
    return "\n".join(textwrap.wrap(f"At kinks: {'; '.join(rules)}.", WIDTH))


def _uses(text: str, kink: str) -> bool:
    """Whether a text holds the function of a row of ``KINKS``: ``max(a, b)``, ``max[k], min[k]`` or ``relu``."""
    names = re.findall(r"([a-z]+)(?=[(\[]|$)", kink)
    opening = r"\[" if "[" in kink else r"\("
    return any(re.search(rf"\b{name}{opening}", text) for name in names)
