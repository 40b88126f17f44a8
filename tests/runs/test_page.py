"""docs/training.md says what is so: its commands and listings run, its tables name what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import nablac.runs as nt
from nablac.cli import main
from nablac.cli.train import train

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own that has the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("elsewhere")
def test_the_commands_run_and_write_what_the_page_says() -> None:
    for line in "".join(blocks("sh")).splitlines():
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
    files = {path.name for path in Path("runs").rglob("*") if path.is_file()}
    table = PAGE.split("| file | what is in it |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([\w.]+\.\w+)`", table))
    assert files - {"folds.csv", "lr_range.csv", "lr_range.png"} <= named
    assert named - files == {"best.npz", "predictions.png"}
    facts = json.loads(Path("runs/digits/evaluation.json").read_text())
    numbers = re.findall(r"^\| `(\w+)`(?:, `(\w+)`, `(\w+)`)? \|", PAGE.split("| number |")[1].split("\n\n")[0], re.M)
    of_classes = {name for name, *others in numbers if not others[0]}
    assert of_classes <= set(facts) and facts["accuracy"] > 0.97


@pytest.mark.usefixtures("elsewhere")
def test_the_listings_run() -> None:
    assert CliRunner().invoke(main, shlex.split(blocks("sh")[-1])[1:]).exit_code == 0
    scope: dict[str, Any] = {}
    for text in blocks("python"):
        exec(compile(text, "docs/training.md", "exec"), scope)
    assert scope["rates"].suggested is not None
    assert {"history.jsonl", "evaluation.json", "lr_range.png"} <= {p.name for p in Path("runs/watched").iterdir()}


def test_every_option_and_every_name_is_on_the_page() -> None:
    options = {name for option in train.params for name in option.opts if name.startswith("--")} - {"--plots"}
    missing = [name for name in (*options, "--no-plots") if name not in PAGE]
    assert not missing
    names = re.findall(r"^\| `(\w+)\(", PAGE, re.M)
    assert sorted(names) == sorted(set(nt.__all__) - {"Evaluation", "RateRange"})
