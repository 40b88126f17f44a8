"""data/images: a folder with a folder of images for each class -> batches of a module's inputs; alone knows Pillow."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nablac.data.batches import Batch
from nablac.errors import DataError
from nablac.extras import extra

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"))
IMAGES = 256
"""As many images are in memory at once."""


@dataclass(frozen=True)
class Form:
    """What every image becomes: its height and width, gray or rgb, and where the channels lie."""

    size: tuple[int, int]
    mode: str
    channels_first: bool
    scaled: bool


def batches(module: ModuleType, folder: Path) -> Iterator[Batch]:
    """Images in the order of classes and names, as bytes; the target is the class, where there are classes."""
    _pillow()
    name = module.READS["predict"][0]
    targets = [other for other in module.BATCHED if other != name]
    files = _files(module, folder, targets)
    form: Form | None = None
    for start in range(0, len(files), IMAGES):
        part = files[start : start + IMAGES]
        arrays = []
        for path, _ in part:
            form = form or _form(module, name, path)
            arrays.append(_read(path, form))
        batch = {name: np.stack(arrays)}
        if part[0][1] is not None:
            batch[targets[0]] = np.array([label for _, label in part])
        yield batch


def _files(module: ModuleType, folder: Path, targets: Sequence[str]) -> list[tuple[Path, int | None]]:
    """Every image with its label; without folders of classes there are no labels."""
    try:
        classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise DataError(f"{folder} cannot be read", found=error.strerror) from None
    if not classes:
        found: list[tuple[Path, int | None]] = [(path, None) for path in _images(folder)]
    elif len(targets) != 1:
        raise DataError(f"the folders of {folder} are no input's", found=", ".join(targets) or "no target",
                        expected="one input beside the image, its class")  # fmt: skip
    else:
        names = list(getattr(module, "CATEGORIES", {}).get(targets[0], classes))
        if unknown := [name for name in classes if name not in names]:
            raise DataError(f"{folder} has a folder of no class", found=unknown[0], expected=", ".join(names))
        if len(names) > (most := module.LABELS.get(targets[0], len(names))):
            raise DataError(f"{folder} has too many classes", found=", ".join(names), expected=f"{most}")
        found = [(path, names.index(name)) for name in classes for path in _images(folder / name)]
    if not found:
        raise DataError(f"{folder} has no images", expected=f"files that end in {', '.join(sorted(SUFFIXES))}")
    return found


def _images(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    return sorted(paths, key=lambda path: path.as_posix())


def _form(module: ModuleType, name: str, first: Path) -> Form:
    """What images become, by the input's shape, the spec's word, and the first image where these leave it open."""
    settings = getattr(module, "IMAGES", {})
    size, mode = settings.get("size"), settings.get("mode")
    shape = module.INPUTS[name][0][1:]
    if not all(isinstance(extent, int) for extent in shape) or not 1 <= len(shape) <= 3:
        raise DataError(
            f"'{name}' is no image",
            found=f"[{', '.join(map(str, shape))}]",
            expected="[height, width], with 1 or 3 channels before or behind, or all of it flat",
        )
    last = len(shape) == 3 and shape[0] not in (1, 3)
    if len(shape) == 1:
        height, width = size or _opened(first).size[::-1]
        channels = {height * width: 1, 3 * height * width: 3}.get(shape[0], 0)
        given = (height, width)
    else:
        channels = 1 if len(shape) == 2 else shape[2] if last else shape[0]
        given = shape[:2] if last or len(shape) == 2 else shape[1:]
    found = {1: "gray", 3: "rgb"}.get(channels)
    if found is None or (mode and mode != found) or (size and tuple(size) != tuple(given)):
        raise DataError(
            f"images do not fit '{name}'",
            found=f"{given[0]} by {given[1]} pixels, {mode or 'gray or rgb'}",
            expected=f"{name}[{', '.join(map(str, shape))}]",
            where=str(first),
            remedy="say under 'images' in the spec's data what size and mode they shall have",
        )
    return Form((int(given[0]), int(given[1])), found, len(shape) == 3 and not last, size is not None)


def _read(path: Path, form: Form) -> np.ndarray:
    """An image's bytes."""
    image = _opened(path)
    if image.mode[0] in "IF":
        raise DataError(f"{path} has more than 8 bits a pixel", found=f"mode {image.mode}", expected="8 bits")
    height, width = form.size
    if image.size != (width, height):
        if not form.scaled:
            raise DataError(
                f"{path} has another size",
                found=f"{image.size[1]} by {image.size[0]} pixels",
                expected=f"{height} by {width}",
                remedy=f"images: {{size: [{height}, {width}]}} in the spec's data scales them",
            )
        image = image.convert("L" if form.mode == "gray" else "RGB").resize((width, height), _pillow().BILINEAR)
    array = np.asarray(image.convert("L" if form.mode == "gray" else "RGB"))
    return array.reshape(height, width, -1).transpose(2, 0, 1) if form.channels_first else array


def _opened(path: Path) -> Any:
    """A whole image, turned as its camera says."""
    image = _pillow()
    from PIL import ImageOps

    decoders = (SyntaxError, EOFError, struct.error, LookupError, TypeError, ArithmeticError, AttributeError)
    damaged = (OSError, ValueError, MemoryError, *decoders, image.DecompressionBombError, Warning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(path) as opened:
                opened.load()
                return ImageOps.exif_transpose(opened)
    except damaged as error:
        raise DataError(f"{path} cannot be read", found=" ".join(str(error).split())[:200] or type(error).__name__,
                        expected="a whole image", remedy="mend it or take it out of the folder") from None  # fmt: skip


def _pillow() -> Any:
    with extra("data", "reading images"):
        from PIL import Image
    return Image
