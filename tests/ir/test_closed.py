"""Functions that nobody calls are read all the same."""

from __future__ import annotations

import textwrap

import pytest

from nablac.errors import NablacError, Place
from nablac.ir.closed import check_functions
from nablac.ir.declare import parse_declaration
from nablac.ir.parse import parse_functions
from nablac.ir.scope import Names
from nablac.ir.tensor import Role
from nablac.ir.tokens import lines_of

DECLARED = {"x": "real[n, 4]", "w": "real[4]", "b": "real", "y": "label[n, 3]"}


def check(text: str) -> None:
    tensors = {name: parse_declaration(name, form, Role.INPUT) for name, form in DECLARED.items()}
    check_functions(Names(tensors, functions=parse_functions(lines_of(text, Place("f", 1, 1)))))


@pytest.mark.parametrize(
    "text",
    [
        "f(z) = b*sin(z)**2 + pi/n",
        "f(z) = sum[k](w[k]*z)",
        "f(i) = x[i, 0] + w[y[i]]",
        "f(z, a) = where(z > 0 and not a < 1, max(z, a, 0), clamp(z, 0, 1))",
        "f(z) = g(g(z))\ng(z) = exprel(z, 1) + exprel(z)",
        "f(w) = w",
        "f(z) = sum[...](w[...])*z",
        "\n".join(f"f{k}(z) = f{k - 1}(z) + f{k - 1}(z)" if k else "f0(z) = z" for k in range(100)),
    ],
)
def test_sound(text: str) -> None:
    check(text)


WRONG = [
    ("f(z) = z + beta", "NameError: 'beta' is not known here\n  where:    f:1:12"),
    ("f(z) = sni(z)", "NameError: there is no function 'sni'\n  where:    f:1:8\n  remedy:   did you mean 'sin'?"),
    ("f(z) = sin(z, z)", "ParseError: 'sin' takes 1 argument\n  found:    sin(z, z), with 2\n  where:    f:1:8"),
    ("f(z) = where(z)", "ParseError: 'where' takes 3 arguments\n  found:    where(z), with 1\n  where:    f:1:8"),
    (
        "g(z) = z\nf(z) = g(z, z)",
        "ParseError: 'g' takes 1 argument\n  found:    g(z, z), with 2\n  where:    f:2:8",
    ),
    ("f(z) = f(z)", "ParseError: function 'f' calls itself\n  where:    f:1:1"),
    (
        "f(z) = g(z)\ng(z) = f(z)",
        "ParseError: function 'f' calls itself\n  found:    f -> g -> f\n  where:    f:1:1",
    ),
    ("f(z) = z[i]", "NameError: no tensor 'z' is known here\n  where:    f:1:8"),
    ("f(z) = sum[k](w[j]*z)", "NameError: 'j' is not known here\n  where:    f:1:17"),
    ("f(z) = (1, z)", "ParseError: this is not part of the language\n  found:    (1, z)\n  where:    f:1:8"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_told(text: str, expected: str) -> None:
    with pytest.raises(NablacError) as told:
        check(text)
    assert str(told.value) == textwrap.dedent(expected)
