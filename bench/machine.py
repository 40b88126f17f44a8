"""bench/machine: one thread, an honest BLAS, and what the figures were measured on."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
DETUNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that make OpenBLAS run another processor's kernels: a comparison under them means nothing."""


def start_over_if_needed() -> None:
    """Runs this process anew with one thread and without the variables that detune OpenBLAS: both are read at load."""
    wanted = {name: value for name, value in os.environ.items() if name not in DETUNED} | dict.fromkeys(ONE_THREAD, "1")
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], wanted)


def processor() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def blas() -> str:
    """The BLAS that NumPy runs and the kernels that it chose."""
    import numpy as np

    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"])
    np.ones((2, 2)) @ np.ones((2, 2))
    loaded = {
        f"{lib['internal_api']} {lib.get('version')} ({lib.get('architecture')}, {lib['num_threads']} thread)"
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    return "; ".join(sorted(loaded)) or "unknown"


def description() -> list[str]:
    """Lines that say where the figures come from."""
    versions = []
    for name in ("numpy", "numba", "sympy", "torch"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} absent")
    return [
        f"- processor: {processor()}, {os.cpu_count()} logical processors, one thread used",
        f"- NumPy's BLAS: {blas()}",
        f"- Python {platform.python_version()}, {', '.join(versions)}",
        f"- load of the last minute, this benchmark's own included: {os.getloadavg()[0]:.1f}",
    ]
