"""Whether a program can be run by rows, asked of the equations; and what it gives then, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.interpret import interpret
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.pipeline import forward_program
from nablac.plan.rows import can_be_run_by_rows

DECLARED = {
    "x": parse_declaration("x", "real[n, 3]", Role.INPUT),
    "y": parse_declaration("y", "label[n, 3]", Role.INPUT),
    "s": parse_declaration("s", "real", Role.INPUT),
    "w": parse_declaration("w", "real[3]", Role.PARAM),
}
CASES = [
    ("r[i] = sum[k](w[k]*x[i, k])", True),
    ("r[i, k] = exp(x[i, k])*s + w[y[i]]", True),
    ("r = mean[i](x[i, y[i]]**2)", True),
    ("r = mean[i, k](abs(x[i, k]))", True),
    ("r = mean[i](log(sum[k](exp(x[i, k])))) + 0.1*sum[k](w[k]**2)", True),
    ("r = 3*mean[i](x[i, 0]) - mean[i](where(y[i] == 1, 1, 0))*s", True),
    ("r = mean[i](where(y[i] == 2, x[i, 0], 2))", True),
    ("r = sum[k](mean[i](x[i, k])*w[k])", True),
    ("r = sum[i](x[i, 0])", False),
    ("r = sum[i](x[i, 0]) + 1", False),
    ("r = mean[i](x[i, 0])*mean[i](x[i, 1])", False),
    ("r = mean[i](x[i, 0])**2", False),
    ("r = sqrt(mean[i](x[i, 0]**2))", False),
    ("r = sum[i](x[i, 0]*x[i, 1])/sum[i](x[i, 1])", False),
    ("r = sign(mean[i](x[i, 0]))", False),
    ("r = max[i](x[i, 0])", False),
    ("r[i] = x[i, 0] - mean[j](x[j, 0])", False),
    ("r[i] = x[i, 0]/sum[j](exp(x[j, 0]))", False),
    ("r[i] = x[i, 0]*i", False),
    ("r[k, i] = x[i, k]", False),
    ("r = sum[i, j](x[i, 0]*x[j, 0])", False),
    ("r = mean[i](x[i, 0]*i)", False),
    ("r[k] = w[k]", False),
    ("r = sum[k](w[k])", False),
]


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_what_can_be_run_by_rows(line: str, expected: bool) -> None:
    parsed = parse_equations([line], DECLARED)
    program = Program("p", (*DECLARED.values(), *parsed.tensors), parsed.equations, ("r",), "float64")
    program = forward_program(program, ("r",))[-1].program
    assert can_be_run_by_rows(program, ["x", "y"]) is expected
    if not expected:
        return
    random = np.random.default_rng(0)
    x, y, fixed = random.normal(size=(7, 3)), random.integers(0, 3, 7), {"s": 0.3, "w": random.normal(size=3)}
    whole = interpret(program, {"x": x, "y": y, **fixed})["r"]
    parts = [interpret(program, {"x": x[part], "y": y[part], **fixed})["r"] for part in (slice(3), slice(3, None))]
    put = np.concatenate(parts) if np.ndim(whole) else (3 * parts[0] + 4 * parts[1]) / 7
    np.testing.assert_allclose(put, whole, rtol=1e-12)
