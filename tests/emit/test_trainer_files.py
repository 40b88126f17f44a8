"""The module's data files and its command line: what they read, write and refuse."""

from __future__ import annotations

import csv
import gzip
import os
import struct
import subprocess
import sys
import zipfile
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
    assert set(data) == {"x", "y"} and (data["x"].astype(np.float32) == x).all() and (data["y"] == y).all()
    assert data["y"].dtype == np.int64


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


NO_FILE = "\n  expected: a .npz, .npy, .csv or IDX file"
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "text": ("x.csv", b"a,b,c,d,y\n1,2,3,4,0\n1,2,three,4,0\n",
             "line 3 of x.csv has no number in column 'c'\n  found:    'three'\n  expected: a finite float32 number\n"
             "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "empty cell": ("x.csv", b"a,b,c,d,y\n1,,3,4,0\n",
                   "line 2 of x.csv has no number in column 'b'\n  found:    ''\n  expected: a finite float32 number\n"
                   "  remedy:   fill it, or say under 'missing' in the spec's data what it is"),
    "short row": ("x.csv", b"a,b,c,d,y\n\n1,2,3\n",
                  "line 3 of x.csv has not a cell for each column\n  found:    3 cells\n  expected: 5"),
    "long row": ("x.csv", b"a,b,c,d,y\n1,2,3,4,5,6\n",
                 "line 2 of x.csv has not a cell for each column\n  found:    6 cells\n  expected: 5"),
    "half a class": ("x.csv", b"a,b,c,d,y\n1,2,3,4,1\n1,2,3,4,0.5\n",
                     "x.csv cannot be used\n  found:    0.5 for 'y', which takes whole numbers" + NO_FILE),
    "not a number": ("x.csv", b"a,b,c,d,y\n1,2,3,4,nan\n",
                     "line 2 of x.csv has no number in column 'y'\n  found:    'nan'\n"
                     "  expected: a finite float32 number\n"
                 "  remedy:   fill it, or say under 'missing' in the spec's data what it is"),
    "infinite": ("x.csv", b"a,b,c,d,y\n1,-inf,3,4,1\n",
                 "line 2 of x.csv has no number in column 'b'\n  found:    '-inf'\n"
                 "  expected: a finite float32 number\n"
                 "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "too large": ("x.csv", b"a,b,c,d,y\n1,2,1e39,4,1\n",
                  "line 2 of x.csv has no number in column 'c'\n  found:    '1e39'\n"
                  "  expected: a finite float32 number\n"
                 "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "as Python has it": ("x.csv", b"a,b,c,d,y\n1_000,2,3,4,1\n",
                         "line 2 of x.csv has no number in column 'a'\n  found:    '1_000'\n"
                         "  expected: a finite float32 number\n"
                         "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "no name": ("x.csv", b"a,b,,d,y\n1,2,3,4,1\n",
                "x.csv cannot be used\n  found:    no name for column 3" + NO_FILE),
    "text as an archive": ("x.npz", b"a,b,c,d,y\n1,2,3,4,1\n",
                           "x.npz cannot be used\n  found:    File is not a zip file" + NO_FILE),
    "gzip as an archive": ("x.npz", gzip.compress(b"1,2,3,4,1\n"),
                           "x.npz cannot be used\n  found:    File is not a zip file" + NO_FILE),
    "array as an archive": ("x.npz", b"\x93NUMPY\x01\x00\x00\x00",
                            "x.npz cannot be used\n  found:    File is not a zip file" + NO_FILE),
    "twice": ("x.csv", b"a,b,c,y,d,y\n1,2,3,0,4,1\n", "x.csv cannot be used\n  found:    column 'y' twice" + NO_FILE),
    "open quote": ("x.csv", b'a,b,c,d,y\n1,2,3,4,"1\n',
                   "x.csv cannot be used\n  found:    unexpected end of data" + NO_FILE),
    "no target": ("x.csv", b"a,b,c,d,kind\n1,2,3,4,1\n",
                  "the inputs' names differ\n  found:    x\n  expected: x, y"),
    "no rows": ("x.csv", b"a,b,c,d,y\n",
                "the input 'x' has the wrong shape\n  found:    (0, 4)\n  expected: (n, 4)"),
    "nothing": ("x.csv", b"",
                "x.csv cannot be used\n  found:    nothing that the inputs (x, y) still need" + NO_FILE),
    "encoding": ("x.csv", b"a,b,c,d,y\n\xff\xfe,2,3,4,1\n",
                 "x.csv cannot be used\n"
                 "  found:    'utf-8' codec can't decode byte 0xff in position 10: invalid start byte" + NO_FILE),
    "no archive": ("x.npz", b"PK\x03\x04", "x.npz cannot be used\n  found:    File is not a zip file" + NO_FILE),
    "no numbers": ("x.idx", b"hello", "x.idx cannot be used\n  found:    b'hell' at its start" + NO_FILE),
    "too short": ("x.idx", b"\0\0", "x.idx cannot be used\n  found:    b'\\x00\\x00' at its start" + NO_FILE),
    "cut off": ("x.idx", b"\0\0\x08\x02\0\0\0\x02\0\0\0\x04abc",
                "x.idx cannot be used\n  found:    cannot reshape array of size 3 into shape (2,4)" + NO_FILE),
    "more than there is": ("x.idx", b"\0\0\x08\x02\0\0\0\x01\0\0\0\x04abcde",
                           "x.idx cannot be used\n  found:    cannot reshape array of size 5 into shape (1,4)"
                           + NO_FILE),
    "half a gzip": ("x.gz", gzip.compress(b"\0\0\x08\x01\0\0\0\x08abcdefgh")[:-9],
                    "x.gz cannot be used\n"
                    "  found:    Compressed file ended before the end-of-stream marker was reached" + NO_FILE),
    "no gzip": ("x.gz", b"\0\0\x08\x01",
                "x.gz cannot be used\n  found:    Not a gzipped file (b'\\x00\\x00')" + NO_FILE),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(m: ModuleType, tmp_path: Path, name: str) -> None:
    file, content, message = BROKEN[name]
    path = tmp_path / file
    path.write_bytes(content)
    assert refused(lambda: m.evaluate(m.init(), **m.load(path)), m, tmp_path) == message


