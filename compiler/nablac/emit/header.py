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
    return text[:WIDTH]


def formulas(programs: Mapping[str, Program], numbers: Mapping[str, int]) -> list[str]:
    """The numbered equations of the forward pass, and those of the gradients."""
    derived = [e for e in programs["gradient"].equations if e.origin.rule == "reverse"]
    known = {print_equation(e) for e in derived}
    forward = [text for name in ("gradient", "forward") for text in map(print_equation, programs[name].equations)]
    rows = {"Forward": [text for text in dict.fromkeys(forward) if text not in known], "Gradients": list(known)}
    lines: list[str] = []
    for name, texts in rows.items():
        lines += ["", f"{name}:"]
        lines += [f"  ({numbers[text]}) {text}" for text in sorted(texts, key=lambda text: numbers[text])]
    return lines[1:]


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
    """Whether a text holds the function of a row of ``KINKS``, written ``max(a, b)`` or ``max[k], min[k]`` or ``relu``."""
    names = re.findall(r"([a-z]+)(?=[(\[]|$)", kink)
    opening = r"\[" if "[" in kink else r"\("
    return any(re.search(rf"\b{name}{opening}", text) for name in names)
