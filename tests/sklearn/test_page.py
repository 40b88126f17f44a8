"""docs/sklearn.md says what is so: its blocks are one program, its specs the files that it reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nablac import network, store
from nablac.frontend.load import load_model

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sklearn.md").read_text(encoding="utf-8")


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: None) -> None:
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / text.split()[1]).write_text(text)
    network.compile(load_model(ROOT / "examples" / "digits.yaml")).write(tmp_path / "digits.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {"__name__": "page"}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, "docs/sklearn.md", "exec"), names)
    assert len(list(store.root().glob("*/wine.py"))) == 1  # for all settings and processes