def test_other_files(m: ModuleType, tmp_path: Path) -> None:
    expected = "none.csv cannot be used\n  found:    [Errno 2] No such file or directory: 'none.csv'\n"
    expected += "  expected: a .npz, .npy, .csv or IDX file"
    assert refused(lambda: m.load(tmp_path / "none.csv"), m, tmp_path) == expected
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], dtype=object), y=np.arange(3))
    assert "Object arrays cannot be loaded when allow_pickle=False" in refused(
        lambda: m.load(tmp_path / "pickled.npz"), m, tmp_path
    )
    np.savez(tmp_path / "complex.npz", x=np.ones((1, 4)) * 1j, y=np.array([1]))
    for name, x, y, found in (
        ("complex", np.ones((1, 4)) * 1j, np.array([1]), "complex128 for 'x', which takes numbers"),
        ("text", np.array([["a"] * 4]), np.array([1]), "str32 for 'x', which takes numbers"),
        ("yes and no", np.ones((1, 4)), np.array([True]), "bool for 'y', which takes whole numbers"),
    ):
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=x, y=y)
        told = refused(lambda path=path: m.load(path), m, tmp_path)
        assert f"{name}.npz cannot be used\n  found:    {found}\n" in told


def test_blank_lines(m: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b,c,d,y\n\n1,2,3,4,0\n   \n\t\n5,6,7,8,1\n \n")
    assert m.load(path)["x"].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def archive(path: Path, **members: bytes) -> Path:
    """A zip archive with these bytes in it."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def header(text: bytes) -> bytes:
    """The start of an array's file, with its description."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"hello", "bytes40 for 'x', which takes numbers"),
        (header(b"{{((\n"), "('EOF in multi-line statement'"),
        (header(b"__import__('os').system('id')\n"), "malformed node or string"),
        (header(b"{'descr':'<f4','fortran_order':False,'shape':(10**12,)}\n"), "malformed node or string"),
        (header(b"{'descr':'<f4','fortran_order':False,'shape':(1000000000000,64)}\n"), "Unable to allocate"),
    ],
)
def test_damaged_archives(m: ModuleType, tmp_path: Path, content: bytes, found: str) -> None:
    path = archive(tmp_path / "x.npz", x=content)
    assert f"x.npz cannot be used\n  found:    {found}" in refused(lambda: m.load(path), m, tmp_path)


