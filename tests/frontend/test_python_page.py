"""docs/python.md says what is so: every block is a model, and every name on the page exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.load import load_model
from nablac.frontend.python import NAMES
from nablac.ir.check import check

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_is_a_model(number: int, tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text(BLOCKS[number], encoding="utf-8")
    made = load_model(str(file))
    check(made.program)
    check(made.optimizer.program)


def test_every_name_on_the_page_exists() -> None:
    assert set(re.findall(r"\bnc\.(\w+)", PAGE)) <= {*NAMES, "compile"}
    own = {"SGD", "Momentum", "Nesterov", "Adam", "OwnOptimizer", "model", "param", "equations", "where"}
    assert own | set(NODES) | set(MEASURES) <= set(NAMES)
