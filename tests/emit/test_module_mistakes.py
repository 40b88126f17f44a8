"""Wrong arguments of every kind to a generated module's functions: told in one form, before a kernel runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.ir.tensor import Role
from tests.emit.small_models import declared, loaded, model, samples, text_of

Call = Callable[[Any, Any, Any], Any]
LARGEST = "9223372036854775807"


class Tensor:
    """Another package's tensor, which NumPy cannot read."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def told(found: str, expected: str, remedy: str = "") -> str:
    """An error's lines after its subject."""
    return f"\n  found:    {found}\n  expected: {expected}" + (f"\n  remedy:   {remedy}" if remedy else "")


VALUES: dict[str, tuple[Any, str]] = {
    "ragged": ([[1, 2], [3]], "the input 'x' is no array of numbers" + told(
        "setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 dimensions. "
        "The detected shape was (2,) + inhomogeneous part.", "float32")),
    "tensor": (Tensor(), "the input 'x' is no array of numbers"
               + told("Can't call numpy() on Tensor that requires grad.", "float32")),
    "nothing": (None, "the input 'x' has the wrong dtype" + told("None", "float32", "convert it")),
    "text": ("abc", "the input 'x' has the wrong dtype" + told("'abc'", "float32", "convert it")),
    "mapping": ({"a": 1}, "the input 'x' has the wrong dtype" + told("{'a': 1}", "float32", "convert it")),
    "objects": (np.ones((2, 4), object), "the input 'x' has the wrong dtype" + told("object", "float32", "convert it")),
    "complex": (np.ones((2, 4)) + 0j, "the input 'x' has the wrong dtype"
                + told("complex128", "float32", "convert it")),
    "dates": (np.zeros((2, 4), "M8[s]"), "the input 'x' has the wrong dtype"
              + told("datetime64[s]", "float32", "convert it")),
    "masked": (np.ma.masked_array(np.ones((1, 4)), [[True, False, False, False]]),
               "the input 'x' has the wrong dtype" + told(
                   "masked_array(data=[[--, 1.0, 1.0, 1.0]], mask=[[ True, False, False, False]], fill_value=1e+20)",
                   "float32", "convert it")),
}  # fmt: skip


