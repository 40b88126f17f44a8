"""``nablac train`` and ``nablac lr-range`` from the spec to the plots: files, folders, resuming, Ctrl-C, mistakes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nablac.cli import main
from nablac.cli.train import compiled
from nablac.interchange import write_parameters
from nablac.runs.options import read_options

HEARS_CTRL_C = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children are born deaf to it
from nablac.cli import main
main()
"""

SPEC = """\
model: blobs
dtype: float64
inputs: {x: "real[n, 2]", y: "label[n, 3]"}
network: [{linear: 3}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {sgd: {lr: 0.5}}
train: {epochs: 4, batch_size: 16}
data: {train: blobs.csv, validation: 0.25, target: y}
module: {estimator: false, mpi: false}
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A spec beside its data; the module that it becomes is compiled once for all these tests."""
    folder = tmp_path_factory.mktemp("blobs")
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 40)
    x = 2.5 * random.normal(size=(120, 2)) + 3 * np.array([[1, 0], [-1, 1], [0, -2]])[y]
    rows = [f"{a!r},{b!r},{label}" for (a, b), label in zip(x.tolist(), y.tolist(), strict=True)]
    (folder / "blobs.csv").write_text("\n".join(["a,b,y", *rows, ""]))
    (folder / "blobs.yaml").write_text(SPEC)
    kept = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    yield folder / "blobs.yaml"
    del os.environ["XDG_CACHE_HOME"]
    if kept is not None:
        os.environ["XDG_CACHE_HOME"] = kept


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_training_and_its_files(spec: Path) -> None:
    result = run("train", spec)
    assert result.exit_code == 0, result.output
    balance, *lines = result.stderr.splitlines()
    assert balance == "classes of y: 3, each 40 of 120 rows"
    assert [line.split()[:2] for line in lines] == [["epoch", str(k)] for k in (1, 2, 3, 4)]
    assert result.stdout.splitlines()[0] == lines[-1]
    assert "validation, on 30 samples: accuracy " in result.stdout
    folder = Path("runs/blobs")
    names = "calibration.png checkpoint.npz confusion.png curves.png evaluation.json history.csv history.jsonl "
    assert sorted(contents(folder)) == sorted((names + "record.json roc.png samples.csv").split())
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    with (folder / "history.csv").open() as file:
        assert [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)] == rows
    facts = json.loads((folder / "evaluation.json").read_text())
    assert facts["measures"]["loss"] == rows[-1]["val_loss"] and facts["rows"] == 30
    assert facts["accuracy"] == pytest.approx(rows[-1]["val_accuracy"])


def test_the_record_makes_the_run_again(spec: Path) -> None:
    assert run("train", spec, "--epochs", 2, "--seed", 5, "--no-plots").exit_code == 0
    record = json.loads(Path("runs/blobs/record.json").read_text())
    assert record["nablac"]["spec_text"] == SPEC
    assert record["nablac"]["spec_sha256"] == hashlib.sha256(SPEC.encode()).hexdigest()
    assert record["settings"]["seed"] == 5 and {"numpy", "numba", "python"} <= set(record)
    Path("again.yaml").write_text(record["nablac"]["spec_text"])
    assert run("train", "again.yaml", *record["nablac"]["arguments"], "--no-plots").exit_code == 0
    first, second = (contents(Path("runs", name)) for name in ("blobs", "blobs-2"))
    assert first["history.jsonl"] == second["history.jsonl"] and first["evaluation.json"] == second["evaluation.json"]


def test_runs_never_overwrite_each_other(spec: Path) -> None:
    assert run("train", spec, "--epochs", 1, "--no-plots").exit_code == 0
    before = contents(Path("runs/blobs"))
    assert run("train", spec, "--epochs", 1, "--no-plots").exit_code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["blobs", "blobs-2"]
    refused = run("train", spec, "--epochs", 1, "--out", "runs/blobs")
    assert refused.exit_code == 2 and "runs/blobs holds a run" in refused.output
    assert contents(Path("runs/blobs")) == before


