"""Long programs: time about linear in their equations, and nothing that recurses meets one too deep for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nablac.algebra.cost import depth, size
from nablac.ir.equation import Program
from nablac.ir.parse import parse_program
from nablac.passes.inline import DEEPEST, LARGEST, inline
from nablac.passes.stabilise import stabilise

CALLS = """
import cProfile, io, pstats, sys
import nablac.network
profile = cProfile.Profile()
profile.enable()
nablac.network.compile(sys.argv[1]).source
profile.disable()
print(pstats.Stats(profile, stream=io.StringIO()).total_calls)
"""


def chain(body: str, length: int) -> Program:
    """h1, h2, ..., each of the one before it, which ``{h}`` stands for; nothing but the last is a result."""
    lines = [f"h{at + 1}[i] = " + body.format(h=f"h{at}[i]", at=at) for at in range(length)]
    return parse_program({"h0": "real[n]", "w": "real"}, lines, [f"h{length}"])


@pytest.mark.parametrize("body", ["abs({h} + w)", "{h}*w + 1", "where({h} > {at}, {h}/2, w)", "1/({h} + {at})"])
def test_a_long_chain_is_put_together_in_parts(body: str) -> None:
    """All of it went into one body once: too deep to walk, and of 2**n terms where it is read twice."""
    program = inline(chain(body, 200))
    assert 5 < len(program.equations) < 150
    for equation in program.equations:
        assert depth(equation.body) <= DEEPEST and size(equation.body) <= LARGEST


def test_a_large_sum_is_stabilised_term_by_term() -> None:
    """Every definition was once put into all of it at once, which took the square of its length."""
    lines = [f"p{at} = 1/(1 + exp(-{at + 1}*w))" for at in range(60)]
    lines.append("total = " + " + ".join(f"{at + 2}*log(p{at})*v" for at in range(60)))
    total = stabilise(parse_program({"w": "real", "v": "real"}, lines, ["total"])).defined["total"]
    assert total.body.atoms() and set(total.sources) == {"w", "v"}
    assert "log of known" in total.origin.laws


def spec_of(folder: Path, layers: int) -> Path:
    rows = "".join(f"  - linear: {20 + at}\n  - tanh\n" for at in range(layers))
    path = folder / f"deep_{layers}.yaml"
    path.write_text(
        f'model: deep_{layers}\ninputs: {{x: "real[n, 8]", y: "label[n, 4]"}}\nnetwork:\n{rows}  - linear: 4\n'
        "loss: cross_entropy\n"
    )
    return path


@pytest.mark.deep
def test_twice_the_layers_take_about_twice_the_calls(tmp_path: Path) -> None:
    """Calls, not seconds: they are the same every time.  320 layers took thrice those of 160 once, whose caches
    SymPy had emptied meanwhile."""
    calls = []
    for layers in (80, 160, 320):
        command = [sys.executable, "-c", CALLS, str(spec_of(tmp_path, layers))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        calls.append(int(done.stdout))
    assert calls[1] <= 2.15 * calls[0] and calls[2] <= 2.15 * calls[1], calls
