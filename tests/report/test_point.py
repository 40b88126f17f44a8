"""Points as users write them, and what they are told where that does not fit the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nablac.errors import NablacError
from nablac.report.numbers.point import ROWS, read_point
from tests.report.models import SMOOTH, example, model_of


def told(text: str | None, name: str, folder: Path) -> str:
    """The error, with the folder's name taken out."""
    with pytest.raises(NablacError) as caught:
        read_point(text, example(name))
    return str(caught.value).replace(f"{folder}/", "")


def test_values_and_the_constants_of_the_rest() -> None:
    point = read_point(" y = 1/4 , x=-2e0,", example("circuit_product"))
    assert {name: float(value) for name, value in point.values.items()} == {"x": -2.0, "y": 0.25, "z": -4.0}


def test_no_point_is_where_training_starts() -> None:
    assert float(read_point(None, example("circuit_neuron")).values["w1"]) == -3


def test_random_points_follow_the_seed() -> None:
    model = example("digits")
    first, again, other = (read_point("random", model, seed=s) for s in (0, 0, 1))
    assert all(np.array_equal(first.values[n], again.values[n]) for n in first.values)
    assert not np.array_equal(first.values["x"], other.values["x"])


def test_random_data_meets_the_parameters_of_the_start(tmp_path: Path) -> None:
    model = model_of(SMOOTH, tmp_path)
    shapes = {n: v.shape for n, v in read_point("random", model).values.items()}
    start = {name: np.full(shapes[name], 0.5) for name in ("linear_1.W", "linear_1.b", "out.W", "out.b")}
    asked = []

    def begin(seed: int) -> dict[str, np.ndarray]:
        asked.append(seed)
        return start

    point = read_point("random", model, begin, 3)
    assert asked == [3]
    assert all(np.array_equal(point.values[n], v) for n, v in start.items())


def test_a_file_gives_its_first_samples_prepared(tmp_path: Path) -> None:
    x, y = np.arange(64.0 * 50).reshape(50, 64) % 17, np.arange(50) % 10
    np.savez(tmp_path / "data.npz", x=x, y=y)
    point = read_point(str(tmp_path / "data.npz"), example("digits"))
    assert np.array_equal(point.values["x"], x[:ROWS] / 16)  # the spec prepares x/16
    assert np.array_equal(point.values["y"], y[:ROWS])
    assert point.values["y"].dtype == np.int64


def test_a_file_may_hold_parameters(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((4, 12)), y=np.ones(4), w=np.arange(12.0))
    point = read_point(str(tmp_path / "data.npz"), example("robust_regression"))
    assert np.array_equal(point.values["w"], np.arange(12.0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x=1,yy=5", "NameError: the model has no input or parameter 'yy'\n  expected: x, y, z\n"
                     "  remedy:   did you mean 'y'?"),
        ("x=a", "DataError: the value of 'x' is no number\n  found:    a\n  expected: a number such as -2, 0.5 or 1/3"),
        ("x=", "DataError: the value of 'x' is no number\n  found:    nothing\n"
               "  expected: a number such as -2, 0.5 or 1/3"),
        ("x=1,x=2", "DataError: 'x' has two values\n  found:    x=1,x=2\n  remedy:   give one of them"),
        ("x=1,5", "DataError: '5' gives no value\n  expected: NAME=NUMBER\n"
                  "  remedy:   write x=-2,y=5 for scalars, 'random', or a .npz file"),
        ("", "DataError: the point says nothing\n  expected: x=-2,y=5 for scalars, 'random', or a .npz file"),
        ("x" * 5000, f"DataError: there is no file {'x' * 200}\n"
                     "  expected: x=-2,y=5 for scalars, 'random', or a .npz file"),
        ("x=1" + "0" * 5000, f"DataError: the value of 'x' is no number\n  found:    1{'0' * 59}\n"
                             "  expected: a number such as -2, 0.5 or 1/3"),
        ("none.npz", "DataError: there is no file none.npz\n"
                     "  expected: x=-2,y=5 for scalars, 'random', or a .npz file"),
    ],
)  # fmt: skip
def test_mistakes_in_values(text: str, expected: str, tmp_path: Path) -> None:
    assert told(text, "circuit_product", tmp_path) == expected


