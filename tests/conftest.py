"""What all tests share: the golden fixture."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what the tests found into the golden files instead of comparing."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew; read their diff before committing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares text with the file ``golden/<test file>/<test name>.txt`` beside the test's own file.

    >>> def test_formula(golden):
    ...     golden("dW = x.T @ dz")

    A second text of the same test takes a name: ``golden(text, "backward")``.
    """
    folder = Path(request.path).parent / "golden" / Path(request.path).stem
    test = re.sub(r"[^\w.-]+", "-", request.node.name.removeprefix("test_")).strip("-")

    def compare(text: str, name: str = "", suffix: str = ".txt") -> None:
        path = folder / (test + (f"-{name}" if name else "") + suffix)
        found = text if text.endswith("\n") else f"{text}\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
            return
        shown = path.relative_to(ROOT)
        if not path.exists():
            pytest.fail(
                f"no golden file {shown}; make it with: pytest {request.node.nodeid} --update-golden", pytrace=False
            )
        expected = path.read_text(encoding="utf-8")
        if found != expected:
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), str(shown), "found", lineterm="")
            pytest.fail(
                "\n".join(["the text differs from its golden file (--update-golden accepts it)", *lines]), pytrace=False
            )

    return compare