@pytest.mark.parametrize("numba", [True, False])
@pytest.mark.parametrize("name", VALUES)
def test_values(m: ModuleType, name: str, numba: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not numba:
        monkeypatch.setattr(m, "numba", None)
    value, message = VALUES[name]
    with pytest.raises(m.InputError) as error:
        m.predict(m.init(), x=value)
    assert str(error.value) == message


def steps(m: Any, x: Any, y: Any, **more: Any) -> Any:
    return m.train_steps(m.init(), m.init_state(), x=x, y=y, **more)


def state_with(m: Any, count: float) -> Any:
    state = m.init_state()
    state[-1] = count
    return state


def read_only(m: Any) -> Any:
    params = m.init()
    params.flags.writeable = False
    return params


def in_one_memory(m: Any, x: Any, y: Any) -> Any:
    memory = np.zeros(m.SIZE + m.STATE_SIZE - 1, m.DTYPE)
    return m.train_steps(memory[: m.SIZE], memory[m.SIZE - 1 :], x=x, y=y)


def with_one(x: Any, value: float) -> Any:
    x = x.copy()
    x.flat[5] = value
    return x


FINITE = "-3.4028234663852886e+38 to 3.4028234663852886e+38"
IN_PLACE = "params cannot change in place" + told("another", "its own contiguous, writable float32 array")
CALLS: dict[str, tuple[Call, str]] = {
    "params": (lambda m, x, y: m.predict(None, x=x),
               "params has the wrong dtype" + told("None", "float32", "convert it")),
    "parts": (lambda m, x, y: m.unpack((m.init(), m.init_state())), "params is no array of numbers"),
    "complex parts": (lambda m, x, y: m.unpack(m.init() + 0j),
                      "params has the wrong dtype" + told("complex64", "float32", "convert it")),
    "pack None": (lambda m, x, y: m.pack(None), "the parameters' names differ"
                  + told("None", "linear_1.W, linear_1.b, linear_2.W, linear_2.b")),
    "pack names": (lambda m, x, y: m.pack(list(m.PARAMETERS)), "the parameters' names differ"
                   + told("['linear_1.W', 'linear_1.b', 'linear_2.W', 'linear_2.b']",
                          "linear_1.W, linear_1.b, linear_2.W, linear_2.b")),
    "pack numbers": (lambda m, x, y: m.pack({1: 2}), "the parameters' names differ"
                     + told("1", "linear_1.W, linear_1.b, linear_2.W, linear_2.b")),
    "pack a shape": (lambda m, x, y: m.pack(m.unpack(m.init()) | {"linear_1.b": [1]}),
                     "linear_1.b has the wrong shape" + told("(1,)", "(5)")),
    "bool labels": (lambda m, x, y: m.loss(m.init(), x=x, y=y > 0),
                    "the input 'y' has the wrong dtype" + told("bool", "int64", "convert it")),
    "nan labels": (lambda m, x, y: m.loss(m.init(), x=x, y=y * np.nan),
                   "the input 'y' has the wrong dtype" + told("float64", "int64", "convert it")),
    "large labels": (lambda m, x, y: m.loss(m.init(), x=x, y=np.full(len(x), 2**64 - 1, np.uint64)),
                     "the input 'y' is out of range" + told("18446744073709551615 at element 0", "0 to 2")),
    "seed": (lambda m, x, y: m.init(2**63), "seed is out of range" + told(str(2**63), f"0 to {LARGEST}")),
    "no seed": (lambda m, x, y: m.init(None), "seed has the wrong dtype" + told("None", "int64", "convert it")),
    "true": (lambda m, x, y: m.init(True), "seed has the wrong dtype" + told("True", "int64", "convert it")),
    "rows": (lambda m, x, y: m.selfcheck(rows=-1), "rows is out of range" + told("-1", f"1 to {LARGEST}")),
    "a mask": (lambda m, x, y: steps(m, x, y, order=np.ones(len(x), bool)),
               "order has the wrong dtype" + told("bool", "int64", "convert it")),
    "a list of an order": (lambda m, x, y: steps(m, x, y, order=[0.0, 1.0]),
                           "order has the wrong dtype" + told("[0.0, 1.0]", "int64", "convert it")),
    "no order": (lambda m, x, y: steps(m, x, y, order=np.arange(0)),
                 "order has the wrong shape" + told("(0,)", "(rows)")),
    "large step": (lambda m, x, y: steps(m, x, y, step=2**64 - 1),
                   "step is out of range" + told(str(2**64 - 1), f"0 to {LARGEST}")),
    "half a batch": (lambda m, x, y: steps(m, x, y, batch_size=1.5),
                     "batch_size has the wrong dtype" + told("1.5", "int64", "convert it")),
    "endless lr": (lambda m, x, y: steps(m, x, y, lr=float("inf")),
                   "lr is out of range" + told("inf", "0 to 3.4028234663852886e+38")),
    "text for lr": (lambda m, x, y: steps(m, x, y, lr="a"),
                    "lr has the wrong dtype" + told("'a'", "float32", "convert it")),
    "read-only": (lambda m, x, y: m.train_steps(read_only(m), m.init_state(), x=x, y=y), IN_PLACE),
    "list": (lambda m, x, y: m.train_steps(m.init().tolist(), m.init_state(), x=x, y=y), IN_PLACE),
    "every other": (lambda m, x, y: m.train_steps(np.repeat(m.init(), 2)[::2], m.init_state(), x=x, y=y), IN_PLACE),
    "one memory": (lambda m, x, y: in_one_memory(m, x, y), IN_PLACE),
    "a yes for lr": (lambda m, x, y: steps(m, x, y, lr=True),
                     "lr has the wrong dtype" + told("True", "float32", "convert it")),
    "a yes for fit's lr": (lambda m, x, y: m.fit(x=x, y=y, lr=True),
                           "lr has the wrong dtype" + told("True", "float64", "convert it")),
    "infinite data": (lambda m, x, y: m.fit(x=with_one(x, np.inf), y=y),
                      "the input 'x' is out of range" + told("inf at element 5", FINITE)),
    "data that are none": (lambda m, x, y: m.fit(x=with_one(x, np.nan), y=y),
                           "the input 'x' is out of range" + told("nan at element 5", FINITE)),
    "large data": (lambda m, x, y: m.fit(x=with_one(x.astype(float), 1e39), y=y),
                   "the input 'x' is out of range" + told("1e+39 at element 5", FINITE)),
    "infinite data to validate": (lambda m, x, y: m.fit(x=x, y=y, validation=(with_one(x, -np.inf), y)),
                                  "the input 'x' is out of range" + told("-inf at element 5", FINITE)),
    "count": (lambda m, x, y: m.train_steps(m.init(), state_with(m, np.nan), x=x, y=y),
              "state[-1] is out of range" + told("nan", f"0 to {LARGEST}")),
    "epochs": (lambda m, x, y: m.fit(x=x, y=y, epochs=-1), "epochs is out of range" + told("-1", f"0 to {LARGEST}")),
    "epoch": (lambda m, x, y: m.fit(x=x, y=y, epoch=1), "the inputs' names differ" + told("x, y, epoch", "x, y")),
    "all held out": (lambda m, x, y: m.fit(x=x, y=y, validation=0.999),
                     "validation cannot be used" + told("0.999", "(x, y), or a fraction of the rows")),
    "one of two": (lambda m, x, y: m.fit(x=x, y=y, validation=(x[:1],)), "validation cannot be used"),
    "other rows": (lambda m, x, y: m.fit(x=x, y=y, validation=(x, y[:3])),
                   "the input 'y' has the wrong shape" + told("(3,)", "(50)")),
    "out": (lambda m, x, y: m.fit(x=x, y=y, out=3),
            "3 cannot be used" + told("expected str, bytes or os.PathLike object, not int", "a folder for the run")),
    "resume": (lambda m, x, y: m.fit(x=x, y=y, resume=True), "there is no run to go on from"
               + told("no folder", "out, a folder that holds a run")),
    "load": (lambda m, x, y: m.Run.load(None), "None cannot be used"
             + told("expected str, bytes or os.PathLike object, not NoneType", "a run of classifier")),
    "save": (lambda m, x, y: m.Run(m.init(), m.init_state(), {}).save(None), "None cannot be used"
             + told("expected str, bytes or os.PathLike object, not NoneType", "a folder that can be written to")),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls(m: ModuleType, name: str) -> None:
    call, message = CALLS[name]
    with pytest.raises(m.InputError) as error:
        call(m, *samples())
    text = str(error.value)
    assert text == message or text.startswith(f"{message}\n")
    assert re.fullmatch(r".+\n  found:    .+\n  expected: .+(\n  remedy:   .+)?", text)


def test_a_model_of_parameters_alone(c: ModuleType) -> None:
    for call, message in (
        (lambda: c.predict(c.init(), x=1), "the inputs' names differ" + told("x", "none")),
        (lambda: c.init("a"), "seed has the wrong dtype" + told("'a'", "int64", "convert it")),
        (
            lambda: c.train_steps(c.init(), c.init_state(), steps=2**62),
            "steps is out of range" + told(str(2**62), "0 to 2147483647"),
        ),
        (
            lambda: c.fit(steps=1, validation=0.2),
            "validation cannot be used" + told("0.2", "(), or a fraction of the rows"),
        ),
    ):
        with pytest.raises(c.InputError) as error:
            call()
        assert str(error.value) == message


def test_an_extent_that_stands_twice_is_one_number(folder: Path) -> None:
    """Kernels take it from one axis and would leave the array along the other."""
    kernels = "\n\n".join(
        f"@kernel\ndef _{name}({arguments}, work, iwork):\n    return 0.0"
        for name, arguments in (
            ("predict", "params, d"), ("evaluate", "params, d, values"),
            ("gradient", "params, d, grad"), ("update", "params, grad, state, lr"),
        )
    )  # fmt: skip
    tensors = [*declared(Role.INPUT, d="real[n, n]"), *declared(Role.PARAM, w="real")]
    given = model("pairs", tensors, ["loss = mean[i,j]((d[i,j] - w)**2)"], [])
    pairs = loaded(text_of(given, kernels + "\n\n\ndef _sizes(entry, n):\n    return 0, 0\n"), folder, "pairs")
    with pytest.raises(pairs.InputError, match=r"'d' has the wrong shape\n  found:    \(3, 2\)\n  expected: \(n, n\)"):
        pairs.loss(pairs.init(), d=np.ones((3, 2)))
    assert pairs._read({"d": np.ones((3, 3))}, "evaluate")[1] == {"n": 3}


def test_a_folder_is_tried_before_the_first_epoch(
    m: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = samples()
    path = tmp_path / "file"
    path.write_text("precious")
    monkeypatch.setattr(m, "_epoch", None)
    for out in (path, path / "below"):
        with pytest.raises(m.InputError, match="cannot be used\n  found:    .*\n  expected: a folder for the run"):
            m.fit(x=x, y=y, out=out, progress=False)
    assert path.read_text() == "precious" and os.listdir(tmp_path) == ["file"]


def test_checkpoints_that_were_changed(m: ModuleType, tmp_path: Path) -> None:
    x, y = samples()
    m.fit(x=x, y=y, epochs=1, out=tmp_path, progress=False)
    path = tmp_path / "checkpoint.npz"
    whole = dict(np.load(path))
    for part, found in (
        ({"params": whole["params"][:3]}, "params in {} has the wrong shape\n  found:    (3,)\n  expected: (43)"),
        ({"state": whole["params"]}, "state in {} has the wrong shape\n  found:    (43,)\n  expected: (44)"),
        ({"params": np.array(["a"])}, "params in {} has the wrong dtype\n  found:    <U1"),
        ({"facts": np.array("[1]")}, "{} cannot be used\n  found:    list indices must be integers or slices"),
        ({"facts": np.array("{")}, "{} cannot be used\n  found:    Expecting property name"),
        ({"facts": np.array(str(whole["facts"]).replace('"history": [', '"history": [3, '))},
         "{} cannot be used\n  found:    'int' object"),
    ):
        np.savez(path, **(whole | part))
        with pytest.raises(m.InputError, match=re.escape(found.format(tmp_path))):
            m.fit(x=x, y=y, epochs=2, out=tmp_path, resume=True, progress=False)


def test_validation_is_part_of_a_run(m: ModuleType, tmp_path: Path) -> None:
    """A history has the same columns from its first row to its last."""
    x, y = samples()
    m.fit(x=x, y=y, validation=(x[:9], y[:9]), epochs=1, out=tmp_path, progress=False)
    with pytest.raises(m.InputError, match="otherwise\n  found:    {'validation': True}\n  .*: {'validation': False}"):
        m.fit(x=x, y=y, epochs=2, out=tmp_path, resume=True, progress=False)


def test_no_epochs_from_the_command_line(m: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = samples()
    np.savez(tmp_path / "both.npz", x=x, y=y)
    arguments = ["train", "--data", str(tmp_path / "both.npz"), "--epochs", "0", "--out", str(tmp_path / "out")]
    assert m.main(arguments) == 0
    assert capsys.readouterr().out == f"\nwrote record.json in {tmp_path / 'out'}\n"
