"""Arrays in .npy files: mapped, read by rows, and trained on as arrays in memory are; what they need of memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import nablac.data

SPEC = """\
model: mapped
inputs: {x: "real[n, 6]", y: "label[n, 3]"}
network: [{linear: 3}]
loss: cross_entropy
metrics: [accuracy]
train: {batch_size: 7}
data: {train: {x: x.npy, y: y.npy}, prepare: {x: x/8 - 1}}
module: {estimator: false, mpi: false}
"""


@pytest.fixture(scope="module")
def m(made: Callable[[str], ModuleType]) -> ModuleType:
    return made(SPEC)


def write(folder: Path, dtype: str, rows: int = 100) -> list[Path]:
    """Whole numbers as an array of a width, and labels."""
    random = np.random.default_rng(0)
    np.save(folder / "x.npy", random.integers(0, 16, (rows, 3, 2)).astype(dtype))
    np.save(folder / "y.npy", random.integers(0, 3, rows).astype("i2"))
    return [folder / "x.npy", folder / "y.npy"]


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f4", "f8"])
def test_a_mapped_array_is_the_array(m: ModuleType, tmp_path: Path, dtype: str) -> None:
    paths = write(tmp_path, dtype)
    data = m.load(*paths)
    x, y = np.load(paths[0]).reshape(100, 6) / 8 - 1, np.load(paths[1]).astype(int)
    assert isinstance(data["x"], m.Mapped) and data["x"].shape == (100, 6)
    assert np.asarray(data["x"]).dtype == np.float32 and (np.asarray(data["x"]) == x).all()
    assert data["y"].dtype == np.int64 and (data["y"] == y).all()
    rows = np.array([5, 3, 99, 3])
    assert (np.asarray(data["x"][rows][1:]) == x[rows][1:]).all() and len(data["x"][rows]) == 4
    assert m.load(*paths[::-1]).keys() == data.keys()  # a file that is called as an input is that one
    params = m.init()
    for found in (m.evaluate(params, **data), m.evaluate(params, x=x, y=y)):
        assert found == m.evaluate(params, x=np.asarray(data["x"]), y=y)
    assert (m.predict(params, x=data["x"])["linear_1"] == m.predict(params, x=x)["linear_1"]).all()
    assert (m.loss_and_grad(params, **data)[1] == m.loss_and_grad(params, x=x, y=y)[1]).all()


def test_a_map_of_another_kind_is_told_by_its_kind_and_not_by_its_numbers(m: ModuleType, tmp_path: Path) -> None:
    made = nablac.data.store([{"x": np.ones((100, 6)), "y": np.ones((100, 1))}], tmp_path / "made")
    with pytest.raises(m.InputError) as error:
        m.fit(**made, epochs=1, progress=False)
    assert str(error.value) == (
        "the input 'y' has the wrong dtype\n"
        "  found:    float64[100, 1]\n"
        "  expected: int64\n"
        "  remedy:   convert it"
    )


@pytest.mark.parametrize("validation", [None, 0.2, "files"])
def test_training_gives_the_same_bytes(m: ModuleType, tmp_path: Path, validation: object) -> None:
    data = m.load(*write(tmp_path, "u1"))
    arrays = {name: np.asarray(value) for name, value in data.items()}
    runs = []
    for given in (data, arrays):
        held = (given["x"], given["y"]) if validation == "files" else validation
        runs.append(m.fit(**given, validation=held, epochs=3, progress=False))
    assert runs[0].params.tobytes() == runs[1].params.tobytes() and runs[0].history == runs[1].history


def test_a_map_of_ones_own_is_taken_as_it_is(m: ModuleType, tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32))
    mapped, y = np.load(tmp_path / "own.npy", mmap_mode="r"), np.arange(40) % 3
    one = m.fit(x=mapped[10:], y=y[10:], epochs=2, progress=False)
    other = m.fit(x=np.array(mapped[10:]), y=y[10:], epochs=2, progress=False)
    assert one.params.tobytes() == other.params.tobytes()


def test_wrong_maps(m: ModuleType, tmp_path: Path) -> None:
    paths = write(tmp_path, "u1")
    for name, array, found in (
        ("wide", np.zeros((9, 7)), "the input 'x' has the wrong shape\n  found:    (9, 7)\n  expected: (n, 6)"),
        ("complex", np.zeros((9, 6), "c8"), "complex64 for 'x', which takes numbers"),
        ("text", np.full((9, 6), "a"), "str32 for 'x', which takes numbers"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(m.InputError) as error:
            m.evaluate(m.init(), **m.load(tmp_path / f"{name}.npy", paths[1]))
        assert found in str(error.value)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    (tmp_path / "cut.npy").write_bytes(paths[0].read_bytes()[:-9])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "no.npy").write_bytes(b"hello")
    for name in ("objects", "cut", "empty", "no", "none"):
        with pytest.raises(m.InputError, match=f"{name}.npy cannot be used\n  found:    "):
            m.load(tmp_path / f"{name}.npy")


def test_pieces_give_what_the_whole_gives(m: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated some rows at a time, the last ones fewer: means weighted by the rows, and every row's own outputs."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2000, 6)).astype(np.float32), random.integers(0, 3, 2000)
    params = m.init()
    assert m.PIECES == ("predict", "evaluate")
    monkeypatch.setattr(m, "_sizes", lambda entry, n, whole=m._sizes: tuple(2**15 * k for k in whole(entry, n)))
    pieces = [piece for piece, *_ in m._pieces("evaluate", {"x": x, "y": y}, {"n": 2000})]
    parts = m.evaluate(params, x=x, y=y), m.predict(params, x=x)["linear_1"]
    monkeypatch.undo()
    assert len(pieces) == 8 and pieces[-1].start == 1792
    monkeypatch.setattr(m, "PIECES", ())
    whole = m.evaluate(params, x=x, y=y), m.predict(params, x=x)["linear_1"]
    assert parts[0] == pytest.approx(whole[0], rel=1e-6) and np.allclose(parts[1], whole[1], atol=1e-6)


LIMITED = """
import resource, sys
import numpy as np

