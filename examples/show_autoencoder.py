"""Draws held-out digits, and below each what the autoencoder makes of its eight numbers.

    nablac train examples/autoencoder.yaml --out runs/autoencoder
    python examples/show_autoencoder.py runs/autoencoder [reconstructions.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nablac

HERE = Path(__file__).resolve().parent
SHOWN = 16


def draw(folder: Path, file: Path) -> float:
    """The picture; the answer is the mean squared error over all held-out digits."""
    module = nablac.load(HERE.parent / "generated" / "autoencoder.py")
    x = module.load(HERE / "data" / "digits_test.npz")["x"]
    image = module.predict(module.Run.load(folder).params, x=x)["image"]
    error = float(np.mean((image - x) ** 2))
    figure = Figure(figsize=(SHOWN * 0.7, 1.9), layout="constrained")
    for axes, pixels in zip(figure.subplots(2, SHOWN).flat, np.vstack([x[:SHOWN], image[:SHOWN]]), strict=True):
        axes.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_axis_off()
    figure.suptitle(f"digits, and what eight numbers keep of them: mean squared error {error:.4f}", fontsize=10)
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return error


if __name__ == "__main__":
    run = Path(sys.argv[1])
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else run / "reconstructions.png"
    print(f"mean squared error {draw(run, target):.4f}; wrote {target}")
