"""Parameters through files: what is written is what is read, bit for bit; what does not fit is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nablac.cli import main
from nablac.errors import CompileError, DataError
from nablac.frontend.spec import load_spec
from nablac.interchange.parameters import fitted, read_parameters, write_parameters
from nablac.network import compile as compile_network

SPEC = """\
model: tiny
inputs: {x: "real[n, 3]", y: "real[n, 2]"}
params: {file: "real ~ constant(2)"}
network:
  - linear: 2
equations:
  - p[i, j] = file*linear_1[i, j]
loss: {mse: [p, y]}
outputs: p
"""
RANDOM = np.random.default_rng(0)
Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of three parameters; one has a name that NumPy's ``savez`` would take for an argument."""
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def arrays() -> Arrays:
    """Values for them."""
    shapes = {"file": (), "linear_1.W": (2, 3), "linear_1.b": (2,)}
    return {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def same(found: Arrays, expected: Arrays) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_give_back_what_they_were_given(tmp_path: Path, arrays: Arrays, suffix: str) -> None:
    arrays = {**arrays, "wide": RANDOM.normal(size=(2, 0, 3)), "turned": RANDOM.normal(size=(3, 2)).T}
    path = tmp_path / f"all{suffix}"
    write_parameters(path, arrays)
    same(read_parameters(path), arrays)
    first = path.read_bytes()
    write_parameters(path, arrays)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_others_write_is_read(tmp_path: Path, arrays: Arrays) -> None:
    from safetensors.numpy import load_file, save_file

    np.savez_compressed(tmp_path / "numpy.npz", **{k: v for k, v in arrays.items() if k != "file"})
    assert set(read_parameters(tmp_path / "numpy.npz")) == {"linear_1.W", "linear_1.b"}
    save_file(arrays, tmp_path / "theirs.safetensors")
    same(read_parameters(tmp_path / "theirs.safetensors"), arrays)
    write_parameters(tmp_path / "ours.safetensors", arrays)
    same(load_file(tmp_path / "ours.safetensors"), arrays)


def test_the_way_round(spec: Path, arrays: Arrays) -> None:
    """By name -> a run -> safetensors -> npz: the module predicts with the same parameters at every station."""
    names = [spec.with_name(name) for name in ("first.npz", "run", "second.safetensors", "third.npz")]
    write_parameters(names[0], arrays)
    for source, target in zip(names, names[1:], strict=False):
        result = run("export", spec, "--params", source, "--to", target)
        assert result.exit_code == 0, result.output
        assert result.output == f"{target}: 9 numbers in 3 parameters, float32\n"
    same(read_parameters(names[-1]), arrays)
    same(read_parameters(names[1] / "checkpoint.npz"), arrays)
    module = compile_network(spec).module
    loaded = module.Run.load(names[1])
    same(dict(module.unpack(loaded.params)), arrays)
    x = RANDOM.normal(size=(4, 3)).astype(np.float32)
    expected = arrays["file"] * (x @ arrays["linear_1.W"].T + arrays["linear_1.b"])
    np.testing.assert_allclose(module.predict(loaded.params, x=x)["p"], expected, rtol=1e-5, atol=1e-6)


def test_a_run_s_best_epoch_is_what_it_gave(spec: Path, arrays: Arrays) -> None:
    module = compile_network(spec).module
    last = {name: array + 1 for name, array in arrays.items()}
    for name, values in (("checkpoint.npz", last), ("best.npz", arrays)):
        module.Run(module.pack(values), module.init_state(), {}).save(spec.with_name("run"), name)
    same(read_parameters(spec.with_name("run")), arrays)
    same(read_parameters(spec.with_name("run") / "checkpoint.npz"), last)


def test_of_a_run_with_a_mean_it_is_the_mean(spec: Path) -> None:
    """What ``predict`` uses, in every kind of file; of parameters by name there is no mean."""
    spec.write_text(SPEC + "optimizer: {adam: {lr: 0.1, ema: 0.9}}\n")
    module = compile_network(load_spec(spec)).module
    x, y = RANDOM.normal(size=(40, 3)), RANDOM.normal(size=(40, 2))
    learned = module.fit(x=x, y=y, epochs=3, progress=False, out=spec.parent / "run")
    mean = dict(module.unpack(module.averaged(learned.params, learned.state)))
    assert not np.allclose(mean["linear_1.W"], module.unpack(learned.params)["linear_1.W"], atol=1e-3)
    for name in ("all.npz", "all.safetensors", "new"):
        result = run("export", spec, "--params", spec.parent / "run", "--to", spec.parent / name)
        assert result.exit_code == 0, result.output
        same(read_parameters(spec.parent / name), mean)
    again = module.Run.load(spec.parent / "new")
    assert (module.averaged(again.params, again.state) == module.pack(mean)).all()
    checkpoint = spec.parent / "run" / "checkpoint.npz"
    assert run("export", spec, "--params", checkpoint, "--to", spec.parent / "one.npz").exit_code == 0
    assert run("export", spec, "--params", spec.parent / "all.npz", "--to", spec.parent / "two.npz").exit_code == 0
    assert (spec.parent / "one.npz").read_bytes() == (spec.parent / "two.npz").read_bytes()
    spec.write_text(SPEC + "optimizer: {sgd: {lr: 0.1, ema: 0.9}}\n")
    result = run("export", spec, "--params", checkpoint, "--to", spec.parent / "three.npz")
    assert result.exit_code == 2 and result.output == (
        "DataError: the run has no mean of its parameters\n"
        f"  found:    state in {checkpoint.parent} has the wrong shape\n"
        f"  where:    {checkpoint}\n"
        "  remedy:   export it with the spec that it was trained by\n"
    )


def test_a_folder_with_files_of_the_users_own_is_kept(spec: Path, arrays: Arrays) -> None:
    write_parameters(spec.parent / "all.npz", arrays)
    (mine := spec.parent / "mine").mkdir()
    (mine / "history.csv").write_text("mine")
    result = run("export", spec, "--params", spec.parent / "all.npz", "--to", mine)
    assert result.exit_code == 2 and (mine / "history.csv").read_text() == "mine"
    assert result.output.startswith(f"CompileError: {mine} holds a run's files\n  found:    history.csv\n")
    result = run("export", spec, "--params", spec.parent / "all.npz", "--to", "")
    assert result.exit_code == 2 and "it names nothing" in result.output


def test_nothing_that_is_there_is_lost(spec: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = spec.with_name("first.npz"), spec.with_name("second.npz")
    write_parameters(first, arrays)
    second.write_bytes(b"precious")
    result = run("export", spec, "--params", first, "--to", second)
    assert result.exit_code == 2 and second.read_bytes() == b"precious"
    assert result.output == f"CompileError: {second} is there already\n" + (
        "  remedy:   choose another name, or give --force\n"
    )
    with monkeypatch.context() as patch:  # the disk is full
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        result = run("export", spec, "--params", first, "--to", second, "--force")
    assert result.exit_code == 2 and second.read_bytes() == b"precious"
    assert "cannot be written\n  found:    No space left on device" in result.output
    assert not list(spec.parent.glob(".second*"))
    assert run("export", spec, "--params", first, "--to", second, "--force").exit_code == 0
    same(read_parameters(second), arrays)
    assert run("export", spec, "--params", first, "--to", spec.with_name("run")).exit_code == 0
    result = run("export", spec, "--params", first, "--to", spec.with_name("run"), "--force")
    assert result.exit_code == 2 and "holds a run" in result.output


def told(spec: Path, arrays: Arrays) -> str:
    with pytest.raises(DataError) as caught:
        fitted(load_spec(spec).program, arrays, "file.npz")
    return str(caught.value)


def test_what_does_not_fit_is_told(spec: Path, arrays: Arrays) -> None:
    some = {name: array for name, array in arrays.items() if name != "linear_1.b"}
    assert told(spec, {**some, "extra": some["file"]}) == (
        "DataError: these are not the parameters of 'tiny'\n"
        "  found:    no linear_1.b; also extra\n"
        "  expected: file, linear_1.W, linear_1.b\n"
        "  where:    file.npz"
    )
    assert told(spec, {**arrays, "linear_1.W": arrays["linear_1.W"].T}) == (
        "DataError: parameter 'linear_1.W' has another shape\n"
        "  found:    [3, 2]\n"
        "  expected: [2, 3]\n"
        "  where:    file.npz"
    )
    assert told(spec, {**arrays, "linear_1.b": np.array([0.1, 0.5])}) == (
        "DataError: parameter 'linear_1.b' has another kind of numbers\n"
        "  found:    float64, not all of which float32 can hold\n"
        "  expected: float32\n"
        "  where:    file.npz\n"
        "  remedy:   compile the model with --dtype float64"
    )
    assert "found:    int64\n" in told(spec, {**arrays, "linear_1.b": np.array([1, 2])})
    assert "found:    <U1\n" in told(spec, {**arrays, "file": np.array("a")})


def test_numbers_that_the_dtype_can_hold_are_taken(spec: Path, arrays: Arrays) -> None:
    given = {**arrays, "linear_1.b": np.array([0.5, np.nan]), "file": np.float16(0.1)}
    found = fitted(load_spec(spec).program, {k: np.asarray(v) for k, v in given.items()}, "here")
    assert {a.dtype for a in found.values()} == {np.dtype(np.float32)}
    assert found["file"] == np.float32(np.float16(0.1)) and found["linear_1.b"][0] == 0.5


def test_files_that_are_not_whole(tmp_path: Path, arrays: Arrays) -> None:
    write_parameters(tmp_path / "good.npz", arrays)
    write_parameters(tmp_path / "good.safetensors", arrays)
    npz, safe = ((tmp_path / f"good{s}").read_bytes() for s in (".npz", ".safetensors"))
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    files = {
        "none.npz": b"", "text.npz": b"hello", "cut.npz": npz[:-40], "none.safetensors": b"",
        "text.safetensors": b"h" * 99, "cut.safetensors": safe[:-5], "array.npz": b"\x93NUMPY\x01\x00v\x00",
        "changed.npz": npz[:90] + bytes(b ^ 255 for b in npz[90:140]) + npz[140:],
        "objects.npz": (tmp_path / "objects.npz").read_bytes(),
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match="the parameters cannot be read") as caught:
            read_parameters(path)
        assert caught.value.where == str(path) and caught.value.found
    with pytest.raises(DataError, match="No such file"):
        read_parameters(tmp_path / "missing.npz")
    with pytest.raises(DataError, match="No such file"):
        read_parameters(tmp_path)  # a folder without a run
    with pytest.raises(DataError, match="there is no such run"):
        read_parameters(tmp_path / "missing")
    with pytest.raises(DataError, match="not kept in a file such as 'weights.h5'"):
        read_parameters(tmp_path / "weights.h5")


def test_kinds_of_numbers_that_have_no_array(tmp_path: Path) -> None:
    """bfloat16 is known to safetensors and not to NumPy; objects to NumPy alone."""
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(DataError) as caught:
        read_parameters(path)
    assert caught.value.found == "numbers of the kind 'BF16', which NumPy has not"
    with pytest.raises(DataError, match="'a' holds no numbers"):
        write_parameters(tmp_path / "objects.npz", {"a": np.array([{}])})
    assert not (tmp_path / "objects.npz").exists()


def test_checkpoints_that_are_none(tmp_path: Path) -> None:
    facts = {
        "none": "{}",
        "no mapping": json.dumps({"parameters": "3"}),
        "code": json.dumps({"parameters": "__import__('os').mkdir('ran')"}),
        "another size": json.dumps({"parameters": "{'a': ((3,), 'float32')}"}),
        "no text": "[1]",
    }
    for what, text in facts.items():
        np.savez(tmp_path / "checkpoint.npz", params=np.zeros(2), state=np.zeros(1), facts=text)
        with pytest.raises(DataError, match="the parameters cannot be read"):
            read_parameters(tmp_path)
        assert not Path("ran").exists(), what


def test_a_missing_package_is_told(spec: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parameters(spec.with_name("first.npz"), arrays)
    for package, suffix in (("safetensors", "safetensors"), ("onnx", "onnx")):
        with monkeypatch.context() as patch:
            for name in [n for n in sys.modules if n.partition(".")[0] == package]:
                patch.delitem(sys.modules, name)
            patch.setitem(sys.modules, package, None)
            result = run("export", spec, "--params", spec.with_name("first.npz"), "--to", spec.with_name(f"a.{suffix}"))
        assert result.exit_code == 2
        assert "needs a package that is not installed\n" in result.output
        assert f"remedy:   pip install 'nablac[{suffix}]'\n" in result.output
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        result = run("import-torch", "mine.py:mlp")
    assert result.exit_code == 2 and "pip install 'nablac[torch]'" in result.output


def test_mistakes_on_the_command_line(spec: Path, arrays: Arrays) -> None:
    result = run("export", spec, "--to", spec.with_name("a.npz"))
    assert result.exit_code == 2
    assert result.output == (
        "DataError: the parameters are not given\n"
        "  expected: a run's folder, or a .npz or .safetensors file\n"
        "  remedy:   --params runs/tiny\n"
    )
    write_parameters(spec.with_name("first.npz"), arrays)
    result = run("export", spec, "--params", spec.with_name("first.npz"), "--to", spec.with_name("a.h5"))
    assert result.exit_code == 2 and "nothing is written as 'a.h5'" in result.output
    with pytest.raises(CompileError):
        from nablac.interchange.export import export

        export(str(spec), None, spec.with_name("a.pb"))


def test_extents_that_a_spec_only_names(tmp_path: Path) -> None:
    """The data fixes them elsewhere; here ``--size`` does."""
    spec, start = tmp_path / "open.yaml", tmp_path / "start.npz"
    spec.write_text(
        'model: open\ninputs: {x: "real[n, d]", y: "label[n, C]"}\nnetwork: [{linear: C}]\nloss: cross_entropy\n'
    )
    arrays = {"linear_1.W": RANDOM.normal(size=(4, 3)).astype(np.float32), "linear_1.b": np.ones(4, np.float32)}
    write_parameters(start, arrays)
    target = tmp_path / "again.safetensors"
    command = ["export", spec, "--params", start, "--to", target]
    result = run(*command, "--size", "d=3", "--size", "C=4")
    assert result.exit_code == 0, result.output
    same(read_parameters(target), arrays)
    for sizes, message in (
        (["d=3"], "ShapeError: the number of classes of 'y' is not a number\n  found:    C\n"),
        (["d=3", "C=5"], "DataError: parameter 'linear_1.W' has another shape\n"),
        (["C=few"], "CompileError: this is no size\n  found:    --size C=few\n  expected: --size C=10\n"),
        (["c=4"], "CompileError: no input has an extent 'c'\n  expected: n, d, C\n"),
    ):
        refused = run(*command, "--force", *(word for size in sizes for word in ("--size", size)))
        assert refused.exit_code == 2 and refused.output.startswith(message), refused.output
