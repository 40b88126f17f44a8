"""Orders of products: factors that alone hold an index of the result stand outside the sums."""

from __future__ import annotations

import numpy as np

from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_program
from nablac.ir.text import print_equations
from nablac.passes.contract import contract


def test_a_factor_outside_that_alone_holds_an_index() -> None:
    """Previously failed: the sum inside kept an index that it does not depend on."""
    declared = {"a": "real[n]", "B": "real[5, 6]", "c": "real[n, 6]", "d": "real[n]", "v": "real[4]"}
    program = parse_program(declared, ["g[o, r] = sum[i, k](a[i]*v[o]*B[r, k]*c[i, k]*d[i])"], ["g"])
    after = contract(program)
    assert print_equations(after).splitlines()[-1] == "g[o, r] = g.part1[r]*v[o]"
    rng = np.random.default_rng(0)
    values = {
        "a": rng.normal(size=3), "B": rng.normal(size=(5, 6)), "c": rng.normal(size=(3, 6)), "d": rng.normal(size=3),
        "v": rng.normal(size=4),
    }  # fmt: skip
    np.testing.assert_allclose(interpret(after, values)["g"], interpret(program, values)["g"])
