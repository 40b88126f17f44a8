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
    shown = [row.split("   ")[0].strip() for row in result.output.splitlines() if row.startswith("  (")]
    assert shown == [
        "(1) p[i] = a·x[i] + b",
        "(2) loss = Σᵢ (p[i] - y[i])²/n",
        "(3) δ[i] = 2·(p[i] - y[i])/n",
        "(4) da = Σᵢ δ[i]·x[i]",
    ]
    assert "loss = ‖p - y‖²/n" in result.output and "da = δᵀ x" in result.output


def test_inspect_steps_name_their_laws(line: Path) -> None:
    shown = run("inspect", line, "--wrt", "a", "--steps").output
    assert "number out of sum" in shown and "w*(2*u - 2*v) = 2*w*(u - v)" in shown
    assert "delta elimination" in shown and "sum[j](delta(i, j)*f(j)) = f(i)" in shown


@pytest.mark.parametrize("format_", ["text", "latex", "md", "html", "json", "dot", "svg"])
def test_inspect_writes_every_format_and_replaces_only_its_own(line: Path, format_: str) -> None:
    report = line.with_name("report")
    first = run("inspect", line, "--format", format_, "-o", report)
    assert (first.exit_code, first.output) == (0, f"{report}\n")
    text = report.read_text()
    assert run("inspect", line, "--format", format_, "-o", report).exit_code == 0
    assert report.read_text() == text
    report.write_text("precious\n")
    refused = run("inspect", line, "--format", format_, "-o", report)
    assert refused.exit_code == 2 and "is no report of nablac's" in refused.output
    assert report.read_text() == "precious\n"
    assert run("inspect", line, "--format", format_, "-o", report, "--force").exit_code == 0
    assert report.read_text() == text


@pytest.mark.parametrize("command", ["inspect", "compile"])
def test_the_model_itself_is_never_written_over(line: Path, command: str) -> None:
    before = line.read_text()
    link = line.with_name("link")
    link.symlink_to(line)
    for output in (line, link, line.parent / "." / line.name):
        refused = run(command, line, "-o", output, "--force")
        assert refused.exit_code == 2 and "is the model itself" in refused.output
    assert line.read_text() == before and link.is_symlink()


@pytest.mark.parametrize("command", ["inspect", "compile"])
def test_devices_and_links_stay_what_they_are(line: Path, command: str) -> None:
    assert run(command, line, "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    target, link = line.with_name("target"), line.with_name("link")
    link.symlink_to(target)
    assert run(command, line, "-o", link).exit_code == 0
    assert link.is_symlink() and target.is_file()


@pytest.mark.parametrize("name", ["folder", "x" * 300, "file/below"])
def test_inspect_writes_to_no_odd_place(line: Path, name: str) -> None:
    line.with_name("folder").mkdir()
    line.with_name("file").write_text("")
    refused = run("inspect", line, "-o", line.parent / name, "--force")
    assert refused.exit_code == 2 and ("cannot be written" in refused.output or "is a directory" in refused.output)


def test_inspect_as_json_is_for_programs(line: Path) -> None:
    told = json.loads(run("inspect", line, "--format", "json").output)
    (fourth,) = [e for e in told["equations"] if e["number"] == 4]
    assert (fourth["text"], fourth["matrix"]["plain"]) == ("d_a = sum[i](d_p[i]*x[i])", "da = δᵀ x")
    assert [g["wrt"] for g in told["gradients"]] == ["a", "b"]
    lines = run_source(line).splitlines()
    assert any("# (4) d_a = sum[i](d_p[i]*x[i])" in lines[first - 1] for first, _, _ in fourth["lines"])


def run_source(line: Path) -> str:
    module = line.with_name("made.py")
    assert run("compile", line, "-o", module).exit_code == 0
    return module.read_text()


def test_inspect_of_another_scalar_with_respect_to_an_input(line: Path) -> None:
    shown = run("inspect", line, "--wrt", "x", "--wrt", "p").output
    assert "dx[i] = a·dp[i]" in shown and "( 3) dp[i] = 2·(p[i] - y[i])/n" in shown
    assert run("inspect", line, "--of", "p").exit_code == 2
    assert "only a scalar has a gradient" in run("inspect", line, "--of", "p").output


CIRCUIT = """\
model: product
params: {x: real, y: real, z: real}
equations: ["q = x + y", "f = q*z"]
loss: f
"""


def test_inspect_draws_the_classic_circuit(tmp_path: Path) -> None:
    spec = tmp_path / "product.yaml"
    spec.write_text(CIRCUIT)
    shown = run("inspect", spec, "--at", "x=-2,y=5,z=-4", "--finite-differences", "--taylor").output
    rows = {row.split()[0]: row.split()[1:] for row in shown.splitlines() if len(row.split()) == 3}
    assert [rows[name] for name in "xyzqf"] == [["−2", "−4"], ["5", "−4"], ["−4", "3"], ["3", "−4"], ["−12", "1"]]
    assert "q² + 2·z²" in shown and "4·q·z" in shown


def test_compile_tells_what_lint_finds(tmp_path: Path) -> None:
    spec = tmp_path / "root.yaml"
    spec.write_text('model: root\nparams: {w: "real ~ constant(4)"}\nequations: ["loss = sqrt(w)"]\nloss: loss\n')
    result = run("compile", spec, "-o", tmp_path / "root.py")
    assert result.exit_code == 0
    assert f"[domain]\n  where:    {spec}:3:" in result.output


def test_dump_prints_the_program_after_a_pass(line: Path) -> None:
    result = run("inspect", line, "--dump", "differentiate")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("after differentiate\nprogram line (float32)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("inspect", "{line}", "--wrt", "c"),
            "NameError: the model has no 'c'\n  expected: x, y, a, b, p, loss\n  remedy:   name one of these\n",
        ),
        (
            ("inspect", "{line}", "--dump", "tidy"),
            "CompileError: no pass is called 'tidy'\n  expected: trace, canonicalise, select, stabilise, logsum, "
            "differentiate, resolve, scale, contract, inline, shift, shorten, share\n",
        ),
        (
            ("compile", "no_such.yaml"),
            "SpecError: the spec cannot be read\n  found:    No such file or directory\n  where:    no_such.yaml\n",
        ),
    ],
)
def test_mistakes_are_told_and_end_with_2(line: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*(a.replace("{line}", str(line)) for a in arguments))
    assert (result.exit_code, result.output) == (2, message)


