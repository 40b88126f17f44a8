"""Writes the bundled digits in MNIST's form: 28x28 bytes in gzipped IDX files under MNIST's names.

    python examples/data/make_idx.py [directory]

The default directory is ``mnist`` beside this file, where the MNIST examples look.  Put the four files of MNIST itself
there instead, and they train on it unchanged.  Needs NumPy alone; the same input gives the same bytes.
"""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
SMALL, LARGE = 8, 28
FULL = 16  # the digits' pixels are 0 ... 16


def enlarge(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """8x8 pixels of 0 ... 16 to 28x28 pixels of 0 ... 255: bilinear, pixel centres aligned, in exact integers.

    The centre of large pixel i lies at (i + 1/2)*8/28 - 1/2 = (4*i - 5)/14 small pixels.
    """
    for axis in (1, 2):
        low, part = np.divmod(4 * np.arange(LARGE) - 5, 14)
        weight = part if axis == 2 else part[:, None]
        first = images.take(np.clip(low, 0, SMALL - 1), axis=axis)
        second = images.take(np.clip(low + 1, 0, SMALL - 1), axis=axis)
        images = (14 - weight) * first + weight * second
    whole = 14 * 14 * FULL
    return ((images * 255 + whole // 2) // whole).astype(np.uint8)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """One array of bytes as IDX: two zeros, type 8 (unsigned byte), the number of axes, their lengths, the bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def main(directory: Path) -> None:
    """Both parts of the digits as images and labels."""
    directory.mkdir(parents=True, exist_ok=True)
    for source, name in (("digits_train.npz", "train"), ("digits_test.npz", "t10k")):
        with np.load(HERE / source) as part:
            pixels = part["x"].astype(np.int64).reshape(-1, SMALL, SMALL)
            labels = part["y"].astype(np.uint8)
        write_idx(directory / f"{name}-images-idx3-ubyte.gz", enlarge(pixels))
        write_idx(directory / f"{name}-labels-idx1-ubyte.gz", labels)
        print(f"{directory / name}-*: {len(labels)} digits of {LARGE}x{LARGE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "mnist")