sys.path.insert(0, sys.argv[1])
import limited as m

small = {"x": np.zeros((80, 1000), np.float32), "y": np.arange(80) % 2}
m.fit(**small, epochs=1, progress=False, validation=0.25)  # kernels are compiled
used = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")][0] * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 2**28, used + 2**28))
try:
    np.ones(2**28 // 4 + 2**20, np.float32)
    sys.exit("the limit does not hold")
except MemoryError:
    pass
data = m.load(sys.argv[2] + "/x.npy", sys.argv[2] + "/y.npy")
run = m.fit(**data, epochs=1, progress=False, validation=0.25)
print(m.evaluate(run.params, **data)["loss"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_more_than_memory_may_hold(made: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """A file of 1.2 GB as float32, in a process that may have 256 MB more than it has before it reads."""
    module = made(
        SPEC.replace("mapped", "limited").replace("real[n, 6]", "real[n, 1000]").replace("label[n, 3]", "label[n, 2]")
        .replace("{linear: 3}", "{linear: 2}").replace("batch_size: 7", "batch_size: 500")
    )  # fmt: skip
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (300_000, 1000))  # a file with holes
    x[::1000, ::10] = 200
    x.flush()
    np.save(tmp_path / "y.npy", np.arange(300_000) % 2)
    command = [sys.executable, "-c", LIMITED, str(Path(str(module.__file__)).parent), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert 0 < float(result.stdout) < 5


def test_what_is_measured_of_a_map(made: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """A layer that standardises takes the means of the rows as they are prepared, whatever the file's width."""
    module = made(SPEC.replace("mapped", "standardised").replace("[{linear: 3}]", "[standardise, {linear: 3}]"))
    data = module.load(*write(tmp_path, "u1"))
    arrays = {name: np.asarray(value) for name, value in data.items()}
    runs = [module.fit(**given, epochs=2, progress=False) for given in (data, arrays)]
    assert runs[0].params.tobytes() == runs[1].params.tobytes()
    mean = module.unpack(runs[0].params)["standardise_1.mean"]
    np.testing.assert_allclose(mean, arrays["x"].mean(0, dtype=float), rtol=1e-5, atol=1e-7)


def test_folds_of_a_map(m: ModuleType, tmp_path: Path) -> None:
    data = m.load(*write(tmp_path, "f4"))
    arrays = {name: np.asarray(value) for name, value in data.items()}
    own = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("x", "y")}
    own["x"] = own["x"].reshape(100, 6)
    for given, like in ((data, arrays), (own, {name: np.array(value) for name, value in own.items()})):
        found = [nablac.data.cross_validate(m, one, 3, epochs=1, progress=False) for one in (given, like)]
        assert found[0] == found[1]
