"""Training by many processes that mpirun starts: as by one, the same each time, and safe where one of them dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.emit.module import module_text
from nablac.frontend.spec import model_of_spec
from nablac.pipeline import compile_model
from tests.endtoend.modules import imported

pytestmark = pytest.mark.extras

SPEC = """
model: shared
inputs: {x: "real[n, 6]", y: "label[n, 3]"}
network:
  - linear: 16
  - tanh
  - linear: 3
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 0.01}}
train:
  epochs: 4
  batch_size: 25
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module, 203 training samples, 61 for validation: no number of processes divides them."""
    folder = tmp_path_factory.mktemp("shared")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    (folder / "shared.py").write_text(module_text(compile_model(model_of_spec(SPEC)), "0.1.0"))
    dropped = SPEC.replace("shared", "dropped").replace("- tanh", "- tanh\n  - dropout: 0.3") + "  accumulate: 2\n"
    (folder / "dropped.py").write_text(module_text(compile_model(model_of_spec(dropped)), "0.1.0"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(264, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > x[:, 2])
    np.savez(folder / "train.npz", x=x[:203], y=y[:203])
    np.savez(folder / "val.npz", x=x[203:], y=y[203:])
    return folder


@pytest.fixture(scope="module")
def s(place: Path) -> ModuleType:
    return imported((place / "shared.py").read_text(), place, "shared")


def mpirun() -> str:
    """The one beside this Python, where pip puts it, or the system's."""
    beside = Path(sys.executable).with_name("mpirun")
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    assert found, "install mpi4py and an MPI: pip install 'nablac[mpi]'"
    return found


def command(place: Path, ranks: int, *more: str) -> list[str]:
    told = subprocess.run([mpirun(), "--version"], capture_output=True, text=True).stdout
    options = ["--allow-run-as-root", "--oversubscribe"] if "Open MPI" in told else []
    data = ["--data", "train.npz", "--val", "val.npz"]
    return [mpirun(), *options, "-n", str(ranks), sys.executable, "shared.py", "train", "--mpi", *data, *more]


def run(place: Path, ranks: int, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(place, ranks, *more), cwd=place, capture_output=True, text=True, timeout=180)


def data(place: Path) -> dict[str, Any]:
    with np.load(place / "train.npz") as train, np.load(place / "val.npz") as val:
        return {"x": train["x"], "y": train["y"], "validation": (val["x"], val["y"]), "progress": False}


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_many_processes_give_what_one_gives(place: Path, s: ModuleType, ranks: int) -> None:
    done = run(place, ranks, "--out", f"by_{ranks}")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2 and done.stdout.startswith("epoch 4  train_loss")
    expected, found = s.fit(**data(place)), s.Run.load(place / f"by_{ranks}")
    np.testing.assert_allclose(found.params, expected.params, atol=2e-5)
    np.testing.assert_allclose(found.state, expected.state, atol=2e-5)
    for row, other in zip(found.history, expected.history, strict=True):
        assert row == pytest.approx(other, rel=1e-5)
    assert sorted(p.name for p in (place / f"by_{ranks}").iterdir()) == [
        "checkpoint.npz", "curves.png", "history.csv", "record.json"
    ]  # fmt: skip


