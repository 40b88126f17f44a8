"""Numba's cache of a module: private, and one for each name that the module is imported by."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, folder: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_file_serves_under_two_names(tmp_path: Path) -> None:
    """Machine code that was cached as pkg.net was once looked up again by a script that knows no pkg."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    shutil.copy(ROOT / "generated" / "circuit_neuron.py", tmp_path / "pkg" / "net.py")
    loss = run("from pkg import net; print(net.loss(net.init()))", tmp_path)
    assert run("import net; print(net.loss(net.init()))", tmp_path / "pkg") == loss
    code = "import sys; sys.path.insert(0, 'pkg'); import net; print(net.loss(net.init()))"
    assert run(code, tmp_path) == loss
