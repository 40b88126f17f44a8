"""store: where ``nablac train`` keeps the modules it has compiled, by the hash of what they were compiled from.

Nothing here loads SymPy: a model that was compiled before starts at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nablac import __version__
from nablac.errors import SpecError


@dataclass(frozen=True)
class Stored:
    """A generated module's file and the arguments that its ``train`` command gets from the spec's data section.

    ``found`` are files that decided something of the module, such as the categories of a column: when they change, it
    is made anew.
    """

    path: Path
    arguments: tuple[str, ...]
    found: tuple[str, ...] = ()


def find_or_make(source: str, variant: str, make: Callable[[Path], Stored]) -> Stored:
    """The module of a spec (or of ``file.py:function``), compiled by ``make`` if it is not there yet.

    ``variant`` is whatever else decides the module, such as the dtype asked for.
    Raises ``SpecError`` if the file cannot be read.
    """
    path = Path(source.rpartition(":")[0] if ".py:" in source else source)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"{str(path)[:200]} cannot be read", found=found, remedy="check the path") from None
    return kept([str(path.resolve()).encode(), source.encode(), variant.encode(), content], make)


def kept(parts: Iterable[bytes], make: Callable[[Path], Stored]) -> Stored:
    """What ``make`` compiled for these parts before, by this compiler; else what it compiles now."""
    folder = root() / _key(parts)
    facts = folder / "stored.json"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        known = json.loads(facts.read_text()) if facts.exists() else None
        if known is None or any(_stamp(path) != stamp for path, stamp in known["found"].items()):
            made = make(folder)
            stamps = {path: _stamp(path) for path in made.found}
            known = {"module": made.path.name, "arguments": list(made.arguments), "found": stamps}
            temporary = facts.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(known))
            os.replace(temporary, facts)
    return Stored(folder / known["module"], tuple(known["arguments"]), tuple(known["found"]))


def _stamp(path: str) -> list[str]:
    """What changes when a file does, or the folders in a folder; nothing where there is none."""
    try:
        if os.path.isdir(path):
            return sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
        status = os.stat(path)
    except OSError:
        return []
    return [str(status.st_size), str(status.st_mtime_ns)]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: the others wait, and find what it has made.  Without locks, two may make the same."""
    with (folder / "lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            with suppress(OSError):  # a file system that has no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _key(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in (__version__.encode(), *parts, _compiler()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


def _compiler() -> bytes:
    """The compiler's own sources by size and time, so that a changed compiler does not find its old work."""
    package = Path(__file__).parent
    files = sorted([*package.rglob("*.py"), *(package.parent.parent / "templates").glob("*.j2")])
    return repr([(f.name, s.st_size, s.st_mtime_ns) for f in files for s in [f.stat()]]).encode()


def root() -> Path:
    """Where compiled modules lie."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nablac" / "modules"
