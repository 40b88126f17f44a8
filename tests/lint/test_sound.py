"""Sound models: nothing may be found on them, nor on the examples where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from nablac.frontend.load import load_model
from nablac.lint.rules import lint
from nablac.pipeline import compile_model
from tests.lint.models import SOUND, findings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RIGHT = {"chain.yaml": ["saturation"], "dnn_sigmoid.yaml": ["saturation"]}
"""Examples that are known for what is found on them: a squared error, and a cross-entropy, on a sigmoid."""


@pytest.mark.parametrize("name", SOUND)
def test_sound(name: str) -> None:
    assert not findings(SOUND[name])


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples(path: Path) -> None:
    assert [f.rule for f in lint(compile_model(load_model(path)))] == RIGHT.get(path.name, [])
