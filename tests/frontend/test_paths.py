"""Paths that are none, or too long for the system: told as any other that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import nablac as nc
import nablac.data
from nablac.cli import main
from nablac.errors import NablacError
from nablac.frontend.load import load_model

SPEC = """\
model: m
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network: [{linear: 3}]
loss: cross_entropy
data: {train: %s}
"""
PLAIN = "a line of plain text"
NULL, LONG = "a\0b", "a" * 400


def spec(folder: Path, train: str) -> Path:
    path = folder / "m.yaml"
    path.write_text(SPEC % train)
    return path


@pytest.mark.parametrize(
    ("train", "key", "found", "expected", "column"),
    [
        (r'"a\0.csv"', "train", r"'a\x00.csv'", f"{PLAIN} or a mapping", 15),
        (r'"a\nb.csv"', "train", r"'a\nb.csv'", f"{PLAIN} or a mapping", 15),
        (r'"\ud800.csv"', "train", r"'\ud800.csv'", f"{PLAIN} or a mapping", 15),
        (r'{x: "a\0.npy", y: b.npy}', "train.x", r"'a\x00.npy'", PLAIN, 19),
    ],
)
def test_paths_of_the_data(train: str, key: str, found: str, expected: str, column: int, tmp_path: Path) -> None:
    path = spec(tmp_path, train)
    result = CliRunner().invoke(main, ["compile", str(path), "-o", str(tmp_path / "m.py")])
    assert result.exit_code == 2
    assert result.output == (
        f"SpecError: 'data.{key}' cannot be {found}\n  expected: {expected}\n  where:    {path}:5:{column}\n"
    )


def test_a_long_name_is_that_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    data = load_model(spec(tmp_path, f"{LONG}.csv")).data
    assert data is not None and data.train == {"": f"{LONG}.csv"}


CALLS: dict[str, tuple[Callable[[str], object], str, str]] = {
    "compile": (nc.compile, "the spec cannot be read", "the spec cannot be read"),
    "a function": (
        lambda p: nc.compile(f"{p}.py:f"), "the Python file cannot be read", "the Python file cannot be read"
    ),
    "load": (nc.load, "'a\\x00b' cannot be read", f"'{LONG[:200]}' cannot be read"),
    "store": (
        lambda p: nablac.data.store(iter([{"x": np.ones(1)}]), p), "a\0b cannot be written to",
        f"{LONG} cannot be written to",
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", [NULL, LONG], ids=["null byte", "long"])
@pytest.mark.parametrize("name", CALLS)
def test_paths_of_calls(name: str, path: str) -> None:
    call, *subjects = CALLS[name]
    with pytest.raises(NablacError) as error:
        call(path)
    assert error.value.subject == subjects[path == LONG]


@pytest.mark.parametrize("path", [NULL, LONG], ids=["null byte", "long"])
@pytest.mark.parametrize("command", ["compile", "train", "inspect", "check", "lr-range", "sweep"])
def test_paths_of_commands(command: str, path: str) -> None:
    result = CliRunner().invoke(main, [command, path])
    assert result.exit_code == 2 and "cannot be read\n  found:    " in result.output
