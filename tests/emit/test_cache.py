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


def test_machine_code_from_the_cache_gives_the_bits_of_the_compiler(tmp_path: Path) -> None:
    """The process that compiled once ran other copies of the kernels than those that found them in the cache."""
    shutil.copy(ROOT / "generated" / "digits.py", tmp_path / "net.py")
    code = (
        "import net, numpy as np\n"
        "random = np.random.default_rng(0)\n"
        "data = {'x': random.random((500, 64)), 'y': random.integers(10, size=500)}\n"
        "params, state = net.init(), net.init_state()\n"
        "print(net.train_steps(params, state, batch_size=32, **data).tobytes().hex(), params.tobytes().hex())\n"
        "print(net.loss(params, **data).hex())\n"
    )
    grad = "print(net.loss_and_grad(params, **data)[1].tobytes().hex())\n"
    compiled = run(code + grad, tmp_path)
    assert run(code + grad, tmp_path) == compiled
    other = run(code.replace("print(net.train", f"{grad}print(net.train", 1) + "#", tmp_path)
    assert other.splitlines()[1:] == compiled.splitlines()[:-1]
