"""Batches become arrays, or files that are whole or not there; balance and folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nablac.data
from nablac.errors import DataError


def batches(count: int) -> Iterator[dict[str, Any]]:
    for k in range(count):
        yield {"x": np.full((k + 1, 2), k, np.float32), "y": [k] * (k + 1)}


def test_a_generator_becomes_arrays_and_files(tmp_path: Path) -> None:
    arrays = nablac.data.collect(batches(4))
    assert arrays["y"].tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3] and arrays["x"].dtype == np.float32
    mapped = nablac.data.store(batches(4), tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["x.npy", "y.npy"]
    for name, array in arrays.items():
        assert isinstance(mapped[name], np.memmap) and (mapped[name] == array).all()
        assert mapped[name].dtype == array.dtype


def test_a_generator_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from batches(2)
        raise RuntimeError("no more")

    nablac.data.store(batches(3), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match="no more"):
        nablac.data.store(failing(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "there are no batches"),
        ([3], "batch 1 is no batch\n  found:    3"),
        ([{}], "batch 1 is no batch"),
        ([{"x": [1]}, {"y": [1]}], "batch 2 has other inputs\n  found:    y\n  expected: x"),
        ([{"../x": [1]}], "batch 1 has other inputs"),
        ([{"x": [1, 2], "y": [1]}], "'y' of batch 1 is no array of rows"),
        ([{"x": ["a"]}], "'x' of batch 1 is no array of rows"),
        ([{"x": 3}], "'x' of batch 1 is no array of rows"),
        ([{"x": [[1]]}, {"x": [[1, 2]]}], "'x' of batch 2 has other rows than the first batch"),
        ([{"x": [1]}, {"x": [1.5]}], "'x' of batch 2 has other rows than the first batch"),
    ],
)
def test_batches_that_do_not_fit(given: list[Any], told: str, tmp_path: Path) -> None:
    for call in (nablac.data.collect, lambda made: nablac.data.store(made, tmp_path)):
        with pytest.raises(DataError) as error:
            call(iter(given))
        assert str(error.value).removeprefix("DataError: ").startswith(told)
    assert not list(tmp_path.iterdir())


def test_balance() -> None:
    found = nablac.data.balance(np.array([[2, 0], [2, 2]]), 4)
    assert found.counts == (1, 0, 3, 0) and found.names == ("0", "1", "2", "3")
    assert found.weights == (2.0, 0.0, 2 / 3, 0.0)
    assert str(found).splitlines()[1] == "0         1   25.0 %  ████████"
    for labels in ([], [-1], [0.5], "cat", [4]):
        with pytest.raises(DataError):
            nablac.data.balance(labels, 4)


def test_folds_hold_every_row_out_once() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 3])
    for given in (None, labels):
        found = nablac.data.folds(83, 5, 7, given)
        assert sorted(row for _, held in found for row in held) == list(range(83))
        assert all(sorted([*train, *held]) == list(range(83)) for train, held in found)
        assert {len(held) for _, held in found} == {16, 17}
    assert {tuple(np.bincount(labels[held], minlength=2)[:2]) for _, held in found} == {(10, 6)}
    again = nablac.data.folds(83, 5, 7, labels)
    assert all((a[1] == b[1]).all() for a, b in zip(found, again, strict=True))
    assert any((a[1] != b[1]).any() for a, b in zip(found, nablac.data.folds(83, 5, 8, labels), strict=False))
    for k in (0, 1, 84):
        with pytest.raises(DataError, match="these rows make no folds"):
            nablac.data.folds(83, k)
    for wrong in (2.5, "3", True, None):
        with pytest.raises(DataError) as error:
            nablac.data.folds(83, wrong)  # type: ignore[arg-type]
        assert str(error.value) == (
            f"DataError: k is no whole number\n  found:    {wrong!r}\n  expected: a number such as 5"
        )
    with pytest.raises(DataError, match="seed is out of range\n  found:    -1\n"):
        nablac.data.folds(83, 5, -1)


def test_cross_validation(titanic: ModuleType, passengers: Path, tmp_path: Path) -> None:
    data, told = titanic.load(passengers), []
    keep: Callable[..., None] = lambda number, row: told.append(number)  # noqa: E731
    found = nablac.data.cross_validate(
        titanic, data, 4, seed=1, epochs=2, progress=False, out=tmp_path / "folds", told=keep
    )
    assert told == [1, 2, 3, 4] and len(found.rows) == 4
    assert found.mean["val_loss"] == pytest.approx(np.mean([row["val_loss"] for row in found.rows]))
    assert found.deviation["val_loss"] == pytest.approx(np.std([row["val_loss"] for row in found.rows], ddof=1))
    train, held = nablac.data.folds(8, 4, 1, data["y"])[2]
    parts = [{name: array[rows] for name, array in data.items()} for rows in (train, held)]
    validation = tuple(parts[1][name] for name in titanic.BATCHED)
    alone = titanic.fit(**parts[0], validation=validation, seed=1, epochs=2, progress=False)
    assert found.rows[2]["val_loss"] == alone.history[-1]["val_loss"]
    lines = (tmp_path / "folds" / "folds.csv").read_text().splitlines()
    assert lines[0].startswith("fold,train_loss,") and float(lines[3].split(",")[3]) == found.rows[2]["val_loss"]
    assert titanic.Run.load(tmp_path / "folds" / "fold_3").params.tobytes() == alone.params.tobytes()
    assert str(found).splitlines()[-2].startswith("mean  ")
