"""extras: how it is told that an optional package is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nablac.errors import CompileError


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Around the imports that ``what`` needs: a package that is missing is told with the extra that brings it."""
    try:
        yield
    except ImportError as error:
        raise CompileError(
            f"{what} needs a package that is not installed",
            found=str(error)[:200],
            remedy=f"pip install 'nablac[{name}]'",
        ) from None