def test_a_damaged_compressed_archive(m: ModuleType, files: Path) -> None:
    path = files / "packed.npz"
    np.savez_compressed(path, x=np.zeros((9, 4)), y=np.arange(9))
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    told = refused(lambda: m.load(path), m, files)
    assert told.startswith("packed.npz cannot be used\n  found:    ") and told.endswith(NO_FILE)


def test_a_file_must_bring_something(m: ModuleType, c: ModuleType, files: Path) -> None:
    np.savez(files / "names.npz", a=np.ones((3, 4)))
    nothing = "names.npz cannot be used\n  found:    nothing that the inputs {} still need" + NO_FILE
    assert refused(lambda: m.load(files / "both.npz", files / "names.npz"), m, files) == nothing.format("(x, y)")
    assert refused(lambda: c.load(files / "names.npz"), c, files) == nothing.format("()")
    for path in (None, 3, b"both.npz", files, "a\0b"):
        assert "cannot be used\n  found:    " in refused(lambda path=path: m.load(path), m, files)  # type: ignore[misc]


def test_a_target_that_is_misspelt(m: ModuleType, files: Path) -> None:
    expected = "the target is no column\n  found:    a, b, c, d, y\n  expected: kin"
    assert refused(lambda: m.load(files / "named.csv", target="kin"), m, files) == expected


def test_tables_as_programs_write_them(m: ModuleType, files: Path) -> None:
    text = (files / "named.csv").read_text().replace("\r\n", "\n")
    expected = m.load(files / "named.csv")
    for name, content in {
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "windows": text.replace("\n", "\r\n").encode(),
        "quoted": text.replace("b,c", '"b","c"').encode(),
        "spaces": text.replace(",", " , ").encode(),
        "no end": text.rstrip("\n").encode(),
        "blank lines": text.replace("\n", "\n\n").encode(),
    }.items():
        path = files / f"{name}.csv"
        path.write_bytes(content)
        found = m.load(path)
        assert all((found[key] == expected[key]).all() for key in ("x", "y")), name


def test_preparation(folder: Path, files: Path) -> None:
    data = Data(prepare={"x": (2.0, -1.0)}, target="kind")
    module = loaded(text_of(classifier(data=data), CLASSIFIER), folder, "prepared")
    assert module.PREPARATION == {"x": (2.0, -1.0)} and module.TARGET == "kind"
    x, y = samples(40)
    for name in ("both.npz", "target.csv"):
        found = module.load(files / name)
        np.testing.assert_allclose(found["x"], 2 * x - 1, rtol=1e-6, atol=1e-7)
        assert (found["y"] == y).all()


# --- the command line -------------------------------------------------------------------------------------------------


