"""nablac: a symbolic differentiation and code-generation compiler for neural networks.

    import nablac as nc

    @nc.model
    def mlp(x: nc.Real["n", 784], y: nc.Label["n", 10]):
        h = nc.relu(nc.linear(x, 128))
        logits = nc.linear(h, 10)
        return nc.Outputs(loss=nc.cross_entropy(logits, y), logits=logits)

    net = nc.compile(mlp, optimizer=nc.SGD(lr=0.1))
    net.write("mlp.py")

Names are imported when first used: the command line starts a compiled model without loading SymPy.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# SymPy reads this once, when it is imported.  Its own 1,000 is too few from about a hundred layers on: entries are
# then dropped before they are needed again, and the time is no longer linear.
os.environ.setdefault("SYMPY_CACHE_SIZE", "50000")

_HOME = {
    "compile": "nablac.network",
    "Network": "nablac.network",
    "load": "nablac.network",
    "estimator": "nablac.sklearn",
    "NablacError": "nablac.errors",
}


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    names = import_module("nablac.frontend.python")
    if hasattr(names, name):
        return getattr(names, name)
    raise AttributeError(f"nablac has no '{name}'")
