"""emit/naming: names in the generated code: short, told apart, never a keyword or a name that the module uses."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

from nablac.emit.stable import IMPORTED

RESERVED = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *IMPORTED}
    | {"np", "math", "numba", "njit", "kernel", "real", "params", "grad", "state", "values", "work", "iwork"}
)


def identifier(name: str) -> str:
    """A tensor's or register's name as a Python name: ``linear_1.W`` -> ``linear_1_W``.

    >>> identifier("linear_1.W"), identifier("t#3")
    ('linear_1_W', 't')
    """
    plain = re.sub(r"\W", "_", name.partition("#")[0]).lstrip("_")
    return plain or "value"


def stem(name: str) -> str:
    """What a name says whatever the layer: ``d_linear_3.W`` -> ``d_W``, ``relu_2`` -> ``relu``.

    >>> stem("d_linear_3.W"), stem("relu_2"), stem("linear_1.W"), stem("d_relu_1")
    ('d_W', 'relu', 'W', 'd_relu')
    """
    name = name.partition("#")[0]
    prefix = re.match(r"(?:d_)*", name)
    front = prefix[0] if prefix else ""
    rest = name[len(front) :].rpartition(".")[2]
    return front + (re.sub(r"_\d+$", "", rest) or rest)


class NameSpace:
    """Names of one function, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)

    def take(self, wish: str) -> str:
        """The wished name or, where it is taken, the first of ``wish_2``, ``wish_3``, ... that is free."""
        wish = identifier(wish)
        name, number = wish, 1
        while name in self.taken or name in RESERVED:
            number += 1
            name = f"{wish}_{number}"
        self.taken.add(name)
        return name