def test_train_evaluate_predict(m: ModuleType, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both, out = str(files / "both.npz"), files / "out"
    assert (
        m.main(["train", "--data", both, "--val", "0.25", "--epochs", "3", "--batch-size", "5", "--out", str(out)]) == 0
    )
    run = m.Run.load(out)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("epoch 3  train_loss 0.")
    assert told[1] == f"wrote checkpoint.npz, curves.png, history.csv, record.json in {out}"
    lines = (out / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr" and len(lines) == 4
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert run.state[-1] == 18 and lines[3].split(",")[3] == repr(run.history[-1]["val_loss"])
    assert m.main(["evaluate", "--data", both, "--out", str(out)]) == 0
    x, y = samples(40)
    expected = m.evaluate(run.params, x=x, y=y)
    assert capsys.readouterr().out == f"loss {expected['loss']:.6g}  accuracy {expected['accuracy']:.6g}\n"
    assert m.main(["predict", "--data", str(files / "x.npz"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out / 'predicted_logits.csv'}\n"
    rows = (out / "predicted_logits.csv").read_text().splitlines()
    assert rows[0] == "logits_0,logits_1,logits_2"
    np.testing.assert_allclose(np.loadtxt(rows[1:], delimiter=","), m.predict(run.params, x=x)["logits"], rtol=1e-6)


def test_validation_files(m: ModuleType, files: Path) -> None:
    both, out = str(files / "both.npz"), files / "out"
    arguments = ["train", "--data", str(files / "named.csv"), "--val", both, "--epochs", "2", "--out", str(out)]
    assert m.main(arguments) == 0
    row = m.Run.load(out).history[-1]
    assert row["val_loss"] == row["train_loss"] and row["val_accuracy"] == row["train_accuracy"]


def test_resume_from_the_command_line(m: ModuleType, files: Path) -> None:
    common = ["train", "--data", str(files / "both.npz"), "--val", "0.25"]
    m.main([*common, "--epochs", "4", "--out", str(files / "whole")])
    m.main([*common, "--epochs", "2", "--out", str(files / "parts")])
    m.main([*common, "--epochs", "4", "--out", str(files / "parts"), "--resume"])
    for name in ("checkpoint.npz", "history.csv", "curves.png"):
        assert (files / "whole" / name).read_bytes() == (files / "parts" / name).read_bytes()


def test_ctrl_c_ends_with_130(
    m: ModuleType, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = m._epoch

    def interrupted(run: Any, *arguments: Any) -> Any:
        if len(run.history) == 2:
            raise KeyboardInterrupt
        return epoch(run, *arguments)

    monkeypatch.setattr(m, "_epoch", interrupted)
    out = files / "out"
    assert m.main(["train", "--data", str(files / "both.npz"), "--out", str(out)]) == 130
    told = capsys.readouterr().err
    assert f"KeyboardInterrupt: stopped after epoch 2; go on from {out} with resume=True, or --resume" in told
    assert len(m.Run.load(out).history) == 2


def test_a_circuit_from_the_command_line(c: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    assert c.main(["train", "--steps", "5", "--lr", "1e-4", *out]) == 0
    assert c.main(["evaluate", *out]) == 0 and c.main(["predict", *out]) == 0
    assert (tmp_path / "predicted_f.csv").read_text().splitlines()[0] == "f_0"
    assert c.main(["info"]) == 0 and c.main(["selfcheck"]) == 0
    told = capsys.readouterr().out
    assert "step 5  train_loss 1" in told and "output     f                    float64[]" in told
    assert "x                    relative error " in told


def test_mistakes_end_with_2(m: ModuleType, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = str(files / "both.npz")
    for name in ("i0", "i1", "i2"):
        idx(files / name, np.zeros((3, 4)) if name == "i0" else np.zeros(3))
    for arguments, message in (
        (["evaluate", "--data", both, "--out", "none"], "InputError: none cannot be used"),
        (["train", "--data", "none.npz"], "InputError: none.npz cannot be used"),
        (["train", "--data", both, "--batch-size", "0"], "InputError: batch_size is out of range"),
        (["train", "--data", both, "--val", "1.5"], "InputError: validation cannot be used\n  found:    1.5\n"),
        (["train", "--data", both, "--val", ".0"], "InputError: validation cannot be used"),
        (["train", "--data", *[str(files / f"i{k}") for k in range(3)]], f"InputError: {files / 'i2'} cannot be used"),
        (["train", "--data", both, "--resume", "--out", str(files / "no")], "checkpoint.npz"),
        (["train", "--data", both, "--out", both], f"InputError: {both} cannot be used\n  found:    [Errno 17]"),
        (["train", "--data", both, "--target", "typo"], "the target is no column\n  found:    no .csv file"),
        (["train", "--data", both, "--val", str(files / "x.npz")], "InputError: the input 'y' has the wrong dtype"),
    ):
        assert m.main(arguments) == 2
        assert message in capsys.readouterr().err
    for arguments in ([], ["train", "--data", both, "--epochs", "few"], ["fly"]):
        with pytest.raises(SystemExit) as stop:
            m.main(arguments)
        assert stop.value.code == 2
    assert m.main(["train", "--data", both, "--lr", "3.4e38", "--out", str(files / "no")]) == 2
    assert "InputError: the loss is not finite in epoch 1, step" in capsys.readouterr().err


def test_the_script(m: ModuleType, folder: Path) -> None:
    run = subprocess.run([sys.executable, str(folder / "classifier.py"), "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "classifier: a model, its gradients and its trainer" in run.stdout
    run = subprocess.run(
        [sys.executable, str(folder / "classifier.py"), "evaluate", "--data", "none.csv"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and "Traceback" not in run.stderr
