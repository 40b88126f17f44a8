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
    | {"l", "I", "O"}  # read as digits
)


def identifier(name: str) -> str:
    """A tensor's or register's name as a Python name: ``linear_1.W`` -> ``linear_1_W``.

    >>> identifier("linear_1.W"), identifier("t#3")
    ('linear_1_W', 't')
    """
    plain = re.sub(r"\W", "_", name.partition("#")[0]).strip("_")
    return plain if plain[:1].isalpha() else f"value_{plain}".rstrip("_")


def stem(name: str) -> str:
    """What a name says whatever the layer; where its last word alone is taken by Python, the last two.

    A register's name may hold what stands before and after the stem of a tensor: ``inv_:relu_2:#5``.

    >>> stem("d_linear_3.W"), stem("relu_2"), stem("linear_1.W"), stem("d_relu_1"), stem("linear_1.sum")
    ('d_W', 'relu', 'W', 'd_relu', 'linear_sum')
    >>> stem("inv_:loss.scaled:#4"), stem(":relu_2:_ij#9")
    ('inv_scaled', 'relu_ij')
    >>> stem("inv_:t#14:#18")
    'inv_t'
    """
    name = re.sub(r"#\d+", "", name)
    if ":" in name:  # the tensor may be such a register itself
        before, _, rest = name.partition(":")
        tensor, _, after = rest.rpartition(":")
        return before + stem(tensor) + after
    front = re.match(r"(?:d_)*", name)[0]  # type: ignore[index]
    words = [re.sub(r"_\d+$", "", word) or word for word in name[len(front) :].split(".")]
    last = words[-1]
    return front + ("_".join(words[-2:]) if front + last in RESERVED or not last[:1].isalpha() else last)


class NameSpace:
    """Names of one function, each given once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self._last: dict[str, int] = {}

    def take(self, wish: str) -> str:
        """The wished name or, where it is taken, the first of ``wish_2``, ``wish_3``, ... that is free."""
        wish = identifier(wish)
        name, number = wish, self._last.get(wish, 1)
        while name in self.taken or name in RESERVED:
            number += 1
            name = f"{wish}_{number}"
        self.taken.add(name)
        self._last[wish] = number
        return name
