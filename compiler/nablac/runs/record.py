"""runs/record: what only the compiler knows of a run, added to the ``record.json`` that the module writes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from nablac import __version__
from nablac.emit.write import replace
from nablac.errors import DataError
from nablac.runs.pace import Run


class Record:
    """A callback that completes the record after the first epoch: the spec's text and hash, the compiler's version.

    The text is there so that the run can be made again where the spec has changed since.
    """

    def __init__(self, spec: str, arguments: Sequence[str]) -> None:
        source = spec if os.path.isfile(spec) else spec.rpartition(":")[0]
        text = Path(source).read_bytes()
        self.facts = {
            "version": __version__,
            "spec": spec,
            "spec_sha256": hashlib.sha256(text).hexdigest(),
            "spec_text": text.decode("utf-8", "replace"),
            "arguments": list(arguments),
        }
        self.written: Path | None = None

    def on_epoch_end(self, run: Run) -> None:
        if run.folder is None or run.folder == self.written:
            return
        path = run.folder / "record.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            replace(path, json.dumps(known | {"nablac": self.facts}, indent=1).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be completed", found=str(error)) from None
        self.written = run.folder
