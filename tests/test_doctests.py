"""The examples in docstrings say what happens: each is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import nablac

FOUND = pkgutil.walk_packages(nablac.__path__, "nablac.")
MODULES = [m.name for m in FOUND if not m.name.startswith("nablac.templates")]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_pass_has_an_example() -> None:
    passes = [name for name in MODULES if name.startswith("nablac.passes.")]
    assert passes
    for name in passes:
        text = importlib.import_module(name).__doc__ or ""
        assert all(word in text for word in ("Requires:", "Ensures:", ">>>", "Leaves to")), name
