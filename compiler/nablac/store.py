"""store: where ``nablac train`` keeps the modules it has compiled, by the hash of what they were compiled from.

Nothing here loads SymPy: a model that was compiled before starts at once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nablac import __version__
from nablac.errors import SpecError


@dataclass(frozen=True)
class Stored:
    """A generated module's file and the arguments that its ``train`` command gets from the spec's data section."""

    path: Path
    arguments: tuple[str, ...]


def find_or_make(source: str, variant: str, make: Callable[[Path], Stored]) -> Stored:
    """The module of a spec (or of ``file.py:function``), compiled by ``make`` if it is not there yet.

    ``variant`` is whatever else decides the module, such as the dtype asked for.
    Raises ``SpecError`` if the file cannot be read.
    """
    folder = _root() / _key(source, variant)
    facts = folder / "stored.json"
    if facts.exists():
        kept = json.loads(facts.read_text())
        return Stored(folder / kept["module"], tuple(kept["arguments"]))
    folder.mkdir(parents=True, exist_ok=True)
    made = make(folder)
    temporary = facts.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({"module": made.path.name, "arguments": list(made.arguments)}))
    os.replace(temporary, facts)
    return made


def _key(source: str, variant: str) -> str:
    path = Path(source.rpartition(":")[0] if ".py:" in source else source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path} cannot be read", found=error.strerror, remedy="check the path") from None
    digest = hashlib.sha256()
    for part in (
        __version__.encode(),
        str(path.resolve()).encode(),
        source.encode(),
        variant.encode(),
        content,
        _compiler(),
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


def _compiler() -> bytes:
    """The compiler's own sources by size and time, so that a changed compiler does not find its old work."""
    package = Path(__file__).parent
    files = sorted([*package.rglob("*.py"), *(package.parent.parent / "templates").glob("*.j2")])
    return repr([(f.name, s.st_size, s.st_mtime_ns) for f in files for s in [f.stat()]]).encode()


def _root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nablac" / "modules"
