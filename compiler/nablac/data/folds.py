"""data/folds: k-fold cross-validation: every row is held out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from types import ModuleType
from typing import Any

import numpy as np

from nablac.errors import DataError


def folds(rows: int, k: int, seed: int = 0, labels: Any = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each of k folds the rows to train on and those held out, in order; each row is held out once.

    With ``labels`` each fold has its share of each class.

    >>> [held.tolist() for _, held in folds(5, 2, labels=[0, 0, 0, 1, 1])]
    [[1, 2, 3], [0, 4]]
    """
    for name, value in (("k", k), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise DataError(f"{name} is no whole number", found=f"{value!r:.60}", expected="a number such as 5")
    if seed < 0:
        raise DataError("seed is out of range", found=f"{seed}", expected="at least 0")
    if not 2 <= k <= rows:
        raise DataError("these rows make no folds", found=f"{k} folds of {rows} rows", expected=f"2 to {rows} folds")
    order = np.random.Generator(np.random.Philox(key=np.array([seed, 2**35], np.uint64))).permutation(rows)
    if labels is not None:
        order = order[np.argsort(np.asarray(labels)[order], kind="stable")]
    number = np.empty(rows, int)
    number[order] = np.arange(rows) % k
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(k)]


@dataclass(frozen=True)
class CrossValidation:
    """What each fold came to, and the mean and deviation; shows itself as a table."""

    rows: tuple[Mapping[str, float], ...]

    @property
    def mean(self) -> dict[str, float]:
        """The mean over the folds, by name."""
        return {name: fmean(row[name] for row in self.rows) for name in self.rows[0]}

    @property
    def deviation(self) -> dict[str, float]:
        """The deviation between the folds, by name."""
        return {name: stdev(row[name] for row in self.rows) for name in self.rows[0]}

    def __str__(self) -> str:
        names = list(self.rows[0])
        rows: list[tuple[str, Mapping[str, float]]] = [(str(k), row) for k, row in enumerate(self.rows, 1)]
        rows += [("mean", self.mean), ("±", self.deviation)]
        lines = ["  ".join(["fold", *(f"{name:>14}" for name in names)])]
        lines += ["  ".join([f"{title:>4}", *(f"{row[name]:>14.6g}" for name in names)]) for title, row in rows]
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write the folds as a table."""
        names = list(self.rows[0])
        lines = [",".join(["fold", *names])]
        lines += [",".join([str(k), *(repr(row[name]) for name in names)]) for k, row in enumerate(self.rows, 1)]
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_text("\n".join(lines) + "\n")
        unfinished.replace(path)


def cross_validate(
    module: ModuleType,
    data: Mapping[str, Any],
    k: int = 5,
    *,
    seed: int = 0,
    out: str | Path | None = None,
    told: Callable[[int, Mapping[str, float]], None] | None = None,
    **settings: Any,
) -> CrossValidation:
    """Train a generated module k times, each time with another fold held out.

    ``settings`` are those of ``fit``; ``out`` is a folder for a run of each fold and the table ``folds.csv``; ``told``
    is called after each fold.  Where the target is a label, each fold has its share of each class.
    """
    batched = module.BATCHED
    if not batched:
        raise DataError("the model takes no rows, so there are no folds", found=f"inputs {', '.join(module.INPUTS)}")
    if missing := [name for name in batched if name not in data]:
        raise DataError("an input is missing", found=", ".join(data) or "none", expected=", ".join(missing))
    data = module._mapped(data) if hasattr(module, "_mapped") else data
    labels = [data[name] for name in batched if name in module.LABELS and np.ndim(data[name]) == 1]
    parts = folds(len(data[batched[0]]), k, seed, *labels[-1:])
    if out is not None:
        _keep_runs(Path(out), k)
    found = []
    for number, (train, held) in enumerate(parts, 1):
        run = module.fit(
            **{name: _rows(module, array, train) if name in batched else array for name, array in data.items()},
            validation=tuple(_rows(module, data[name], held) for name in batched),
            seed=seed,
            out=Path(out, f"fold_{number}") if out else None,
            **settings,
        )
        best = min(run.history, key=module._score) if settings.get("patience") else run.history[-1]
        found.append({name: value for name, value in best.items() if name.startswith(("train_", "val_"))})
        if told:
            told(number, found[-1])
    result = CrossValidation(tuple(found))
    if out:
        result.save(Path(out, "folds.csv"))
    return result


def _keep_runs(out: Path, k: int) -> None:
    """Refuse a folder in which there is something already that would be written."""
    names = [f"fold_{number}" for number in range(1, k + 1)]
    held = [name for name in names if (out / name).is_file() or any((out / name).glob("*"))]
    held += ["folds.csv"] * (out / "folds.csv").exists()
    if held:
        remedy = "another out (--out)"
        raise DataError(f"{out} holds the runs of folds", found=", ".join(held), expected="a new folder", remedy=remedy)


def _rows(module: ModuleType, array: Any, rows: np.ndarray) -> Any:
    """Some rows of an array; where they are in a file they are not read yet."""
    mapped = getattr(module, "Mapped", None)
    return array[rows] if mapped and isinstance(array, mapped) else np.asarray(array)[rows]
