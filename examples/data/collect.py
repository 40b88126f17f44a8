"""Writes the digits, the wines, the tumours and the diabetes patients anew from the copies in scikit-learn's wheel.

    python examples/data/collect.py

The files are committed, so that nobody needs this to run the examples; it is here to show where they come from.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

HERE = Path(__file__).resolve().parent
HELD_OUT = 360
SEED = 0


def write_digits() -> None:
    """1,797 digits in an order fixed by the seed: the last 360 are held out.  Pixels are 0 ... 16."""
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.target))
    x = digits.data[order].astype(np.float32)
    y = digits.target[order].astype(np.int64)
    np.savez_compressed(HERE / "digits_train.npz", x=x[:-HELD_OUT], y=y[:-HELD_OUT])
    np.savez_compressed(HERE / "digits_test.npz", x=x[-HELD_OUT:], y=y[-HELD_OUT:])


def write_wine() -> None:
    """178 wines, a row each, in an order fixed by the seed: the alcohol, in per cent, and twelve other measurements.

    Those are brought to mean 0 and deviation 1, because their units are as different as a hue and milligrams.
    """
    wine = load_wine()
    order = np.random.default_rng(SEED).permutation(len(wine.data))
    names = [name.replace("/", "_") for name in wine.feature_names]
    alcohol, others = wine.data[order, :1], wine.data[order, 1:]
    table = np.hstack([alcohol, np.round((others - others.mean(axis=0)) / others.std(axis=0), 4)])
    with (HERE / "wine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([repr(float(value)) for value in row] for row in table)


def write_cultivars() -> None:
    """The same wines as they were measured; the column ``y`` is the cultivar, 0 to 2: 59, 71 and 48 of them."""
    wine = load_wine()
    names = [name.replace("/", "_") for name in wine.feature_names]
    _write_table("wine_cultivars.csv", [*names, "y"], np.column_stack([wine.data, wine.target]))


def write_tumours() -> None:
    """569 tumours: thirty measurements of cell nuclei, and the column ``y``, which is 1 where it was malignant."""
    tumours = load_breast_cancer()
    names = [name.replace(" ", "_") for name in tumours.feature_names]
    _write_table("breast_cancer.csv", [*names, "y"], np.column_stack([tumours.data, 1 - tumours.target]))


def write_diabetes() -> None:
    """442 patients: ten measurements as they were taken, and the column ``y``, how far the disease was a year later."""
    patients = load_diabetes(scaled=False)
    _write_table("diabetes.csv", [*patients.feature_names, "y"], np.column_stack([patients.data, patients.target]))


def _write_table(name: str, header: list[str], table: np.ndarray) -> None:
    """A row a sample, in an order fixed by the seed; whole numbers without a point."""
    order = np.random.default_rng(SEED).permutation(len(table))
    with (HERE / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{value:.6g}" for value in row] for row in table[order])


if __name__ == "__main__":
    write_digits()
    write_wine()
    write_cultivars()
    write_tumours()
    write_diabetes()
