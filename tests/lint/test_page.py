"""docs/lint.md: what it says is found on its models is what is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nablac.frontend.spec import model_of_spec
from nablac.lint.rules import RULES, lint
from nablac.pipeline import compile_model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "lint.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"```yaml\n(.*?)```\n\n```found\n(.*?)```", PAGE, re.DOTALL)


def test_every_rule_is_there() -> None:
    assert re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE, re.MULTILINE) == [
        (n, what) for n, (_, what) in RULES.items()
    ]
    assert re.findall(r"^## (.+)$", PAGE, re.MULTILINE) == list(RULES)
    assert len(PAIRS) == len(RULES)


@pytest.mark.parametrize(("spec", "found"), PAIRS, ids=list(RULES))
def test_what_is_found(spec: str, found: str) -> None:
    assert "".join(f"{f}\n" for f in lint(compile_model(model_of_spec(spec, "small.yaml")))) == found
