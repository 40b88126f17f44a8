"""Modules of the small models, written once a session, with a cache directory of their own."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from tests.emit.small_models import CIRCUIT, CLASSIFIER, circuit, classifier, loaded, text_of


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the modules are."""
    place = tmp_path_factory.mktemp("modules")
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    return place


@pytest.fixture(scope="session")
def m(folder: Path) -> ModuleType:
    """The classifier's module."""
    return loaded(text_of(classifier(), CLASSIFIER), folder, "classifier")


@pytest.fixture(scope="session")
def c(folder: Path) -> ModuleType:
    """The circuit's module."""
    return loaded(text_of(circuit(), CIRCUIT), folder, "circuit")
