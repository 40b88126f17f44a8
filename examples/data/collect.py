"""Writes digits_train.npz, digits_test.npz and wine.csv anew from the copies in scikit-learn's wheel.

    python examples/data/collect.py

The files are committed, so that nobody needs this to run the examples; it is here to show where they come from.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_wine

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


if __name__ == "__main__":
    write_digits()
    write_wine()
