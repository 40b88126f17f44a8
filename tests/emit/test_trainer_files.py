"""The module's data files and its command line: what they read, write and refuse."""

from __future__ import annotations

import csv
import gzip
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.frontend.model import Data
from tests.emit.small_models import CLASSIFIER, classifier, loaded, samples, text_of


def idx(path: Path, array: Any) -> Path:
    """An IDX file of bytes."""
    content = (
        struct.pack(">HBB", 0, 8, array.ndim)
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype("u1").tobytes()
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def table(path: Path, header: list[str], rows: Any) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The samples in every format."""
    x, y = samples(40)
    np.savez(tmp_path / "both.npz", x=x, y=y, more=x)
    np.savez(tmp_path / "x.npz", x=x)
    table(
        tmp_path / "named.csv",
        ["a", "b", "c", "d", "y"],
        [[*map(repr, map(float, r)), k] for r, k in zip(x, y, strict=True)],
    )
    table(tmp_path / "target.csv", ["a", "kind", "b", "c", "d"],
          [[repr(float(r[0])), k, *map(repr, map(float, r[1:]))] for r, k in zip(x, y * 1.0, strict=True)])  # fmt: skip
    return tmp_path


@pytest.mark.parametrize(
    ("names", "target"),
    [(["both.npz"], None), (["named.csv"], None), (["target.csv"], "kind"), (["x.npz", "both.npz"], None)],
)
def test_formats_agree(m: ModuleType, files: Path, names: list[str], target: str | None) -> None:
    x, y = samples(40)
    data = m.load(*(files / name for name in names), target=target)
    assert list(data) == ["x", "y"] and (data["x"].astype(np.float32) == x).all() and (data["y"] == y).all()
    assert data["y"].dtype == np.int64
    assert list(m.load(files / names[0], target=target, entry="predict")) == ["x"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(m: ModuleType, tmp_path: Path, suffix: str) -> None:
    images, labels = np.arange(40).reshape(10, 2, 2), np.arange(10) % 3
    paths = [idx(tmp_path / f"images{suffix}", images), idx(tmp_path / f"labels{suffix}", labels)]
    data = m.load(*paths)
    assert (data["x"] == images.reshape(10, 4)).all() and (data["y"] == labels).all()
    m.evaluate(m.init(), **data)


def refused(call: Callable[[], Any], module: ModuleType, folder: Path) -> str:
    with pytest.raises(module.InputError) as error:
        call()
    return str(error.value).replace(f"{folder}{os.sep}", "")


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "text": ("x.csv", b"a,b,c,d,y\n1,2,3,4,0\n1,2,three,4,0\n",
             "x.csv has a cell that is no number\n  found:    'three' in row 2, column 'c'\n"
             "  expected: a number in each column"),
    "empty cell": ("x.csv", b"a,b,c,d,y\n1,,3,4,0\n",
                   "x.csv has a cell that is no number\n  found:    '' in row 1, column 'b'\n"
             "  expected: a number in each column"),
    "short row": ("x.csv", b"a,b,c,d,y\n1,2,3\n",
                  "x.csv has a cell that is no number\n  found:    'nothing' in row 1, column 'd'\n"
                  "  expected: a number in each column"),
    "long row": ("x.csv", b"a,b,c,d,y\n1,2,3,4,5,6\n",
                 "x.csv has a cell that is no number\n  found:    '6' in row 1, column 6\n"
                 "  expected: a number in each column"),
    "class names": ("x.csv", b"a,b,c,d,y\n1,2,3,4,cat\n",
                    "x.csv has a cell that is no number\n  found:    'cat' in row 1, column 'y'\n"
                    "  expected: a number in each column"),
    "half a class": ("x.csv", b"a,b,c,d,y\n1,2,3,4,1\n1,2,3,4,0.5\n",
                     "'y' is not whole\n  found:    0.5 in row 2\n  expected: integers"),
    "no target": ("x.csv", b"a,b,c,d,kind\n1,2,3,4,1\n",
                  "the files lack 'y'\n  found:    x\n  expected: x, y\n"
                  "  remedy:   name the array or the column so, or give --data and --target"),
    "no rows": ("x.csv", b"a,b,c,d,y\n",
                "the input 'x' has the wrong shape\n  found:    (0, 4)\n  expected: (n, 4)"),
    "nothing": ("x.csv", b"", "the files lack 'x'\n  found:    nothing\n  expected: x, y\n"
                "  remedy:   name the array or the column so, or give --data and --target"),
    "encoding": ("x.csv", b"a,b,c,d,y\n\xff\xfe,2,3,4,1\n",
                 "x.csv cannot be used\n"
                 "  found:    'utf-8' codec can't decode byte 0xff in position 10: invalid start byte\n"
                 "  expected: a .npz, .csv or IDX file"),
    "no archive": ("x.npz", b"PK\x03\x04", "x.npz cannot be used\n  found:    File is not a zip file\n"
                   "  expected: a .npz, .csv or IDX file"),
    "no numbers": ("x.idx", b"hello", "x.idx is not an IDX file\n  found:    b'hell' at its start\n"
                   "  expected: two zeros, a type, a rank"),
    "cut off": ("x.idx", b"\0\0\x08\x02\0\0\0\x02\0\0\0\x04abc", "x.idx is damaged\n  found:    15 bytes\n"
                "  expected: 20 bytes for shape (2, 4)"),
    "no gzip": ("x.gz", b"\0\0\x08\x01", "x.gz cannot be used\n  found:    Not a gzipped file (b'\\x00\\x00')\n"
                "  expected: a .npz, .csv or IDX file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(m: ModuleType, tmp_path: Path, name: str) -> None:
    file, content, message = BROKEN[name]
    path = tmp_path / file
    path.write_bytes(content)
    assert refused(lambda: m.evaluate(m.init(), **m.load(path)), m, tmp_path) == message


def test_other_files(m: ModuleType, tmp_path: Path) -> None:
    expected = "none.csv cannot be used\n  found:    [Errno 2] No such file or directory: 'none.csv'\n"
    expected += "  expected: a .npz, .csv or IDX file"
    assert refused(lambda: m.load(tmp_path / "none.csv"), m, tmp_path) == expected
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], dtype=object), y=np.arange(3))
    assert "Object arrays cannot be loaded when allow_pickle=False" in refused(
        lambda: m.load(tmp_path / "pickled.npz"), m, tmp_path
    )
    np.savez(tmp_path / "text.npz", x=np.array([["a"] * 4]), y=np.array([1]))
    assert "the input 'x' has the wrong dtype" in refused(
        lambda: m.evaluate(m.init(), **m.load(tmp_path / "text.npz")), m, tmp_path
    )


def test_scaling(folder: Path, files: Path) -> None:
    data = Data(prepare={"x": (2.0, -1.0)})
    module = loaded(text_of(classifier(data=data), CLASSIFIER), folder, "prepared")
    assert module.PREPARATION == {"x": (2.0, -1.0)}
    x, _ = samples(40)
    raw = module.load(files / "both.npz")
    np.testing.assert_array_equal(module.prepare(raw)[0]["x"], (2.0 * x - 1.0).astype(np.float32))
    module = loaded(
        text_of(classifier(data=Data(standardise=("x",), target="kind")), CLASSIFIER), folder, "standardised"
    )
    raw = module.load(files / "target.csv")
    scaled = module.prepare(raw)[0]["x"]
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-6)
    constant = {"x": np.full((3, 4), 5.0)}
    assert (module.prepare(constant)[0]["x"] == 0).all()


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_evaluate_predict(m: ModuleType, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both, out = str(files / "both.npz"), files / "out"
    assert (
        m.main(["train", "--data", both, "--val", "0.25", "--epochs", "3", "--batch-size", "5", "--out", str(out)]) == 0
    )
    assert sorted(os.listdir(out)) == ["checkpoint.npz", "curves.png", "history.csv"]
    lines = (out / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,lr,loss,train_loss,train_accuracy,val_loss,val_accuracy" and len(lines) == 4
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    run = m.Run.load(out / "checkpoint.npz")
    assert run.history[-1]["step"] == 18 and lines[3].split(",")[3] == repr(run.history[-1]["loss"])
    capsys.readouterr()
    params = ["--params", str(out / "checkpoint.npz")]
    assert m.main(["evaluate", "--data", both, *params]) == 0
    x, y = samples(40)
    expected = m.evaluate(run.params, x=x, y=y)
    assert capsys.readouterr().out == f"loss {expected['loss']:.6g}  accuracy {expected['accuracy']:.6g}\n"
    for name in ("p.csv", "p.npz"):
        assert m.main(["predict", "--data", both, *params, "--out", str(files / name)]) == 0
    logits = m.predict(run.params, x=x)["logits"]
    with np.load(files / "p.npz") as file:
        assert (file["logits"] == logits).all()
    rows = (files / "p.csv").read_text().splitlines()
    assert rows[0] == "logits_0,logits_1,logits_2"
    np.testing.assert_allclose(np.loadtxt(rows[1:], delimiter=","), logits, rtol=1e-6)


def test_scaling_goes_with_the_checkpoint(folder: Path, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = loaded(text_of(classifier(data=Data(standardise=("x",))), CLASSIFIER), folder, "standard")
    both, out = str(files / "both.npz"), files / "out"
    assert module.main(["train", "--data", both, "--val", both, "--epochs", "2", "--out", str(out)]) == 0
    row = module.Run.load(out / "checkpoint.npz").history[-1]
    capsys.readouterr()
    assert module.main(["evaluate", "--data", both, "--params", str(out / "checkpoint.npz")]) == 0
    assert capsys.readouterr().out.startswith(f"loss {row['train_loss']:.6g} ") and row["train_loss"] == row["val_loss"]
    x, _ = samples(40)
    np.savez(files / "one.npz", x=x[:1])
    arguments = ["predict", "--params", str(out / "checkpoint.npz")]
    for name in ("both", "one"):
        module.main([*arguments, "--data", str(files / f"{name}.npz"), "--out", str(files / f"{name}.csv")])
    assert (files / "one.csv").read_text().splitlines()[1] == (files / "both.csv").read_text().splitlines()[1]


def test_resume_from_the_command_line(m: ModuleType, files: Path) -> None:
    common = ["train", "--data", str(files / "both.npz"), "--val", "0.25"]
    m.main([*common, "--epochs", "4", "--out", str(files / "whole")])
    m.main([*common, "--epochs", "2", "--out", str(files / "parts")])
    m.main([*common, "--epochs", "4", "--out", str(files / "parts"), "--resume"])
    for name in ("checkpoint.npz", "history.csv", "curves.png"):
        assert (files / "whole" / name).read_bytes() == (files / "parts" / name).read_bytes()


def test_a_circuit_from_the_command_line(c: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert c.main(["train", "--steps", "5", "--lr", "1e-4", "--out", str(tmp_path)]) == 0
    params = ["--params", str(tmp_path / "checkpoint.npz")]
    assert c.main(["evaluate", *params]) == 0 and c.main(["predict", *params, "--out", str(tmp_path / "f.csv")]) == 0
    assert c.main(["info"]) == 0 and c.main(["selfcheck"]) == 0
    out = capsys.readouterr().out
    assert "loss 1" in out and "output     f                    float64[]" in out and "worst relative error" in out


def test_mistakes_end_with_2(m: ModuleType, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = str(files / "both.npz")
    for arguments, message in (
        (["evaluate", "--data", both, "--params", "none.npz"], "InputError: none.npz cannot be used"),
        (["train", "--data", "none.npz"], "InputError: none.npz cannot be used"),
        (["train", "--data", both, "--batch-size", "0"], "InputError: batch_size cannot be used"),
        (["train", "--data", both, "--val", "1.5"], "InputError: validation cannot be used"),
        (["train", "--data", both, "--resume", "--out", str(files / "no")], "checkpoint.npz cannot be used"),
        (["train", "--data", both, "--out", both], "cannot be used"),
    ):
        assert m.main(arguments) == 2
        assert message in capsys.readouterr().err
    for arguments in ([], ["train", "--data", both, "--epochs", "few"], ["fly"]):
        with pytest.raises(SystemExit) as stop:
            m.main(arguments)
        assert stop.value.code == 2
    assert m.main(["train", "--data", both, "--lr", "3.4e38", "--out", str(files / "no")]) == 1
    assert "DivergedError: the loss is not finite in epoch 1, step" in capsys.readouterr().err


def test_the_script(m: ModuleType, folder: Path) -> None:
    run = subprocess.run([sys.executable, str(folder / "classifier.py"), "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "classifier: a model, its gradients and its trainer" in run.stdout
    run = subprocess.run(
        [sys.executable, str(folder / "classifier.py"), "evaluate", "--data", "none.csv"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and "Traceback" not in run.stderr
