"""data/read: files of every kind -> the inputs of a generated module.

What the module reads by itself (``.npz``, ``.npy``, ``.csv``, IDX) it reads here too.  Parquet and folders of images
become batches of arrays by the module's own rules for columns, categories and missing values.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from nablac.data import images, parquet
from nablac.data.batches import Batch, collect
from nablac.errors import DataError

PARQUET = (".parquet", ".pq")


def read(module: ModuleType, *sources: str | Path, target: str | None = None) -> dict[str, Any]:
    """The inputs in files and folders, as ``module.load`` gives them: converted and prepared."""
    data: dict[str, Any] = {}
    light: list[str | Path] = []
    target = target if target is not None else module.TARGET
    for source in sources:
        if not is_heavy(source):
            light.append(source)
            continue
        with _told(module, source):
            made = collect(batches(module, source, target))
            data |= {name: module._prepared(name, array) for name, array in made.items()}
    tables = not data or any(Path(source).suffix == ".csv" for source in light)
    return data | module.load(*light, target=target if tables else module.TARGET)


def is_heavy(source: str | Path) -> bool:
    """Whether the module leaves the reading of it to this package."""
    return Path(source).suffix in PARQUET or os.path.isdir(source)


def batches(module: ModuleType, source: str | Path, target: str | None = None) -> Iterator[Batch]:
    """The inputs in a Parquet file or a folder of images, some rows at a time, as they are before they are prepared."""
    path = Path(source)
    if os.path.isdir(path):
        return images.batches(module, path)
    if path.suffix not in PARQUET:
        raise DataError(f"{path} is read by the module's load", expected="a .parquet file or a folder of images")
    return parquet.batches(module, path, target if target is not None else module.TARGET)


@contextlib.contextmanager
def _told(module: ModuleType, source: str | Path) -> Iterator[None]:
    """What the module finds wrong is a ``DataError`` of the same text."""
    try:
        yield
    except module.InputError as error:
        raise DataError(str(error)) from None
    except ValueError as error:
        raise DataError(f"{source} cannot be used", found=str(error)) from None
