"""The commands as a user meets them: output, files, exit codes, and mistakes told in the project's form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nablac.cli import main

LINE = """\
model: line
inputs: {x: "real[n]", y: "real[n]"}
params: {a: real, b: real}
equations:
  - p[i] = a*x[i] + b
loss: mean[i]((p[i] - y[i])**2)
"""


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A spec of two parameters."""
    path = tmp_path / "line.yaml"
    path.write_text(LINE)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_help_names_every_command() -> None:
    text = run("--help").output
    assert all(command in text for command in ("compile", "train", "check", "inspect", "schema"))


def test_compile_writes_a_module_that_imports_without_nablac(line: Path) -> None:
    module = line.with_name("fitted.py")
    result = run("compile", line, "-o", module)
    assert result.exit_code == 0, result.output
    assert str(module) in result.output
    code = "import sys; sys.modules['nablac'] = sys.modules['sympy'] = None; import fitted; print(fitted.init(0).size)"
    done = subprocess.run([sys.executable, "-c", code], cwd=module.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"


def test_compile_keeps_a_file_it_has_not_made(line: Path) -> None:
    module = line.with_name("mine.py")
    module.write_text("precious = 1\n")
    result = run("compile", line, "-o", module)
    assert result.exit_code == 2
    assert module.read_text() == "precious = 1\n"
    assert "CompileError" in result.output and "remedy:" in result.output


def test_check_agrees(line: Path) -> None:
    result = run("check", line, "--dtype", "float64", "--points", 1)
    assert result.exit_code == 0, result.output
    assert "all 2 entries agree" in result.output


def test_inspect_shows_numbered_formulas(line: Path) -> None:
    result = run("inspect", line, "--wrt", "a")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "forward\n(1) p[i] = a*x[i] + b\n(2) loss = sum[i]((p[i] - y[i])**2/n)\n\n"
        "gradient of a\n(3) d_p[i] = 2*(p[i] - y[i])/n\n(4) d_a = sum[i](d_p[i]*x[i])\n"
    )


def test_inspect_as_latex(line: Path) -> None:
    result = run("inspect", line, "--format", "latex")
    assert result.exit_code == 0, result.output
    assert r"\mathrm{d}a &= \sum_{i} \delta_{i} \, x_{i} \tag{4}" in result.output


def test_dump_prints_the_program_after_a_pass(line: Path) -> None:
    result = run("inspect", line, "--dump", "differentiate")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("after differentiate\nprogram line (float32)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "{line}", "--wrt", "c"),
         "NameError: no parameter is called 'c'\n  expected: a, b\n  remedy:   name one of these\n"),
        (("inspect", "{line}", "--dump", "tidy"),
         "CompileError: no pass is called 'tidy'\n  expected: trace, canonicalise, select, stabilise, differentiate, "
         "contract, inline, shift, shorten, share\n"),
        (("compile", "no_such.yaml"), "SpecError: the spec cannot be read\n  found:    No such file or directory\n"
         "  where:    no_such.yaml\n"),
    ],
)
def test_mistakes_are_told_and_end_with_2(line: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*(a.replace("{line}", str(line)) for a in arguments))
    assert (result.exit_code, result.output) == (2, message)


def test_schema_is_json_schema() -> None:
    schema = json.loads(run("schema").output)
    assert schema["type"] == "object" and "network" in schema["properties"]
