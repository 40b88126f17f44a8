"""Which Chromium the tests drive; as a command, says which, or how to get one (exit code 2)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

MISSING = """\
there is no Chromium for the tests in a browser
  found:    {found}
  expected: one of {names} on the path, or an executable named by NABLAC_CHROMIUM
  remedy:   apt-get install chromium, or NABLAC_CHROMIUM=path make test-browser"""


def find() -> str:
    """The executable: ``NABLAC_CHROMIUM``, else the first on the path; raises ``FileNotFoundError`` with a remedy."""
    named = os.environ.get("NABLAC_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None or not Path(found).is_file():
        raise FileNotFoundError(MISSING.format(found=named or "none", names=", ".join(NAMES)))
    return found


if __name__ == "__main__":
    try:
        print(f"Chromium: {find()}")
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
