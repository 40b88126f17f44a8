"""Folders of images: their classes, the shapes that they may have, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nablac.data
from nablac.errors import DataError
from nablac.frontend.spec import model_of_spec

SPEC = """\
model: pets
inputs: {x: "real[n, 12]", y: "label[n, 2]"}
network: [{linear: 2}]
loss: cross_entropy
data: {train: pets, validation: 0.25, prepare: {x: x/255}}
"""


def save(path: Path, array: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two cats and a dog, 3 by 4 and gray."""
    folder = tmp_path / "pets"
    for number, name in enumerate(("cat/b.png", "dog/a.png", "cat/deeper/a.bmp")):
        save(folder / name, np.arange(12).reshape(3, 4) + 20 * number)
    (folder / "cat" / "notes.txt").write_text("no image")
    (folder / ".hidden").mkdir()
    return folder


def module(shape: tuple[int | str, ...], **more: Any) -> Any:
    """What a generated module says of itself, as far as it matters here."""
    known = {"READS": {"predict": ("x",)}, "BATCHED": ("x", "y"), "LABELS": {"y": 2}, "TARGET": None}
    return SimpleNamespace(INPUTS={"x": (("n", *shape), "float32")}, **known | more)


def read(shape: tuple[int | str, ...], folder: Path, **more: Any) -> dict[str, np.ndarray]:
    return nablac.data.collect(nablac.data.batches(module(shape, **more), folder))


def test_folders_are_classes(made: Callable[[str], ModuleType], pets: Path) -> None:
    m = made_from(made, pets)
    assert m.CATEGORIES == {"y": ("cat", "dog")}
    data = nablac.data.read(m, pets)
    assert data["y"].tolist() == [0, 0, 1]  # cat/b, cat/deeper/a, dog/a
    np.testing.assert_allclose(data["x"][:, 0] * 255, [0, 40, 20], rtol=1e-6)
    assert set(nablac.data.read(m, pets / "cat" / "deeper")) == {"x"}  # no folders: no classes
    (pets / "cow").mkdir()
    with pytest.raises(DataError, match="has a folder of no class\n  found:    cow\n  expected: cat, dog"):
        nablac.data.read(m, pets)


def made_from(made: Callable[[str], ModuleType], pets: Path) -> ModuleType:
    """The module of the spec, which is compiled beside the folder."""
    from nablac.emit.write import import_file
    from nablac.network import compile as compile_network

    assert made
    model = model_of_spec(SPEC, str(pets.parent / "spec.yaml"))
    return import_file(compile_network(model).write(pets.parent / "pets.py"))


def test_shapes(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (5, 4, 3))
    save(tmp_path / "a" / "1.png", colours)
    gray = np.asarray(Image.open(tmp_path / "a" / "1.png").convert("L"))
    for shape, expected in (
        ((3, 5, 4), colours.transpose(2, 0, 1)),
        ((5, 4, 3), colours),
        ((5, 4), gray),
        ((1, 5, 4), gray[None]),
        ((20,), gray),
        ((60,), colours),
    ):
        found = read(shape, tmp_path)["x"]
        assert found.dtype == np.uint8 and (found[0].ravel() == expected.ravel()).all(), shape
    half = read((2, 2), tmp_path, IMAGES={"size": (2, 2)})["x"]
    assert half.shape == (1, 2, 2)
    for shape in ((21,), (2, 5, 4), (3, 5, 4, 1), ("k", 4)):
        with pytest.raises(DataError):
            read(shape, tmp_path)


def test_turned_and_transparent_images(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    assert (read((2, 3), tmp_path)["x"][0] == np.arange(6)[::-1].reshape(2, 3)).all()
    (tmp_path / "a.png").unlink()
    Image.new("RGBA", (3, 2), (10, 20, 30, 40)).save(tmp_path / "b.png")
    Image.new("P", (3, 2)).save(tmp_path / "c.gif")
    assert read((2, 3, 3), tmp_path)["x"].shape == (2, 2, 3, 3)


def test_damaged_images(pets: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 40))
    whole = save(pets / "dog" / "a.png", noise).read_bytes()
    for content in (b"", b"hello", whole[:40], whole[:-200], whole[:50] + b"\xff" * (len(whole) - 50)):
        (pets / "dog" / "a.png").write_bytes(content)
        with pytest.raises(DataError, match=r"a.png cannot be read\n  found:    .*\n  expected: a whole image"):
            read((12,), pets)


def test_images_that_do_not_fit(pets: Path, tmp_path: Path) -> None:
    save(pets / "dog" / "large.png", np.zeros((6, 8)))
    with pytest.raises(DataError) as error:
        read((3, 4), pets)
    assert str(error.value).replace(str(pets), "PETS") == (
        "DataError: PETS/dog/large.png has another size\n  found:    6 by 8 pixels\n  expected: 3 by 4\n"
        "  remedy:   images: {size: [3, 4]} in the spec's data scales them"
    )
    Image.fromarray(np.zeros((3, 4), np.uint16)).save(pets / "cat" / "a.png")
    with pytest.raises(DataError, match="has more than 8 bits a pixel\n  found:    mode I;16\n  expected: 8 bits"):
        read((3, 4), pets)
    for name, folder in (("nothing", tmp_path / "nothing"), ("empty", tmp_path / "empty" / "cat")):
        folder.mkdir(parents=True)
        with pytest.raises(DataError, match=f"{name} has no images"):
            read((3, 4), tmp_path / name)
    with pytest.raises(DataError, match="has too many classes"):
        read((3, 4), pets, LABELS={"y": 1})
