"""docs/spec.md says what is so: every spec on the page loads, and its tables are the library's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nablac.frontend.definition import Option
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.schedules import SCHEDULES
from nablac.frontend.schema import DataSection, LayerSection, Spec, TrainSection
from nablac.frontend.spec import model_of_spec
from nablac.frontend.update_rules import RULES
from nablac.ir.check import check
from nablac.ir.declare import INITIALISERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def completed(block: str) -> str:
    """A block without a model is laid over the page's first one, key by key."""
    if "model:" in block:
        return block
    keys = list(YAML(typ="safe", pure=True).load(block))
    kept = re.split(r"^(?=\w+:)", BLOCKS[0], flags=re.MULTILINE)
    return "".join(part for part in kept if part.split(":")[0] not in keys) + block


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_loads(number: int) -> None:
    made = model_of_spec(completed(BLOCKS[number]), "spec.md")
    check(made.program)
    check(made.optimizer.program)


def table_of(heading: str) -> str:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def written(option: Option) -> str:
    if option.default is None:
        return f"`{option.name}`"
    default = str(option.default).lower() if isinstance(option.default, bool) else option.default
    shown = re.sub("e-0", "e-", "0" if default == 0 else repr(default)) if isinstance(default, float) else default
    return f"`{option.name}: {shown}`"


def test_the_tables_are_the_librarys() -> None:
    tables = {"network": table_of("network"), "measures": table_of("loss") + "\n" + table_of("metrics")}
    for heading, rows in (("network", NODES), ("measures", MEASURES)):
        for name, versions in rows.items():
            line = next(text for text in tables[heading].splitlines() if f"`{name}`" in text)
            assert all(f"`{formal}: {pattern}`" in line for formal, pattern in versions[0].reads), name
            assert all(written(option) in line for option in versions[0].options), name
    for rule in RULES.values():
        line = next(text for text in table_of("optimizer").splitlines() if f"| `{rule.name}`" in text)
        assert line == f"| `{rule.name}` | {', '.join(written(o) for o in rule.options)} |"
    for name, row in SCHEDULES.items():
        line = next(text for text in table_of("optimizer").splitlines() if f"| `{name}`" in text)
        assert all(written(option) in line for option in row.options) and line.endswith(f"| {row.help} |")
    assert all(f"`{name}" in table_of("inputs and params") for name in INITIALISERS)


def test_every_key_is_on_the_page() -> None:
    keys = table_of("Keys")
    assert re.findall(r"^\| `(\w+)`", keys, re.MULTILINE) == list(Spec.model_fields)
    for heading, section in (("train", TrainSection), ("data", DataSection), ("layers", LayerSection)):
        text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        assert all(f"{name}:" in text or f"`{name}" in text for name in section.model_fields), heading