@pytest.mark.parametrize("name", ["samples.csv", "evaluation.json", "history.jsonl", "roc.png", "history.csv"])
def test_files_of_the_users_own_are_not_written_over(spec: Path, name: str) -> None:
    """Nor the training table itself, if it is called as what a run writes."""
    Path("mine").mkdir()
    Path("mine", name).write_bytes(spec.with_name("blobs.csv").read_bytes())
    before = contents(Path("mine"))
    result = run("train", spec, "--epochs", 1, "--out", "mine", "--data", spec.with_name("blobs.csv"))
    assert result.exit_code == 2 and contents(Path("mine")) == before
    assert f"Error: mine holds a run's files\n  found:    {name}\n  expected: a new folder\n" in result.output
    assert "  remedy:   another " in result.output


@pytest.mark.parametrize("command", ["train", "lr-range"])
def test_a_folder_has_a_name(spec: Path, command: str) -> None:
    result = run(command, spec, "--out", "")
    assert result.exit_code == 2 and not list(Path().iterdir())
    assert result.output.startswith("OptionError: argument --out: it names no folder\n")


def test_a_resumed_run_ends_with_the_bytes_of_one_that_was_not_stopped(spec: Path) -> None:
    assert run("train", spec, "--epochs", 6, "--out", "whole").exit_code == 0
    assert run("train", spec, "--epochs", 2, "--out", "parts").exit_code == 0
    with Path("parts/history.jsonl").open("a") as file:
        file.write('{"epoch": 3, "of": "a run that was killed before its checkpoint"}\n')
    assert run("train", spec, "--epochs", 6, "--out", "parts", "--resume").exit_code == 0
    whole, parts = contents(Path("whole")), contents(Path("parts"))
    assert [name for name in whole if whole[name] != parts[name]] == ["record.json"]


def test_a_training_that_starts_from_a_file(spec: Path) -> None:
    """A checkpoint, a run's folder and the arrays by name are one start, which is not changed; it is in the record."""
    assert run("train", spec, "--epochs", 2, "--out", "first").exit_code == 0
    before = contents(Path("first"))
    module = compiled(str(spec), None)[0]
    arrays = module.unpack(module.Run.load("first").params)
    for name in ("first.npz", "first.safetensors"):
        write_parameters(name, arrays)
    for number, start in enumerate(["first", "first/checkpoint.npz", "first.npz", "first.safetensors"]):
        result = run("train", spec, "--epochs", 1, "--lr", 1e-9, "--out", f"next-{number}", "--start", start)
        assert result.exit_code == 0, result.output
        found = module.Run.load(f"next-{number}")
        assert len(found.history) == 1
        np.testing.assert_allclose(found.params, module.pack(arrays), atol=1e-7, rtol=0)
        recorded = json.loads(Path(f"next-{number}", "record.json").read_text())["nablac"]["arguments"]
        assert recorded[-2:] == ["--start", start]
    again = [contents(Path(f"next-{number}"))["checkpoint.npz"] for number in range(4)]
    assert len(set(again)) == 1 and contents(Path("first")) == before
    folds = run("train", spec, "--epochs", 1, "--lr", 1e-9, "--folds", 2, "--out", "folds", "--start", "first.npz")
    assert folds.exit_code == 0, folds.output
    np.testing.assert_allclose(module.Run.load("folds/fold_2").params, module.pack(arrays), atol=1e-7, rtol=0)


STARTS = [
    ({"linear_1.W": np.zeros((3, 2))}, "InputError: the parameters' names differ\n  found:    linear_1.W\n"),
    ({"linear_1.W": np.zeros((2, 3)), "linear_1.b": np.zeros(3)}, "InputError: linear_1.W has the wrong shape\n"),
    (None, "DataError: the parameters cannot be read\n"),
]


@pytest.mark.parametrize(("arrays", "message"), STARTS)
def test_a_start_that_does_not_fit(spec: Path, arrays: dict[str, Any] | None, message: str) -> None:
    Path("start.npz").write_bytes(b"no archive") if arrays is None else np.savez("start.npz", **arrays)
    result = run("train", spec, "--start", "start.npz")
    assert result.exit_code == 2 and result.output.startswith(message), result.output
    assert result.output.endswith("  where:    start.npz\n") and not Path("runs").exists()


def test_a_start_is_of_a_new_run(spec: Path) -> None:
    np.savez("start.npz", **{"linear_1.W": np.zeros((3, 2)), "linear_1.b": np.zeros(3)})
    result = run("train", spec, "--start", "start.npz", "--resume")
    assert result.exit_code == 2
    assert result.output == (
        "OptionError: these do not go together\n  found:    --start with --resume\n  remedy:   leave one of them out\n"
    )


