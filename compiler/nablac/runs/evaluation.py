"""runs/evaluation: how well a model does on samples: numbers, their JSON form and their table; see scores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nablac.emit.write import replace
from nablac.errors import DataError
from nablac.runs.plots import PLOTS
from nablac.runs.scores import Array, Calibration, Roc, calibration, confusion, per_class, roc
from nablac.runs.target import Answer, answer

FILES = ("evaluation.json", "samples.csv", *PLOTS)
"""What ``save`` may write."""

SHOWN = 12
"""Classes, or values, that a table on the terminal has room for."""


@dataclass(frozen=True)
class Evaluation:
    """A model's answers to samples, judged.  ``measures`` are the model's own: its loss and its metrics.

    ``answer`` is None where nothing that the model puts out answers one of its inputs; what is computed from it is
    empty then.
    """

    measures: dict[str, float]
    answer: Answer | None
    names: tuple[str, ...]  # of the classes
    inputs: Mapping[str, Any]

    @property
    def rows(self) -> int:
        return len(self.answer.truth) if self.answer else 0

    @cached_property
    def predicted(self) -> Array:
        """The likeliest class of each row; of numbers, the numbers."""
        assert self.answer
        if self.answer.kind == "numbers":
            return self.answer.said
        return self.probabilities.argmax(axis=1)

    @cached_property
    def probabilities(self) -> Array:
        """Of each class, for each row."""
        assert self.answer
        said = self.answer.said
        return np.stack([1 - said, said], axis=1) if self.answer.kind == "binary" else said

    @cached_property
    def confidence(self) -> Array:
        """The probability of the class that was said."""
        return self.probabilities.max(axis=1)

    @cached_property
    def confusion(self) -> Array:
        assert self.answer
        return confusion(self.answer.truth, self.predicted, len(self.names))

    @cached_property
    def rocs(self) -> dict[str, Roc | None]:
        """The ROC curve of each class against the rest; of two classes, that of the second."""
        assert self.answer
        chosen = range(1, 2) if len(self.names) == 2 else range(len(self.names))
        return {self.names[c]: roc(self.answer.truth == c, self.probabilities[:, c]) for c in chosen}

    @property
    def roc_auc(self) -> float | None:
        """The area under the curve; its mean over the classes that are there (one against the rest)."""
        areas = [curve.area for curve in self.rocs.values() if curve]
        return sum(areas) / len(areas) if areas else None

    @cached_property
    def calibration(self) -> Calibration:
        """Of two classes, by the probability of the second; of more, by that of the class that was said."""
        assert self.answer
        if len(self.names) == 2:
            return calibration(self.answer.truth == 1, self.probabilities[:, 1])
        return calibration(self.answer.truth == self.predicted, self.confidence)

    def facts(self) -> dict[str, Any]:
        """Everything as plain numbers and lists, for ``evaluation.json``."""
        found: dict[str, Any] = {"measures": self.measures}
        if self.answer is None:
            return found
        found |= {"kind": self.answer.kind, "target": self.answer.target, "output": self.answer.output}
        found["rows"] = self.rows
        return found | (self._numbers() if self.answer.kind == "numbers" else self._classes())

    def _classes(self) -> dict[str, Any]:
        table, bins = per_class(self.confusion), self.calibration
        own = [float(self.probabilities[row, c]) for row, c in enumerate(self.answer.truth)] if self.answer else []
        return {
            "accuracy": float(np.trace(self.confusion) / self.rows),
            "log_loss": float(-np.mean(np.log(np.clip(own, 1e-15, 1)))),
            "roc_auc": self.roc_auc,
            "calibration_error": bins.error,
            "classes": list(self.names),
            "per_class": {name: values.tolist() for name, values in table.items()},
            "roc_auc_per_class": {name: curve.area if curve else None for name, curve in self.rocs.items()},
            "confusion_matrix": self.confusion.tolist(),
            "calibration": {
                "count": bins.counts.tolist(),
                "confidence": bins.confidence.tolist(),
                "accuracy": bins.accuracy.tolist(),
            },
        }

    def _numbers(self) -> dict[str, Any]:
        assert self.answer
        error, spread = self.answer.said - self.answer.truth, self.answer.truth.var(axis=0)
        mse = np.mean(error**2, axis=0)
        constant = np.where(mse > 0, 1.0, 0.0)  # where there is nothing to explain: as scikit-learn has it
        r2 = 1 - np.divide(mse, spread, out=constant, where=spread > 0)
        each = {"mae": np.mean(np.abs(error), axis=0), "rmse": np.sqrt(mse), "r2": r2}
        means = {"mae": float(each["mae"].mean()), "rmse": float(np.sqrt(mse.mean())), "r2": float(r2.mean())}
        return means | ({"per_value": {k: v.tolist() for k, v in each.items()}} if len(mse) > 1 else {})

    def lines(self) -> Iterator[str]:
        """What is told on the terminal."""
        facts = self.facts()
        if self.answer is None:
            return
        totals = [f"{k} {v:.4g}" for k, v in facts.items() if isinstance(v, float)]
        yield f"on {self.rows:,} samples: " + ", ".join(totals).replace("_", " ")
        if self.answer.kind == "numbers":
            return
        if len(self.names) <= SHOWN:
            yield from self._class_lines(facts)
            yield ""
            yield from self._confusion_lines()
        else:
            yield from self._worst_lines(facts)

    def _class_lines(self, facts: dict[str, Any]) -> Iterator[str]:
        width = max(5, *map(len, self.names))
        yield f"{'class':<{width}}  {'count':>7}  precision  recall      f1      auc"
        for c, name in enumerate(self.names):
            count, *parts = (facts["per_class"][key][c] for key in ("count", "precision", "recall", "f1"))
            area = facts["roc_auc_per_class"].get(name)
            shown = f"{area:.4f}" if area is not None else "" if len(self.names) == 2 else "none"
            told = f"{name:<{width}}  {count:>7,}  {parts[0]:>9.3f}  {parts[1]:>6.3f}  {parts[2]:>6.3f}  {shown:>7}"
            yield told.rstrip()

    def _confusion_lines(self) -> Iterator[str]:
        names = [name[:8] for name in self.names]
        width = max(max(map(len, names)), len(f"{self.confusion.max()}")) + 1
        left = max(map(len, self.names))
        yield "confusion: a row for each true class, a column for each predicted one"
        yield " " * left + "".join(f"{name:>{width}}" for name in names)
        for name, row in zip(self.names, self.confusion.tolist(), strict=True):
            yield f"{name:<{left}}" + "".join(f"{count or '.':>{width}}" for count in row)

    def _worst_lines(self, facts: dict[str, Any]) -> Iterator[str]:
        """Of many classes, those that are recognised least, and what is most often taken for what."""
        recall, count = facts["per_class"]["recall"], facts["per_class"]["count"]
        worst = sorted((c for c in range(len(self.names)) if count[c]), key=lambda c: recall[c])[: SHOWN // 2]
        told = ", ".join(f"{self.names[c]} {recall[c]:.3f}" for c in worst)
        yield f"lowest recall of {len(self.names)} classes: {told}"
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        places = [divmod(int(k), len(self.names)) for k in np.argsort(-wrong, axis=None)[: SHOWN // 2]]
        told = ", ".join(f"{self.names[a]} as {self.names[b]} ({wrong[a, b]})" for a, b in places if wrong[a, b])
        yield f"most often mistaken: {told or 'nothing'}"

    def save(self, folder: str | Path, plots: bool = True) -> list[Path]:
        """Write ``evaluation.json`` and, with matplotlib, the plots that fit; each whole or not at all.

        Samples that are no pictures become ``samples.csv``.
        """
        from nablac.runs.plots import draw_all
        from nablac.runs.samples import table

        folder, files = Path(folder), {"evaluation.json": json.dumps(_plain(self.facts()), indent=1) + "\n"}
        drawn = draw_all(self, folder) if plots else []
        if self.answer and folder / "samples.png" not in drawn:
            files["samples.csv"] = table(self)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                replace(folder / name, text.encode())
        except OSError as error:
            raise DataError(f"{folder} cannot be written to", found=error.strerror) from None
        return [*(folder / name for name in files), *drawn]


def evaluate(module: ModuleType, params: Array, *, names: Sequence[str] = (), **inputs: Any) -> Evaluation:
    """How well the parameters do on these inputs; ``names`` are those of the classes."""
    inputs = {name: value if hasattr(value, "__array__") else np.asarray(value) for name, value in inputs.items()}
    measures: dict[str, float] = module.evaluate(params, **inputs)
    found = answer(module, params, inputs)
    if found is not None and not np.isfinite(found.said).all():
        row = int(np.argwhere(~np.isfinite(found.said))[0, 0])
        raise DataError("the model's answers cannot be judged", found=f"no finite '{found.output}' in row {row}")
    if found is None or found.kind == "numbers":
        return Evaluation(measures, found, (), inputs)
    count = found.said.shape[1] if found.kind == "classes" else 2
    if names and len(names) != count:
        raise DataError("there is a name for each class", found=f"{len(names)} names", expected=f"{count}")
    return Evaluation(measures, found, tuple(names) or tuple(str(c) for c in range(count)), inputs)


def _plain(value: Any) -> Any:
    """JSON has no infinity and no NaN: they are null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
