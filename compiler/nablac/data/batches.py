"""data/batches: samples that come a batch at a time -> arrays, or files of any size that are read by rows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nablac.errors import DataError

Batch = Mapping[str, Any]


def collect(batches: Iterable[Batch]) -> dict[str, np.ndarray]:
    """The arrays that batches make, one after another.  A batch maps inputs to arrays of as many rows.

    >>> collect({"x": [k, k + 1]} for k in (0, 2))
    {'x': array([0, 1, 2, 3])}
    """
    made = list(_checked(batches))
    return {name: np.concatenate([batch[name] for batch in made]) for name in made[0]}


def store(batches: Iterable[Batch], folder: str | Path) -> dict[str, np.ndarray]:
    """The same, written to ``folder/NAME.npy`` as they come, and mapped: more than memory holds can be trained on.

    The files are whole or not there: they are renamed when the last batch is written.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # a path that is none too
        found = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{place} cannot be written to", found=found) from None
    with contextlib.ExitStack() as stack:
        files: dict[str, _Growing] = {}
        try:
            for batch in _checked(batches):
                for name, array in batch.items():
                    if name not in files:
                        files[name] = stack.enter_context(_Growing(place, name, array))
                    files[name].append(array)
            for file in files.values():
                file.finish()
        except OSError as error:
            raise DataError(f"{place} cannot be written to", found=error.strerror or str(error)) from None
    return {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in files}


def _checked(batches: Iterable[Batch]) -> Iterator[dict[str, np.ndarray]]:
    """The batches as arrays that fit together."""
    first: dict[str, np.ndarray] = {}
    for number, batch in enumerate(batches, 1):
        if not isinstance(batch, Mapping) or not batch:
            raise DataError(
                f"batch {number} is no batch",
                found=f"{batch!r:.60}",
                expected='a dict such as {"x": array, "y": array}',
            )
        arrays = {str(name): np.asarray(value) for name, value in batch.items()}
        first = first or arrays
        if list(arrays) != list(first) or any(not name.isidentifier() for name in arrays):
            raise DataError(f"batch {number} has other inputs", found=", ".join(arrays), expected=", ".join(first))
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf" or not array.ndim or len(array) != len(next(iter(arrays.values()))):
                raise DataError(
                    f"'{name}' of batch {number} is no array of rows",
                    found=f"{array.dtype}, shape {array.shape}",
                    expected="numbers, as many rows in each input",
                )
            if array.shape[1:] != first[name].shape[1:] or not np.can_cast(array.dtype, first[name].dtype, "same_kind"):
                raise DataError(
                    f"'{name}' of batch {number} has other rows than the first batch",
                    found=f"{array.dtype}, shape {array.shape}",
                    expected=f"{first[name].dtype}, shape (rows, {', '.join(map(str, first[name].shape[1:]))})",
                )
        yield {name: array.astype(first[name].dtype, copy=False) for name, array in arrays.items()}
    if not first:
        raise DataError("there are no batches", expected="at least one")


class _Growing:
    """A ``.npy`` file that grows; its header has room for a larger number of rows."""

    def __init__(self, folder: Path, name: str, like: np.ndarray) -> None:
        self.path, self.unfinished = folder / f"{name}.npy", folder / f".{name}.npy.unfinished"
        self.dtype, self.row, self.rows = like.dtype, like.shape[1:], 0

    def __enter__(self) -> _Growing:
        self.file = self.unfinished.open("wb")
        self._head(2**62)  # as long as a header gets
        self.start = self.file.tell()
        return self

    def append(self, array: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(array).data)
        self.rows += len(array)

    def finish(self) -> None:
        """Write how many rows there are, and give the file its name."""
        self.file.seek(0)
        self._head(self.rows)
        assert self.file.tell() == self.start
        self.file.flush()
        os.fsync(self.file.fileno())
        os.replace(self.unfinished, self.path)

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.unfinished.unlink(missing_ok=True)

    def _head(self, rows: int) -> None:
        description = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self.file, {**description, "shape": (rows, *self.row)})
