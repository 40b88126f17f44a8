"""Names: what may be called how, wherever a name can be given; a second meaning is refused where it is given."""

from __future__ import annotations

import sys
import textwrap

import pytest

from nablac.errors import NablacError
from nablac.frontend.model import Model
from nablac.frontend.spec import model_of_spec

HEAD = 'model: m\ninputs: {x: "real[n]", y: "real[n]"}\n'
NET = HEAD + "params: {w: real}\nequations:\n  - p[i] = w*x[i]\nloss: mean[i]((p[i] - y[i])**2)\n"

PLACES = {
    "model": NET.replace("model: m", "model: NAME"),
    "input": NET.replace("{x:", "{NAME:").replace("x[i]", "NAME[i]"),
    "extent": NET.replace("real[n]", "real[NAME]"),
    "parameter": NET.replace("{w:", "{NAME:").replace("w*", "NAME*"),
    "equation": NET.replace("p[i] =", "NAME[i] =").replace("((p[i]", "((NAME[i]"),
    "function": NET + "functions: ['NAME(z) = z']\n",
    "argument": NET + "functions: ['f(NAME) = NAME']\n",
    "node": NET + "network: [{tanh: {from: x, name: NAME}}]\n",
    "output": NET + "outputs: {NAME: p}\n",
    "metric": NET + "metrics: {NAME: 'mean[i](p[i])'}\n",
    "layer": NET + "layers: {NAME: {reads: {a: 'real[...]'}, equations: ['z[...] = a[...]']}}\n",
    "formal": NET + "layers: {l: {reads: {NAME: 'real[...]'}, equations: ['z[...] = NAME[...]']}}\n",
    "option": NET + "layers: {l: {reads: {a: 'real[...]'}, options: {NAME: 1}, equations: ['z[...] = NAME*a[...]']}}\n",
    "learned": NET + "layers: {l: {reads: {a: 'real[...]'}, params: {NAME: real}, equations: ['z[...] = NAME']}}\n",
    "state": NET + "optimizer: {lr: 1, state: [NAME], equations: ['theta_next[p] = g[p]', 'NAME_next[p] = NAME[p]']}\n",
}  # fmt: skip
"""A spec for each place where a name is given."""

BAD = ["lambda", "class", "for", "exp", "sum", "where", "pi", "d_x", "__x__", "_x", "a__b", "a.b", "a-b", "X" * 61]
BAD += ["\u0445", "\uff41"]  # letters that look like x and a
GOOD = ["theta1", "X" * 50, "x_", "match", "self", "print", "np", "E", "S", "params2"]


@pytest.mark.parametrize("place", PLACES)
def test_bad_names_are_refused_everywhere(place: str) -> None:
    for name in BAD:
        with pytest.raises(NablacError) as told:
            model_of_spec(PLACES[place].replace("NAME", name), "s.yaml")
        assert str(told.value.where).startswith("s.yaml:"), name


@pytest.mark.parametrize("place", PLACES)
def test_good_names_are_taken_everywhere(place: str) -> None:
    for name in GOOD:
        assert isinstance(model_of_spec(PLACES[place].replace("NAME", name), "s.yaml"), Model)


@pytest.mark.parametrize("name", ["numpy", "numba", "matplotlib", "tqdm", "nablac", "NumPy", "json", "math", "random"])
def test_a_model_does_not_hide_what_its_module_imports(name: str) -> None:
    with pytest.raises(NablacError, match="a model cannot be called"):
        model_of_spec(PLACES["model"].replace("NAME", name), "s.yaml")


def test_every_module_of_the_standard_library_is_kept() -> None:
    from nablac.frontend.build import MODULES

    assert set(sys.stdlib_module_names) <= MODULES


TWICE = [
    (
        NET.replace('x: "real[n]"', 'n: "real[n]"').replace("x[i]", "n[i]"),
        """
        NameError: 'n' is a tensor and the extent of an axis
          found:    n: real[n]
          where:    s.yaml:2:14
          remedy:   give one of them another name
        """,
    ),
    (
        NET.replace("{w: real}", "{w: real, n: real}"),
        """
        NameError: 'n' is defined twice
          found:    also the extent of an axis
          where:    s.yaml:3:22
          remedy:   give one of them another name
        """,
    ),
    (
        NET + "functions: ['w(z) = z']\n",
        """
        NameError: 'w' is a function and a tensor, a layer or an extent
          where:    s.yaml:7:14
          remedy:   give one of them another name
        """,
    ),
    (
        NET + "functions: ['p(z) = z']\n",
        """
        NameError: 'p' cannot be defined: it is a function, defined at s.yaml:7:14
          where:    s.yaml:5:5
          remedy:   give it another name
        """,
    ),
    (
        NET + "functions: ['share(z) = z']\n",
        """
        NameError: 'share' has a meaning
          where:    s.yaml:7:14
          remedy:   name the function otherwise, e.g. my_share
        """,
    ),
    (
        NET + "layers: {l: {reads: {a: 'real[...]'}, options: {a: 1}, equations: ['z[...] = a[...]']}}\n",
        """
        NameError: layer 'l' gives 'a' two meanings
          where:    s.yaml:7:49
          remedy:   name one of them otherwise
        """,
    ),
    (
        NET.replace("{w: real}", '{"\u0445": real}'),
        """
        NameError: '\u0445' is not a name
          found:    '\u0445' (CYRILLIC SMALL LETTER HA)
          expected: letters a-z, A-Z, digits and single _, a letter first, at most 60
          where:    s.yaml:3:10
        """,
    ),
]


@pytest.mark.parametrize(("text", "expected"), TWICE, ids=range(len(TWICE)))
def test_told(text: str, expected: str) -> None:
    with pytest.raises(NablacError) as told:
        model_of_spec(text, "s.yaml")
    assert str(told.value) == textwrap.dedent(expected).strip()