@pytest.mark.parametrize("number", ["nan", "inf", "1e999", "1/0", "0x10", "__import__('os')", "1_0", "1e400", "--1"])
def test_what_is_no_number_is_refused(number: str, tmp_path: Path) -> None:
    assert "is no number" in told(f"x={number}", "circuit_product", tmp_path)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_is_a_whole_number_that_fits(seed: int) -> None:
    with pytest.raises(NablacError) as caught:
        read_point("random", example("digits"), seed=seed)
    assert str(caught.value) == (
        f"DataError: the seed is out of range\n  found:    {seed}\n  expected: a whole number of 0 to {2**63 - 1}"
    )


def test_arrays_cannot_be_written_out(tmp_path: Path) -> None:
    assert "x[n, 64] is no single number" in told("x=1", "digits", tmp_path)


def test_what_has_no_start_must_be_given(tmp_path: Path) -> None:
    text = "model: m\ninputs: {s: real}\nparams: {w: \"real ~ normal(0, 1)\"}\nequations: [f = (w - s)**2]\nloss: f\n"
    model = model_of(text + "optimizer: {sgd: {lr: 0.1}}\n", tmp_path)
    for given, missing in (("w=1", "'s' has no value"), ("s=1", "'w' has no value")):
        with pytest.raises(NablacError, match=missing):
            read_point(given, model)
    assert float(read_point("w=1,s=2", model).values["s"]) == 2


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": np.ones((5, 64))}, "DataError: data.npz has no array 'y'\n  found:    x\n  expected: x, y"),
        ({"x": np.ones((5, 63)), "y": np.zeros(5, int)}, "found:    x[5, 63] in data.npz\n  expected: x[n, 64]"),
        ({"x": np.ones((5, 64)), "y": np.zeros(4, int)}, "ShapeError: the extent n has two lengths\n"
                                                        "  found:    4 in y[n]"),
        ({"x": np.ones((5, 64)), "y": np.full(5, 10)}, "DataError: 'y' holds a value that is outside 0...9"),
        ({"x": np.ones((5, 64)), "y": np.full(5, 0.5)}, "DataError: 'y' holds a value that is not whole"),
        ({"x": np.full((5, 64), np.nan), "y": np.zeros(5, int)}, "'x' holds a value that is infinite or no number"),
        ({"x": np.ones((0, 64)), "y": np.zeros(0, int)}, "found:    x[0, 64] in data.npz"),
        ({"x": np.full((5, 64), "a"), "y": np.zeros(5, int)}, "DataError: 'x' in data.npz holds no numbers"),
        ({"x": np.ones((5, 64)), "y": np.zeros(5, int), "z": np.ones(1)}, "NameError: the model has no input or"
                                                                         " parameter 'z'"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(arrays: dict[str, np.ndarray], expected: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    assert expected in told(str(tmp_path / "data.npz"), "digits", tmp_path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    assert told(str(tmp_path / "text.npz"), "digits", tmp_path) == (
        "DataError: text.npz cannot be read as named arrays\n  found:    another kind of file\n"
        "  expected: a .npz file, as numpy.savez writes it, without pickled objects"
    )
    np.savez(tmp_path / "object.npz", x=np.array([{}], dtype=object))
    assert "cannot be read as named arrays" in told(str(tmp_path / "object.npz"), "digits", tmp_path)
    whole = tmp_path / "whole.npz"
    np.savez(whole, x=np.ones((50, 64)), y=np.zeros(50, int))
    whole.write_bytes(whole.read_bytes()[:4000])
    assert "cannot be read as named arrays" in told(str(whole), "digits", tmp_path)
