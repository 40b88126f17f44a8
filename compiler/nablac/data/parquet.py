"""data/parquet: a Parquet file -> batches of a module's inputs; the only file that knows pyarrow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nablac.data.batches import Batch
from nablac.errors import DataError
from nablac.extras import extra

ROWS = 2**16
"""As many rows are in memory at once."""


def batches(module: ModuleType, path: Path, target: str | None) -> Iterator[Batch]:
    """The inputs in a file, some rows at a time: columns, categories and what is missing as the module has them."""
    arrow = _pyarrow()
    if not hasattr(module, "_columns"):
        raise DataError(
            f"{module.NAME} reads no tables", found=str(path), remedy="leave 'module: {tables: false}' out of its spec"
        )
    with _told(arrow, path), arrow.parquet.ParquetFile(path) as file:
        header = file.schema_arrow.names
        if twice := [name for name in header if header.count(name) > 1]:
            raise DataError(f"{path} cannot be used", found=f"column '{twice[0]}' twice")
        try:
            columns: dict[str, Sequence[str]] = module._columns(header, target)
        except ValueError as error:
            raise DataError(f"{path} cannot be used", found=str(error)) from None
        if target not in (None, module.TARGET, *header):
            raise DataError("the target is no column", found=", ".join(header), expected=target)
        used = list(dict.fromkeys(column for chosen in columns.values() for column in chosen))
        if not used or not file.metadata.num_rows:
            found = "no rows" if used else "nothing that the inputs need"
            raise DataError(f"{path} cannot be used", found=found, expected=f"columns for {', '.join(module.INPUTS)}")
        start = 0
        for part in file.iter_batches(ROWS, columns=used):
            values = {name: _values(module, arrow, part.column(name), name, path, start) for name in used}
            try:
                yield module._inputs(columns, values)
            except module.InputError:
                raise
            except ValueError as error:
                raise DataError(f"{path} cannot be used", found=str(error)) from None
            start += part.num_rows


def _values(module: ModuleType, arrow: Any, column: Any, name: str, path: Path, start: int) -> np.ndarray:
    """A column's numbers; of texts, the module's numbers for them."""
    kind = column.type
    plain = arrow.types.is_integer(kind) or arrow.types.is_floating(kind) or arrow.types.is_boolean(kind)
    if plain and name not in getattr(module, "CATEGORIES", {}):
        numbers = column.cast(arrow.float64()).to_numpy(zero_copy_only=False).astype(float)
        missing = np.flatnonzero(np.isnan(numbers))
        if missing.size:
            numbers = numbers.copy()
            numbers[missing] = module._cell("", name, _place(path, start, missing[0]))
        for row in np.flatnonzero(np.abs(numbers) > module.LARGEST)[:1]:  # refused
            module._cell(f"{numbers[row]:g}", name, _place(path, start, row))
        return numbers
    if arrow.types.is_nested(kind) or arrow.types.is_temporal(kind) or arrow.types.is_binary(kind):
        raise DataError(f"column '{name}' of {path} cannot be read", found=str(kind), expected="numbers or texts")
    coded = column if arrow.types.is_dictionary(kind) else column.dictionary_encode()
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)
    texts = ["" if value is None else str(value) for value in [*coded.dictionary.to_pylist(), None]]
    table = np.zeros(len(texts))
    for code in np.unique(codes):
        table[code] = module._cell(texts[code], name, _place(path, start, np.flatnonzero(codes == code)[0]))
    return table[codes]


def _place(path: Path, start: int, row: int) -> str:
    return f"row {start + int(row) + 1} of {path}"


def _pyarrow() -> Any:
    with extra("data", "reading a Parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


@contextlib.contextmanager
def _told(arrow: Any, path: Path) -> Iterator[None]:
    """What pyarrow finds wrong."""
    try:
        yield
    except (OSError, arrow.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read", found=" ".join(str(error).split())[:200], expected="a Parquet file"
        ) from None
