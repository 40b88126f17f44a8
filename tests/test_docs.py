"""The documents keep their word: the equations on the page parse, and every file that a page links to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from nablac.cli import main
from nablac.errors import Place
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.functions import KINKS
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation
from nablac.ir.tokens import lines_of
from nablac.pipeline import gradient_program

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
LANGUAGE = ROOT / "docs" / "equations.md"


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_equations_on_the_page_parse() -> None:
    declared = {}
    for line in "".join(blocks(LANGUAGE, "declarations")).splitlines():
        name, text = line.split("#")[0].split(":")
        declared[name] = parse_declaration(name, text.strip(), Role.INPUT)
    lines = [line for text in blocks(LANGUAGE, "equations") for line in lines_of(text, Place("equations.md"))]
    parsed = parse_equations(lines, declared)
    shapes = {tensor.name: str(tensor) for tensor in parsed.tensors}
    assert shapes["h"] == "h[n, 4]"
    assert shapes["conv"] == "conv[n, 3, 4]"
    assert shapes["step"] == "step[n, 4]"
    assert "spread.mean" in shapes


def test_the_kinks_on_the_page_are_those_of_the_language() -> None:
    text = LANGUAGE.read_text(encoding="utf-8").split("## Derivatives at kinks")[1]
    missing = [name for name in KINKS if name.split(",")[0].strip("]") not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", prose)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_path_of_one_equation_is_what_the_passes_do() -> None:
    page = ROOT / "docs" / "architecture.md"
    declared = {
        "x": parse_declaration("x", "real[n, 3]", Role.INPUT),
        "y": parse_declaration("y", "label[n, 4]", Role.INPUT),
        "W": parse_declaration("W", "real[4, 3]", Role.PARAM),
    }
    parsed = parse_equations("".join(blocks(page, "spec")).splitlines(), declared)
    program = Program("page", (*declared.values(), *parsed.tensors), parsed.equations, ("loss",))
    records, _ = gradient_program(program, "loss", ("W",))
    for record in records:
        found = {print_equation(e) for e in record.program.equations}
        shown = "".join(blocks(page, record.name)).splitlines() if record.changed else []
        if shown and record is next(r for r in records if r.name == record.name and r.changed):
            assert set(shown) <= found, f"after {record.name}:\n" + "\n".join(sorted(found))


def test_the_readme_shows_what_is_generated() -> None:
    page, module = ROOT / "README.md", (ROOT / "generated" / "digits.py").read_text(encoding="utf-8")
    for block in blocks(page, "generated"):
        name = re.search(r"def (\w+)", block)
        assert block in module, f"{name and name[1]} has changed: run make generate"
    for line in "".join(blocks(page, "inspect")).splitlines():
        assert re.sub(r"^\( +", "(", line) in module


def shown_commands() -> list[tuple[str, list[str]]]:
    """The commands that the pages show, each with the lines that they show of their output."""
    found = []
    for block in [block for page in PAGES for block in blocks(page, "console")]:
        command, *lines = block.splitlines()
        found.append((command.removeprefix("$ nablac "), [line for line in lines if line not in ("", "...")]))
    return found


@pytest.mark.parametrize(
    ("command", "lines"), shown_commands(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_pages_show_what_is_printed(command: str, lines: list[str]) -> None:
    words = [str(ROOT / word) if word.startswith("examples/") else word for word in command.split()]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    missing = [line for line in lines if re.sub(r" +", " ", line) not in re.sub(r" +", " ", result.output)]
    assert not missing, result.output