def test_chance_falls_on_the_same_rows(place: Path) -> None:
    """Dropout depends on a row's place in the whole batch; a share is computed in pieces here."""
    m = imported((place / "dropped.py").read_text(), place, "dropped")
    start = [part.replace("shared.py", "dropped.py") for part in command(place, 3, "--out", "dropped")]
    done = subprocess.run(start, cwd=place, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    expected, found = m.fit(**data(place)), m.Run.load(place / "dropped")
    np.testing.assert_allclose(found.params, expected.params, atol=2e-5)


def test_repeats_are_identical(place: Path) -> None:
    for name in ("first", "second"):
        assert run(place, 4, "--out", name, "--epochs", "2").returncode == 0
    assert (place / "first" / "checkpoint.npz").read_bytes() == (place / "second" / "checkpoint.npz").read_bytes()
    assert run(place, 4, "--out", "second", "--epochs", "4", "--resume").returncode == 0
    assert run(place, 4, "--out", "whole", "--epochs", "4").returncode == 0
    assert (place / "whole" / "checkpoint.npz").read_bytes() == (place / "second" / "checkpoint.npz").read_bytes()


def test_early_stopping_by_many(place: Path, s: ModuleType) -> None:
    more = ["--epochs", "60", "--lr", "0.3", "--patience", "3", "--seed", "2"]
    done = run(place, 2, "--out", "stopped", *more)
    assert done.returncode == 0, done.stderr
    found, best = s.Run.load(place / "stopped"), s.Run.load(place / "stopped", "best.npz")
    assert len(found.history) == len(best.history) + 3 < 60 and (found.params == best.params).all()


SCRIPT = """
import json, sys
import numpy as np
import shared as m
from mpi4py import MPI

class Stop:
    def on_epoch_end(self, run):
        return len(run.history) == 3

with np.load("train.npz") as train:
    run = m.fit(x=train["x"], y=train["y"], epochs=9, progress=False, callbacks=[Stop()], mpi=True)
told = json.dumps([len(run.history), run.params.tobytes().hex()])
with open(f"rank{MPI.COMM_WORLD.rank}.json", "w") as file:  # what several processes print is mixed
    file.write(told)
"""


def test_fit_gives_every_process_the_run(place: Path) -> None:
    (place / "script.py").write_text(SCRIPT)
    start = command(place, 3)
    done = subprocess.run([*start[: start.index("shared.py")], "script.py"], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [json.loads((place / f"rank{rank}.json").read_text()) for rank in range(3)]
    assert told[0] == told[1] == told[2] and told[0][0] == 3


# --- where it goes wrong ----------------------------------------------------------------------------------------------


def started(place: Path, out: str, *more: str) -> subprocess.Popen[str]:
    """A long run that has a checkpoint."""
    process = subprocess.Popen(
        command(place, 4, "--out", out, "--epochs", "100000", *more),
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (place / out / "history.csv").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    assert process.poll() is None, process.communicate()[1]
    return process


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that it has started, the first one first."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            inside = (folder / "cmdline").read_bytes().split(b"\0")
            python = inside[0].endswith(Path(sys.executable).name.encode()) and b"shared.py" in inside
            if python and _below(int(folder.name), process.pid):
                found.append(int(folder.name))
        except (OSError, ValueError):
            continue
    return sorted(found)


def _below(child: int, ancestor: int) -> bool:
    while child > 1:
        child = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
        if child == ancestor:
            return True
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
@pytest.mark.parametrize("which", [0, 2])
def test_a_process_that_dies_ends_the_run(place: Path, s: ModuleType, which: int) -> None:
    process = started(place, f"dead_{which}")
    os.kill(ranks_of(process)[which], signal.SIGKILL)
    told = "".join(process.communicate(timeout=60))
    assert process.returncode not in (0, None) and "signal 9" in told  # as the launcher says
    kept = s.Run.load(place / f"dead_{which}")
    assert kept.history and s.evaluate(kept.params, x=data(place)["x"], y=data(place)["y"])["loss"] == pytest.approx(
        kept.history[-1]["train_loss"], rel=1e-5
    )
    epochs = str(len(kept.history) + 2)
    assert run(place, 4, "--out", f"dead_{which}", "--epochs", epochs, "--resume").returncode == 0
    assert run(place, 4, "--out", f"alive_{which}", "--epochs", epochs).returncode == 0
    paths = [place / f"{name}_{which}" / "checkpoint.npz" for name in ("dead", "alive")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_ctrl_c_keeps_the_last_epoch(place: Path, s: ModuleType) -> None:
    process = started(place, "stopped_by_hand")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    done = len(s.Run.load(place / "stopped_by_hand").history)
    assert process.returncode != 0
    assert f"KeyboardInterrupt: stopped after epoch {done}; go on from stopped_by_hand with resume=True" in told


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--lr", "3e38", "--out", "far"], "process 0 of 2 ends the run\nInputError: the loss is not finite in epoch"),
        (["--batch-size", "0", "--out", "none"], "process 0 of 2 ends the run\nInputError: batch_size is out of"),
        (["--resume", "--out", "nowhere"], "InputError: nowhere holds no run to go on from"),
    ],
)
def test_a_mistake_is_told_once_and_ends_all(place: Path, more: list[str], message: str) -> None:
    done = run(place, 2, *more)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("InputError") == 1, done.stderr


def test_a_mistake_of_one_process_ends_all(place: Path) -> None:
    (place / "late.py").write_text(
        "import sys, shared as m\n"
        "from mpi4py import MPI\n"
        "if MPI.COMM_WORLD.rank == 1:\n"
        "    real = m.evaluate\n"
        "    m.evaluate = lambda *a, **k: 1 / 0\n"
        "sys.exit(m.main(['train', '--mpi', '--data', 'train.npz', '--out', 'late']))\n"
    )
    start = command(place, 2)
    done = subprocess.run(
        [*start[: start.index("shared.py")], "late.py"], cwd=place, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "process 1 of 2 ends the run" in done.stderr and "ZeroDivisionError" in done.stderr


# --- where it does not fit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    ["module: {mpi: false}", "optimizer: lbfgs"],
)
def test_modules_without_it(more: str) -> None:
    key = more.partition(":")[0]
    kept = [line for line in SPEC.strip().splitlines() if not line.startswith((key, "train", "  epochs", "  batch"))]
    text = module_text(compile_model(model_of_spec("\n".join([*kept, more]))), "0.1.0")
    assert "mpi" not in text.lower().replace("compile", "")


def test_a_loss_that_is_no_mean_over_the_rows_has_no_shares() -> None:
    spec = SPEC.replace("loss: cross_entropy", 'loss: "sqrt(mean[i](linear_2[i, y[i]]**2))"')
    assert "mpi4py" not in module_text(compile_model(model_of_spec(spec)), "0.1.0")
