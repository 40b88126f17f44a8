"""docs/interchange.md keeps its word: its blocks are run in order, and it names every layer."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nablac.cli import main
from nablac.errors import NablacError
from nablac.frontend.spec import load_spec
from nablac.interchange import from_torch, write_parameters
from nablac.interchange.torch_layers import LAYERS
from nablac.ir.tensor import Role

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "interchange.md").read_text(encoding="utf-8")


def test_the_page_names_every_layer() -> None:
    table = PAGE.split("These layers are carried over")[1].split("```")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(LAYERS)


def errors() -> list[str]:
    return re.findall(r"```\n(\w+Error: .*?)```", PAGE, re.DOTALL)


def test_the_mistake_in_a_file_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = load_spec(ROOT / "examples" / "digits.yaml").program
    arrays = {t.name: np.zeros([int(n) for n in t.shape], np.float32) for t in program.having(Role.PARAM)}
    write_parameters("digits.npz", {**arrays, "linear_1.W": np.zeros((64, 32), np.float32)})
    command = ["export", str(ROOT / "examples" / "digits.yaml"), "--params", "digits.npz", "--to", "again.npz"]
    assert CliRunner().invoke(main, command).output == errors()[0]


@pytest.mark.extras
def test_the_mistake_in_a_model_is_told_so() -> None:
    from torch import nn

    with pytest.raises(NablacError) as caught:
        from_torch(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Conv1d(3, 3, 1)))
    assert re.sub(r"(Linear, Flatten), .*", r"\1, ...", str(caught.value)) == errors()[1].rstrip()


@pytest.mark.extras
def test_the_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    before = set(sys.modules)
    try:
        for kind, block in re.findall(r"```(sh|python|yaml)\n(.*?)```", PAGE, re.DOTALL):
            if kind == "yaml":
                model = block.split(maxsplit=2)[1]
                assert Path(f"{model}.yaml").read_text() == block
                load_spec(f"{model}.yaml")
            elif named := re.match(r"# (\w+\.py)\n", block):
                Path(named[1]).write_text(block)
            elif kind == "python":
                exec(compile(block, "docs/interchange.md", "exec"), {})
            else:
                for line in block.splitlines():
                    result = CliRunner().invoke(main, line.removeprefix("nablac ").split(), standalone_mode=True)
                    assert result.exit_code == 0, f"{line}\n{result.output}"
    finally:
        for name in ("digits", "mymodel"):
            if name not in before:
                sys.modules.pop(name, None)
    made = ("digits.safetensors", "digits.npz", "again.safetensors", "digits.onnx", "mlp.npz", "from_python.npz")
    assert all((tmp_path / name).exists() for name in made)