def test_what_fails_leaves_no_empty_folder(spec: Path) -> None:
    assert run("train", spec, "--batch-size", 0).exit_code == 2
    assert run("train", spec, "--folds", 500).exit_code == 2
    assert not list(Path("runs").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epoch5"], "OptionError: unrecognized arguments: --epoch5\n  remedy:   nablac train --help"),
        (["--epochs", "few"], "OptionError: argument --epochs: invalid int value: 'few'\n"),
        (["--val", "1.5"], "InputError: validation cannot be used\n  found:    1.5"),
        (["--data", "none.npz"], "InputError: none.npz cannot be used\n"),
        (["--lr", "nan"], "InputError: lr is out of range\n  found:    nan\n"),
        (["--out", "file"], "InputError: file cannot be used\n"),
        (["--resume"], "InputError: "),
        (["--data", "folder"], "DataError: "),
    ],
)
def test_mistakes_are_told_and_end_with_2(spec: Path, options: list[str], message: str) -> None:
    Path("file").write_text("mine")
    Path("folder").mkdir()
    result = run("train", spec, *options)
    told = "\n".join(line for line in result.output.splitlines() if not line.startswith("classes of "))
    assert result.exit_code == 2 and told.startswith(message.rstrip("\n")), result.output
    assert Path("file").read_text() == "mine"


@pytest.mark.parametrize("command", ["train", "lr-range"])
def test_a_spec_that_names_no_data(spec: Path, command: str) -> None:
    Path("bare.yaml").write_text(spec.read_text().replace("data: {train: blobs.csv, validation: 0.25, target: y}", ""))
    result = run(command, "bare.yaml")
    assert result.exit_code == 2
    assert result.output == (
        "OptionError: there is nothing to train on\n"
        "  found:    no data for x, y\n"
        "  remedy:   say in the spec's data where it is, as in data: {train: FILE}, or give --data FILE\n"
    )


