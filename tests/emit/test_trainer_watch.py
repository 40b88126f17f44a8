"""The trainer's callbacks, early stopping, kept checkpoints, record and run folders; killed runs go on bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.emit.small_models import CLASSIFIER, classifier, loaded, samples, text_of


def noisy(rows: int = 40, seed: int = 0) -> tuple[Any, Any]:
    """Samples whose labels mean nothing: what is learned of them is soon worse elsewhere."""
    x, _ = samples(rows, seed)
    return x, np.random.default_rng(seed + 50).integers(3, size=rows)


def given(**more: Any) -> dict[str, Any]:
    """A training whose validation loss falls, and then rises."""
    x, y = noisy()
    return {"x": x, "y": y, "validation": noisy(40, 1), "epochs": 40, "lr": 0.3, "progress": False} | more


class Watcher:
    """A callback that keeps the runs it is shown, and answers True after so many."""

    def __init__(self, last: int = 10**9) -> None:
        self.runs: list[Any] = []
        self.last = last

    def on_epoch_end(self, run: Any) -> bool:
        self.runs.append(run)
        return len(self.runs) >= self.last


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_a_callback_sees_each_epoch(m: ModuleType, tmp_path: Path) -> None:
    watcher, plain = Watcher(), m.fit(**given(epochs=4))
    run = m.fit(**given(epochs=4, callbacks=[watcher], out=tmp_path))
    assert [len(seen.history) for seen in watcher.runs] == [1, 2, 3, 4]
    assert (run.params == plain.params).all() and run.history == plain.history
    assert (watcher.runs[-1].params == run.params).all() and watcher.runs[0].folder == tmp_path
    for seen in watcher.runs:
        assert m.evaluate(seen.params, **{k: given()[k] for k in "xy"})["loss"] == seen.history[-1]["train_loss"]


def test_a_callback_ends_training_and_all_are_asked(m: ModuleType, tmp_path: Path) -> None:
    first, second = Watcher(3), Watcher()
    run = m.fit(**given(callbacks=(first, second), out=tmp_path))
    assert len(run.history) == len(second.runs) == 3
    assert (run.params == m.fit(**given(epochs=3)).params).all()
    again = m.fit(**given(epochs=7, out=tmp_path, resume=True))
    assert (again.params == m.fit(**given(epochs=7)).params).all()


def test_a_callback_that_fails_leaves_the_run(m: ModuleType, tmp_path: Path) -> None:
    class Broken:
        def on_epoch_end(self, run: Any) -> None:
            if len(run.history) == 3:
                raise ZeroDivisionError("a plot of nothing")

    with pytest.raises(ZeroDivisionError):
        m.fit(**given(callbacks=[Broken()], out=tmp_path))
    assert len(m.Run.load(tmp_path).history) == 3
    run = m.fit(**given(epochs=5, out=tmp_path, resume=True))
    assert (run.params == m.fit(**given(epochs=5)).params).all()


@pytest.mark.parametrize("callbacks", [[print], 3, [None]])
def test_what_is_no_callback(m: ModuleType, callbacks: Any, tmp_path: Path) -> None:
    with pytest.raises(m.InputError, match=r"callbacks cannot be used\n(.*\n)* *expected: objects with on_epoch_end"):
        m.fit(**given(callbacks=callbacks, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("start", [3, "runs/first", [1.0], {"params": 1}, np.ones(3)])
def test_what_is_no_start(m: ModuleType, start: Any, tmp_path: Path) -> None:
    with pytest.raises(m.InputError, match=r"start cannot be used\n(.*\n)* *expected: a Run"):
        m.fit(**given(start=start, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_command_hands_callbacks_on(m: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = samples(40)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    watcher, out = Watcher(2), str(tmp_path / "out")
    arguments = ["train", "--data", str(tmp_path / "both.npz"), "--epochs", "9", "--out", out]
    assert m.main(arguments, callbacks=[watcher], progress=False) == 0
    told = capsys.readouterr()
    assert told.out.startswith("epoch 2  train_loss") and told.err == "" and len(watcher.runs) == 2


# --- early stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("watched", ["val_loss", "train_loss"])
@pytest.mark.parametrize("patience", [1, 3, 100])
def test_training_stops_and_the_best_epoch_is_given(m: ModuleType, watched: str, patience: int) -> None:
    more = {} if watched == "val_loss" else {"validation": None, "lr": 8.0}
    watcher = Watcher()
    m.fit(**given(**more, callbacks=[watcher]))
    losses = [run.history[-1][watched] for run in watcher.runs]
    stop = next(
        (n for n in range(1, 41) if n - 1 - int(np.argmin(losses[:n])) >= patience),
        40,
    )
    best = int(np.argmin(losses[:stop]))
    run = m.fit(**given(**more, patience=patience))
    assert len(run.history) == stop and (best + 1 < stop or patience == 100)
    assert run.history == watcher.runs[stop - 1].history
    assert (run.params == watcher.runs[best].params).all() and (run.state == watcher.runs[best].state).all()


def test_the_best_is_kept_beside_the_last(
    m: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = m.fit(**given(patience=4, out=tmp_path))
    best, last = m.Run.load(tmp_path, "best.npz"), m.Run.load(tmp_path, "checkpoint.npz")
    assert len(last.history) == len(best.history) + 4 and best.history == last.history[:-4]
    found = m.Run.load(tmp_path)
    assert (found.params == best.params).all() and (run.params == best.params).all() and found.history == run.history
    x, y = noisy(40, 1)
    np.savez(tmp_path / "val.npz", x=x, y=y)
    m.main(["evaluate", "--data", str(tmp_path / "val.npz"), "--out", str(tmp_path)])
    assert capsys.readouterr().out.startswith(f"loss {best.history[-1]['val_loss']:.6g}  ")


def test_a_stopped_run_stays_stopped_and_can_be_given_more_patience(m: ModuleType, tmp_path: Path) -> None:
    m.fit(**given(patience=2, out=tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = m.fit(**given(patience=2, out=tmp_path, resume=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    longer = m.fit(**given(patience=8, out=tmp_path, resume=True))
    whole = m.fit(**given(patience=8, out=tmp_path / "whole"))
    assert len(longer.history) > len(again.history) and longer.history == whole.history
    assert (longer.params == whole.params).all()
    for name in ("checkpoint.npz", "best.npz", "history.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_loss_that_is_no_number_is_never_the_best(m: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, losses = m._epoch, [np.nan, 3.0, np.inf, 2.0, np.nan, 2.0]

    def told(run: Any, *arguments: Any) -> Any:
        after = epoch(run, *arguments)
        after.history[-1]["val_loss"] = losses[len(run.history)]
        return after

    monkeypatch.setattr(m, "_epoch", told)
    watcher = Watcher()
    run = m.fit(**given(epochs=6, patience=2, callbacks=[watcher]))
    assert len(run.history) == 6 and (run.params == watcher.runs[3].params).all()


def test_patience_from_the_command_line(
    m: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (x, y) in {"train": noisy(), "val": noisy(40, 1)}.items():
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    files = ["--data", str(tmp_path / "train.npz"), "--val", str(tmp_path / "val.npz")]
    out = tmp_path / "out"
    assert m.main(["train", *files, "--epochs", "40", "--lr", "0.3", "--patience", "2", "--out", str(out)]) == 0
    best = m.Run.load(out, "best.npz").history
    assert capsys.readouterr().out.startswith(f"epoch {len(best)}  train_loss {best[-1]['train_loss']:.6g}")
    assert m.main(["train", *files, "--patience", "-1", "--out", str(tmp_path / "other")]) == 2
    assert "patience is out of range" in capsys.readouterr().err


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoints_are_kept(m: ModuleType, tmp_path: Path) -> None:
    watcher = Watcher()
    m.fit(**given(epochs=7, checkpoint_every=3, out=tmp_path, callbacks=[watcher]))
    assert sorted(p.name for p in tmp_path.glob("*.npz")) == ["checkpoint.npz", "epoch_0003.npz", "epoch_0006.npz"]
    for number in (3, 6):
        kept = m.Run.load(tmp_path, f"epoch_{number:04}.npz")
        assert (kept.params == watcher.runs[number - 1].params).all() and len(kept.history) == number
    (tmp_path / "checkpoint.npz").write_bytes((tmp_path / "epoch_0003.npz").read_bytes())
    run = m.fit(**given(epochs=7, out=tmp_path, resume=True))
    assert (run.params == watcher.runs[-1].params).all()


CHILD = """
import sys; sys.path[:0] = [{folder!r}, {root!r}]
import classifier as m
from tests.emit.test_trainer_watch import given
m.fit(**given(epochs=60, out={path!r}, resume={resume}, **{more}))
"""


def child(folder: Path, path: Path, more: dict[str, Any], *, resume: bool) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    script = CHILD.format(folder=str(folder), root=root, path=str(path), more=more, resume=resume)
    environment = {**os.environ, "PYTHONPATH": f"{root}/compiler"}
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, env=environment)


@pytest.mark.parametrize("more", [{}, {"patience": 5, "checkpoint_every": 4}], ids=str)
def test_a_run_that_is_killed_at_random_ends_with_the_same_bytes(
    m: ModuleType, folder: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)  # of the moments
    draw = random.Random(seed)
    m.fit(**given(epochs=60, out=tmp_path / "whole", **more))
    path, killed = tmp_path / "run", 0
    for _ in range(3):
        kept = any((path / name).exists() for name in ("checkpoint.npz", "best.npz"))
        with child(folder, path, more, resume=kept) as process:
            while not kept and process.poll() is None and not list(path.glob("*.npz")):
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
            killed += process.wait(60) == -signal.SIGKILL
    assert killed
    with child(folder, path, more, resume=True) as process:
        assert process.wait(60) == 0, process.stderr.read() if process.stderr else ""
    for name in sorted(p.name for p in (tmp_path / "whole").iterdir()):
        assert (path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_every_write_of_a_save_can_be_the_last(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is cut short before each of its writes in turn, and goes on."""

    class Killed(BaseException):
        pass

    more = {"epochs": 12, "patience": 5, "checkpoint_every": 3, "lr": 0.8}
    m.fit(**given(out=tmp_path / "whole", **more))
    write, monotonic, written = m._write, iter(range(0, 10**6, 2)), 0
    for limit in (10**6, *range(1, 30)):
        path, count = tmp_path / str(limit), 0

        def counted(folder: Any, name: str, fill: Any, limit: int = limit) -> None:
            nonlocal count
            count += 1
            if count >= limit:
                raise Killed
            write(folder, name, fill)

        with monkeypatch.context() as patch:
            patch.setattr(m, "_write", counted)
            patch.setattr(m.time, "monotonic", lambda: next(monotonic))  # a save after each epoch
            with pytest.raises(Killed) if 0 < limit <= written else nullcontext():
                m.fit(**given(out=path, **more))
        written = max(written, count)
        saved = any((path / name).exists() for name in ("checkpoint.npz", "best.npz"))
        m.fit(**given(out=path, resume=saved, **more))
        for name in ("checkpoint.npz", "best.npz", "history.csv"):
            assert (path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (limit, name)


# --- where a part is missing ------------------------------------------------------------------------------------------


def test_many_processes_without_mpi4py(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(m.InputError, match=r"this needs mpi4py\n(.*\n)+  remedy:   pip install mpi4py mpich"):
        m.fit(**given(mpi=True, out=tmp_path / "run"))
    assert m.main(["train", "--mpi", "--out", str(tmp_path / "run")]) == 2
    assert "InputError: this needs mpi4py" in capsys.readouterr().err and not (tmp_path / "run").exists()


# --- the record, and folders ------------------------------------------------------------------------------------------


def test_the_record(m: ModuleType, tmp_path: Path) -> None:
    m.fit(**given(epochs=2, patience=3, seed=4, out=tmp_path))
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["model"] == m.SPEC and record["numpy"] == np.__version__ and record["numba"] == m.numba.__version__
    assert record["module"] == hashlib.sha256(Path(m.__file__ or "").read_bytes()).hexdigest()
    assert record["python"] == ".".join(map(str, sys.version_info[:3])) and record["cpus"] == os.cpu_count()
    settings = record["settings"]
    assert (settings["seed"], settings["epochs"], settings["lr"], settings["patience"]) == (4, 2, 0.3, 3)
    assert (settings["rows"], settings["batch"], settings["validation"]) == (40, 8, True)


def test_a_folder_with_a_run_is_not_written_over(m: ModuleType, tmp_path: Path) -> None:
    m.fit(**given(epochs=2, out=tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(m.InputError) as error:
        m.fit(**given(epochs=3, out=tmp_path))
    assert str(error.value) == (
        f"{tmp_path} holds a run\n"
        "  found:    checkpoint.npz\n"
        "  expected: a new folder\n"
        "  remedy:   another out, or resume=True (--resume) to go on from it"
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["history.csv", "curves.png", "record.json", "epoch_0002.npz", "checkpoint.npz"])
def test_files_of_the_users_own_are_not_written_over(m: ModuleType, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "notes.txt").write_text("mine, and in nobody's way")
    with pytest.raises(m.InputError) as error:
        m.fit(**given(epochs=2, out=tmp_path))
    told = (
        f"{tmp_path} holds a run's files\n  found:    {name}\n  expected: a new folder\n  remedy:   another out (--out)"
    )
    if name != "checkpoint.npz":
        assert str(error.value) == told
    assert (tmp_path / name).read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed or not; but not where a file of the user's own has come into the folder."""

    def killed(*given: Any) -> None:
        raise SystemExit(9)

    whole = m.fit(**given(epochs=2, out=tmp_path / "whole"))
    for resume in (True, False):
        path = tmp_path / str(resume)
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(m, "_epoch", killed)
            m.fit(**given(epochs=2, out=path))
        assert [file.name for file in path.iterdir()] == ["record.json"]
        (path / "history.csv").write_text("mine")
        with pytest.raises(m.InputError, match="holds a run's files\n  found:    history.csv\n"):
            m.fit(**given(epochs=2, out=path, resume=resume))
        (path / "history.csv").unlink()
        capsys.readouterr()
        run = m.fit(**given(epochs=2, out=path, resume=resume))
        said = f"{path}: the run was stopped before its first checkpoint, and begins anew\n"
        assert capsys.readouterr().err == (said if resume else "") and (run.params == whole.params).all()


def test_nothing_to_go_on_from(m: ModuleType, tmp_path: Path) -> None:
    for name in ("history.csv", "record.json"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(m.InputError) as error:
        m.fit(**given(epochs=2, out=tmp_path, resume=True))
    assert str(error.value) == (
        f"{tmp_path} holds no run to go on from\n"
        "  found:    no checkpoint.npz\n"
        "  expected: a run of classifier\n"
        "  remedy:   leave out resume=True (--resume)"
    )


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_folder_has_a_name(m: ModuleType, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        m.main([command, "--out", ""])
    assert stop.value.code == 2 and capsys.readouterr().err.endswith("error: --out names no folder\n")


def test_the_command_takes_the_next_folder(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = samples(40)
    np.savez("both.npz", x=x, y=y)
    train = ["train", "--data", "both.npz", "--epochs"]
    for number, seed in enumerate(("1", "2", "3")):
        assert m.main([*train, "1", "--seed", seed]) == 0
        folder = Path("runs", "classifier" + f"-{number + 1}" * (number > 0))
        assert capsys.readouterr().out.endswith(f" in {folder}\n")
        os.utime(folder / "checkpoint.npz", (number, number))
    assert m.main([*train, "0"]) == 0 and m.main([*train, "-1"]) == 2
    assert sorted(os.listdir("runs")) == [f"classifier{end}" for end in ("", "-2", "-3", "-4")]
    expected = m.evaluate(m.Run.load("runs/classifier-3").params, x=x, y=y)
    capsys.readouterr()
    assert m.main(["evaluate", "--data", "both.npz"]) == 0
    assert capsys.readouterr().out.startswith(f"loss {expected['loss']:.6g}  ")
    assert m.main([*train, "2", "--seed", "3", "--resume"]) == 0
    assert capsys.readouterr().out.endswith("in runs/classifier-3\n")
    assert len(m.Run.load("runs/classifier-3").history) == 2 and len(m.Run.load("runs/classifier").history) == 1
    assert m.main([*train, "2", "--out", "runs/classifier"]) == 2
    assert "runs/classifier holds a run" in capsys.readouterr().err


def test_two_commands_at_once_have_a_folder_each(m: ModuleType, folder: Path, tmp_path: Path) -> None:
    x, y = samples(40)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    command = [sys.executable, str(folder / "classifier.py"), "train", "--data", "both.npz", "--epochs", "2"]
    started = [subprocess.Popen([*command, "--seed", str(k)], cwd=tmp_path, stdout=-1, stderr=-1) for k in range(3)]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    for process in started:
        process.communicate()
    found = {m.Run.load(path).settings["seed"] for path in (tmp_path / "runs").iterdir()}
    assert found == {0, 1, 2}


@pytest.mark.parametrize("name", ["history.csv", "curves.png", "checkpoint.npz"])
def test_without_the_part_for_runs_nothing_is_written_over_either(
    folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = classifier()
    lean = loaded(text_of(replace(model, module=replace(model.module, runs=False)), CLASSIFIER), folder, "lean")
    (tmp_path / name).write_text("mine")
    with pytest.raises(lean.InputError) as error:
        lean.fit(x=samples(40)[0], y=samples(40)[1], out=tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds a run's files\n"
        f"  found:    {name}\n"
        "  expected: none\n"
        "  remedy:   another out, or resume=True"
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(SystemExit):
        lean.main(["train", "--out", ""])
    assert capsys.readouterr().err.endswith("error: --out names no folder\n")
