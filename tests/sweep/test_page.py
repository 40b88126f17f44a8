"""docs/sweep.md says what is so: what it sets can be set, and its options are the command's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from nablac.cli.sweep import sweep
from nablac.frontend.spec import model_of_document, read_spec
from nablac.sweep.overlay import overlay
from nablac.sweep.settings import draws, read_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^nablac sweep (.*)$", PAGE, re.MULTILINE)
KEYS = re.findall(r"^\| `(\w+[\w.]*=[^`]*)`(?: (?:or|with) `([^`]*)`)? \|", PAGE, re.MULTILINE)


def check(spec: Path, texts: list[str]) -> None:
    settings = read_settings(texts)
    for values in draws(settings, 2, 0):
        model_of_document(overlay(read_spec(spec), settings, values))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_given(command: str) -> None:
    spec, *words = shlex.split(command)
    texts = [word for option, word in zip(words, words[1:], strict=False) if option == "--set"]
    check(ROOT / spec, texts)
    given = {word for word in words if word.startswith("--")}
    assert given <= {name for option in sweep.params for name in option.opts}


@pytest.mark.parametrize("pair", KEYS)
def test_every_key_can_be_set(pair: tuple[str, str]) -> None:
    texts = [text for text in pair if text]
    check(ROOT / "examples" / "digits.yaml", texts)


def test_every_option_is_on_the_page() -> None:
    names = {name for option in sweep.params for name in option.opts if name.startswith("--")}
    assert len(KEYS) == 8 and len(COMMANDS) == 3 and all(name in PAGE for name in names)
