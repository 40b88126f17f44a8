"""Writes moons.csv: points on two half circles that reach into each other, with noise; made here, not measured.

    python examples/data/make_moons.py

The upper moon is y = 0, the lower one y = 1.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

POINTS, NOISE, SEED = 800, 0.15, 0


def main() -> None:
    """Half of the points on each, at even angles, moved by normal noise, in an order of chance."""
    random = np.random.default_rng(SEED)
    angle = np.linspace(0, np.pi, POINTS // 2)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    lower = np.column_stack([1 - np.cos(angle), 0.5 - np.sin(angle)])
    places = np.vstack([upper, lower]) + NOISE * random.normal(size=(POINTS, 2))
    label = np.repeat([0, 1], POINTS // 2)
    with (Path(__file__).resolve().parent / "moons.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x1", "x2", "y"])
        order = random.permutation(POINTS)
        for (x1, x2), y in zip(places[order], label[order], strict=True):
            writer.writerow([f"{x1:.4f}", f"{x2:.4f}", y])


if __name__ == "__main__":
    main()
