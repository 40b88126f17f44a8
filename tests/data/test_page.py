"""docs/data.md keeps its word: its specs compile, and its Python runs from top to bottom on its table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from nablac.emit.write import import_file
from nablac.frontend.spec import model_of_spec
from nablac.network import compile as compile_network
from tests.data.test_images import save

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (table,) = blocks("csv")
    Path("passengers.csv").write_text(table)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv("passengers.csv"), "passengers.parquet")
    for part, name in (("train", "cat"), ("train", "dog"), ("test", "dog")):
        save(Path("pets", part, name, "1.png"), np.zeros((40, 50, 3)))
    for text in blocks("yaml"):
        model = model_of_spec(text, "spec.yaml")
        module = import_file(compile_network(model).write(f"{model.name}.py"))
        if model.name == "titanic":
            (told,) = blocks("told")
            Path("new.csv").write_text("age,fare,sex,port\n30,8,male,X\n")
            with pytest.raises(module.InputError) as error:
                module.load("new.csv")
            assert str(error.value) == told.rstrip("\n")
        else:
            assert module.CATEGORIES == {"y": ("cat", "dog")}
    space: dict[str, object] = {}
    for text in blocks("python"):
        exec(compile(text, str(PAGE), "exec"), space)
    shown = capsys.readouterr().out
    assert "mean  " in shown and "yes    " in shown
    assert isinstance(space["mapped"], dict) and isinstance(space["mapped"]["x"], np.memmap)