def test_the_options_are_those_of_the_modules_own_command(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, _ = compiled(str(spec), None)
    with pytest.raises(SystemExit):
        module.main(["train", "--help"])
    theirs = set(re.findall(r"--([a-z][a-z-]*)", capsys.readouterr().out)) - {"help"}
    assert {name.replace("_", "-") for name in vars(read_options(module, []))} == theirs


def test_a_disk_that_is_full_ends_the_training_and_loses_nothing(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        full.setattr("nablac.runs.logs.os.write", lambda file, data: len(data) - 1)
        result = run("train", spec)
    assert result.exit_code == 2 and "DataError: runs/blobs/history.jsonl cannot be written" in result.output
    assert run("train", spec, "--resume", "--no-plots").exit_code == 0
    assert len(Path("runs/blobs/history.jsonl").read_text().splitlines()) == 4


def test_ctrl_c_while_the_run_is_judged_says_that_it_is_kept(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nablac.runs.session.evaluate", stopped)
    result = run("train", spec)
    assert result.exit_code == 130
    assert "KeyboardInterrupt: the training is done and kept in runs/blobs, but not judged" in result.output


def test_folds(spec: Path) -> None:
    result = run("train", spec, "--folds", 3, "--epochs", 2)
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.stderr.splitlines()[1:]] == [["fold", f"{k}/3"] for k in (1, 2, 3)]
    folder = Path("runs/blobs")
    assert sorted(path.name for path in folder.iterdir()) == ["fold_1", "fold_2", "fold_3", "folds.csv"]
    with (folder / "folds.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracy = [float(row["val_accuracy"]) for row in rows]
    assert len(rows) == 3 and f"{np.mean(accuracy):.6g}" in result.stdout
    assert all((folder / f"fold_{k}" / "checkpoint.npz").exists() for k in (1, 2, 3))
    assert json.loads((folder / "fold_2" / "record.json").read_text())["nablac"]["spec_text"] == SPEC
    assert run("train", spec, "--folds", 3, "--resume").exit_code == 2
    before = (folder / "folds.csv").read_bytes()
    refused = run("train", spec, "--folds", 2, "--epochs", 1, "--out", folder)
    assert refused.exit_code == 2 and (folder / "folds.csv").read_bytes() == before
    assert refused.output.endswith(
        "DataError: runs/blobs holds the runs of folds\n"
        "  found:    fold_1, fold_2, folds.csv\n"
        "  expected: a new folder\n"
        "  remedy:   another out (--out)\n"
    )


def test_folds_are_not_watched(spec: Path) -> None:
    result = run("train", spec, "--folds", 3, "--tensorboard", "events")
    assert result.exit_code == 2 and not Path("events").exists()
    assert result.output == (
        "OptionError: these do not go together\n"
        "  found:    --tensorboard with --folds\n"
        "  remedy:   leave one of them out\n"
    )


UNSHARED = {
    "module: {estimator: false, mpi: false}": ("a spec that says module: {mpi: false}", "leave that out of the spec"),
    "network: [{linear: 3}, batch_norm]": (
        "a loss that is no mean over the rows of a batch, as none is with batch norm",
        "leave out --mpi",
    ),
    "optimizer: lbfgs": ("the optimizer lbfgs, which takes all samples in each step", "another optimizer"),
}


@pytest.mark.parametrize("line", UNSHARED)
def test_a_model_that_cannot_be_shared(spec: Path, line: str) -> None:
    key = line.partition(":")[0]
    lines = [line if text.startswith(f"{key}:") else text for text in spec.read_text().splitlines()]
    if key != "module":
        lines.remove("module: {estimator: false, mpi: false}")
    if key == "optimizer":
        lines.remove("train: {epochs: 4, batch_size: 16}")
    Path("other.yaml").write_text("\n".join(lines))
    result = run("train", "other.yaml", "--mpi")
    found, remedy = UNSHARED[line]
    assert result.exit_code == 2
    assert result.output == (
        "OptionError: this model cannot be shared among processes\n"
        f"  found:    {found}\n"
        "  expected: a mean over the rows, to which each process adds its share\n"
        f"  remedy:   {remedy}\n"
    )


UPWARD = """\
model: upward
inputs: {x: "real[n]"}
params: {a: real ~ constant(0)}
loss: mean[i](1 - (a - x[i])**2)
optimizer: {sgd: {lr: 0.1, maximize: true}}
train: {epochs: 6, batch_size: 8, patience: 2}
data: {train: x.npz}
"""


def test_early_stopping_looks_for_a_large_loss_where_it_is_made_large() -> None:
    """Also in what is printed, in folds and in a sweep, which says how the best is chosen where settings differ."""
    Path("upward.yaml").write_text(UPWARD)
    np.savez("x.npz", x=np.linspace(1, 2, 16))
    result = run("train", "upward.yaml", "--out", "run")
    assert result.exit_code == 0, result.output
    best = compiled("upward.yaml", None)[0].Run.load("run", "best.npz").history
    assert len(best) == 6 and best[-1]["train_loss"] > best[0]["train_loss"]
    assert result.stdout.startswith("epoch 6  ")
    assert run("train", "upward.yaml", "--folds", 2, "--out", "folds").exit_code == 0
    module = compiled("upward.yaml", None)[0]
    with Path("folds/folds.csv").open() as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    assert losses == [module.Run.load(f"folds/fold_{k}").history[-1]["val_loss"] for k in (1, 2)]
    swept = run("sweep", "upward.yaml", "--set", "lr=0.01,0.1", "--jobs", 1, "--out", "sweep")
    assert swept.exit_code == 0, swept.output
    assert "best: setting 2  lr=0.1\n" in swept.output
    mixed = run("sweep", "upward.yaml", "--set", "optimizer.sgd.maximize=true,false", "--dry-run")
    assert mixed.exit_code == 2 and mixed.output == (
        "SpecError: some settings make the loss large, others small\n"
        "  remedy:   say what the best has: --max MEASURE or --min MEASURE\n"
    )


def test_classes_that_differ_much_are_a_table(spec: Path) -> None:
    lines = spec.with_name("blobs.csv").read_text().splitlines()
    Path("few.csv").write_text("\n".join([*lines[:60], lines[-1], ""]))
    result = run("train", spec, "--data", "few.csv", "--epochs", 1, "--no-plots")
    assert result.exit_code == 0, result.output
    shown = result.stderr.splitlines()[:5]
    assert shown[:2] == ["classes of y", "class  rows   share"]
    assert [line.split()[:3] for line in shown[2:]] == [["0", "40", "66.7"], ["1", "19", "31.7"], ["2", "1", "1.7"]]


def test_learning_rates_are_tried(spec: Path) -> None:
    result = run("lr-range", spec)
    assert result.exit_code == 0, result.output
    reason, advice, wrote = result.output.splitlines()
    assert re.fullmatch(r"at \S+ the loss falls fastest; it is lowest at \S+(, rises after that)?", reason)
    assert 1e-3 < float(advice.removeprefix("try --lr ")) < 10
    assert wrote == "wrote lr_range.csv, lr_range.png in runs/blobs-lr-range"
    assert run("lr-range", spec, "--low", 3, "--high", 1).exit_code == 2
    assert run("lr-range", spec, "--tries", 30).output.endswith("in runs/blobs-lr-range-2\n")
    assert run("lr-range", spec, "--out", "elsewhere", "--tries", 40).exit_code == 0
    assert len(Path("elsewhere/lr_range.csv").read_text().splitlines()) == 41


def test_learning_rates_are_tried_from_where_a_run_has_come_to(spec: Path) -> None:
    assert run("train", spec, "--out", "run", "--no-plots").exit_code == 0
    before = contents(Path("run"))
    assert run("lr-range", spec, "--out", "run", "--resume").exit_code == 0
    assert contents(Path("run")) == before
    start = np.genfromtxt("runs/blobs-lr-range/lr_range.csv", delimiter=",", names=True)["loss"][0]
    assert start < 0.9, "not that of new parameters"


def test_event_files_need_a_folder(spec: Path) -> None:
    Path("file").write_text("mine")
    result = run("train", spec, "--tensorboard", "file")
    assert result.exit_code == 2 and Path("file").read_text() == "mine"


@pytest.mark.extras
def test_event_files_lie_in_a_folder_named_as_the_run(spec: Path) -> None:
    for _ in range(2):
        assert run("train", spec, "--tensorboard", "logs", "--no-plots").exit_code == 0
    assert sorted(str(path.relative_to("logs")) for path in Path("logs").glob("*/*")) == [
        "blobs-2/train",
        "blobs-2/val",
        "blobs/train",
        "blobs/val",
    ]


def in_a_terminal(spec: Path, *options: str, stop: bytes = b"") -> tuple[int, str, bool]:
    """The command in a terminal: its exit code, what it printed, and whether the terminal's mode is as before.

    It is interrupted, as by Ctrl-C, when ``stop`` is printed.
    """
    import pty
    import termios

    terminal, other = pty.openpty()
    before: Any = termios.tcgetattr(other)
    changed = {"TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HEARS_CTRL_C, "train", str(spec), *options]
    streams = {"stdin": other, "stdout": other, "stderr": other}
    process = subprocess.Popen(command, env=os.environ | changed, start_new_session=True, **streams)
    printed, end = b"", time.monotonic() + 120
    while process.poll() is None or select.select([terminal], [], [], 0)[0]:
        if select.select([terminal], [], [], 0.05)[0]:
            printed += os.read(terminal, 65536)
        if stop and stop in printed:
            process.send_signal(signal.SIGINT)
            stop = b""
        if time.monotonic() > end:
            process.kill()
    same = termios.tcgetattr(other) == before
    os.close(terminal)
    os.close(other)
    return process.returncode, printed.decode(), same


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_on_a_terminal_it_is_drawn(spec: Path) -> None:
    run("train", spec, "--out", "first")  # compiles
    code, text, same = in_a_terminal(spec, "--epochs", "30", "--no-plots")
    assert code == 0 and same, text
    assert "blobs: 9 parameters, 120 samples, in runs/blobs" in text and "train loss" in text
    assert "epoch 30/30" in text.replace("\x1b[1m", "")
    assert text.count("\x1b[?25h") == text.count("\x1b[?25l") == 1
    assert "validation, on 30 samples" in text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_ctrl_c_keeps_the_run_and_restores_the_terminal(spec: Path) -> None:
    run("train", spec, "--out", "first")  # compiles
    code, text, same = in_a_terminal(spec, "--epochs", "1000000", stop=b"train loss")
    assert code == 130 and same, text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert re.search(r"KeyboardInterrupt: stopped after epoch \d+; go on from runs/blobs with", text)
    done = len(Path("runs/blobs/history.jsonl").read_text().splitlines())
    assert done >= 1 and Path("runs/blobs/checkpoint.npz").exists()
    result = run("train", spec, "--epochs", done + 1, "--resume", "--no-plots")
    assert result.exit_code == 0 and f"epoch {done + 1}" in result.stdout