HELP = "nablac inspect --help lists the options\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("inspect", "m.yaml", "--format", "nonsense"),
            "OptionError: --format has a value that cannot be used\n  found:    nonsense\n"
            f"  expected: text, latex, md, html, json, dot, svg\n  remedy:   {HELP}",
        ),
        (
            ("inspect", "m.yaml", "--seed", "x"),
            "OptionError: --seed has a value that cannot be used\n  found:    x\n"
            f"  expected: a whole number from 0 on\n  remedy:   {HELP}",
        ),
        (
            ("train", "m.yaml", "--dtype", "q"),
            "OptionError: --dtype has a value that cannot be used\n  found:    q\n  expected: float32, float64\n"
            "  remedy:   nablac train --help lists the options\n",
        ),
        (
            ("compile", "m.yaml", "-o", "/"),
            "OptionError: --output has a value that cannot be used\n  found:    File '/' is a directory\n"
            "  expected: a file\n  remedy:   nablac compile --help lists the options\n",
        ),
        (
            ("inspect", "m.yaml", "--step"),
            f"OptionError: there is no option --step\n  remedy:   did you mean --steps? {HELP}",
        ),
        (("inspect", "m.yaml", "--wrt"), f"OptionError: option '--wrt' requires an argument\n  remedy:   {HELP}"),
        (("inspect",), f"OptionError: the argument SPEC is missing\n  remedy:   {HELP}"),
        (("inspect", "a", "b"), f"OptionError: got unexpected extra argument (b)\n  remedy:   {HELP}"),
        (
            ("import-torch", "a.py:b", "--input", "3,q"),
            "OptionError: --input is no shape\n  found:    3,q\n"
            "  expected: whole numbers from 1 on, such as 16,64\n",
        ),
        (
            ("inspec", "m.yaml"),
            "OptionError: there is no command 'inspec'\n"
            "  expected: check, compile, export, import-torch, inspect, lr-range, schema, sweep, train\n"
            "  remedy:   did you mean inspect? nablac --help lists the commands\n",
        ),
        (("--what",), "OptionError: there is no option --what\n  remedy:   nablac --help lists the commands\n"),
    ],
)
def test_mistakes_in_the_command_line_are_told_as_all_others(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_no_command_shows_the_help() -> None:
    result = run()
    assert result.output.startswith("Usage:") and "Error" not in result.output


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_refuses_so(command: str) -> None:
    result = run(command, *(["m.yaml"] if command == "schema" else []))
    assert result.exit_code == 2 and result.output.startswith("OptionError: ")


def test_schema_is_json_schema() -> None:
    schema = json.loads(run("schema").output)
    assert schema["type"] == "object" and "network" in schema["properties"]
