"""Random small programs: chains, skips, shared parameters, reductions of every kind, gathers, windows and choices.

Every value stays of moderate size, so that differences and complex steps judge gradients well; kinks are met with
probability 0.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.mode import in_training
from nablac.ir.parse import parse_equations
from nablac.ir.random import counters
from nablac.ir.tensor import Kind, Role, Tensor

SIZES = {"n": 5}
UNARY = [
    "tanh({})",
    "sigmoid({})",
    "softplus({})",
    "exp(-{}**2)",
    "sin({})",
    "log(1 + exp({}))",
    "1/(1 + exp(-{}))",
    "relu({})",
    "abs({})",
    "sqrt(1 + {}**2)",
    "log(cosh({}))",
    "{}**2/2",
    "{}/(1 + exp(-{}))",
    "erf({})",
    "-{}",
    "where({} > 0, {}, exp({}) - 1)",
    "max({}, 1/10)",
    "min({}, 1, 2*{})",
    "cos({})/2",
    "atan({})",
    "where({} > 1/5, log(abs({}) + 1/10), sqrt(abs({}) + 1))",
]
DRAWS = [
    "where(uniform(i, j) < 2/5, 0, 5*{}/3)",
    "{}*(1 + uniform(j)/2)",
    "where(training and uniform(i) < 1/2, {}, tanh({}))",
]
"""Chance: numbers of a place, of a column, of a row."""


@dataclass
class Draft:
    """A program in the making: declarations, lines of text, and the shapes of what can be read."""

    rng: random.Random
    declared: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def declare(self, name: str, axes: tuple[str, ...], role: Role) -> str:
        self.declared[name] = f"real[{', '.join(axes)}]" if axes else "real"
        self.roles[name], self.shapes[name] = role, axes
        return name

    def define(self, axes: tuple[str, ...], text: str) -> str:
        name = f"t{len(self.lines)}"
        subscript = f"[{','.join('ijkl'[: len(axes)])}]" if axes else ""
        self.lines.append(f"{name}{subscript} = {text}")
        self.shapes[name] = axes
        return name

    def pick(self, rank: int) -> str | None:
        names = [n for n, axes in self.shapes.items() if len(axes) == rank and n != "y"]
        recent = names[-3:] + names
        return self.rng.choice(recent) if recent else None


def random_program(seed: int, steps: int = 7) -> tuple[Program, dict[str, np.ndarray]]:
    """A program whose result is ``loss``, and values for what it reads."""
    rng = random.Random(seed)
    draft = Draft(rng)
    sizes = [str(rng.choice([2, 3, 4])) for _ in range(3)]
    draft.declare("x", ("n", sizes[0]), Role.INPUT)
    draft.declare("y", ("n",), Role.INPUT)
    draft.declared["y"] = f"label[n, {sizes[1]}]"
    draft.declare("W", (sizes[1], sizes[0]), Role.PARAM)
    draft.declare("V", (sizes[2], sizes[1]), Role.PARAM)
    draft.declare("b", (sizes[1],), Role.PARAM)
    draft.declare("c", (), Role.PARAM)
    draft.define(("n", sizes[1]), "sum[k](W[j,k]*x[i,k]) + b[j]")
    for _ in range(steps):
        _step(draft, sizes)
    _loss(draft)
    tensors = tuple(parse_declaration(n, d, draft.roles[n]) for n, d in draft.declared.items())
    parsed = parse_equations(draft.lines, {t.name: t for t in tensors})
    declared = (*tensors, *counters(parsed.equations))
    program = Program(f"random_{seed}", declared + parsed.tensors, parsed.equations, ("loss",), "float64")
    return in_training(program), random_values(declared, seed)


def _step(draft: Draft, sizes: list[str]) -> None:
    rng = draft.rng
    kind = rng.choice(
        ["unary"] * 4 + ["binary"] * 3
        + ["linear", "reduce", "softmax", "gather", "window", "scale", "row", "divide", "draw"]
    )
    matrix, other, vector = draft.pick(2), draft.pick(2), draft.pick(1)
    assert matrix is not None and other is not None and vector is not None
    axes = draft.shapes[matrix]
    element = f"{matrix}[i,j]"
    if kind == "unary":
        draft.define(axes, rng.choice(UNARY).replace("{}", f"({element})"))
    elif kind == "binary" and draft.shapes[other] == axes:
        draft.define(
            axes,
            rng.choice([f"{element}*{other}[i,j]", f"{element} - {other}[i,j]/2", f"{element} + tanh({other}[i,j])"]),
        )
    elif kind == "linear" and axes[1] == sizes[1]:
        draft.define((axes[0], sizes[2]), f"sum[k](V[j,k]*{matrix}[i,k])/3")
    elif kind == "reduce":
        how = rng.choice(["sum", "mean", "max", "min", "prod"])
        draft.define((axes[0],), f"{how}[k](sin({matrix}[i,k]))")
    elif kind == "softmax":
        shape = draft.define(axes, f"exp(sin({element}))")
        draft.define((axes[0],), f"sum[k]({shape}[i,k])")
        draft.define(axes, f"{shape}[i,j]/t{len(draft.lines) - 1}[i]")
    elif kind == "gather" and axes == ("n", sizes[1]):
        draft.define(("n",), f"log(1 + {matrix}[i, y[i]]**2)")
    elif kind == "window" and axes[1] != "n" and int(axes[1]) >= 3 and axes[0] == "n":
        draft.define((axes[0], str(int(axes[1]) - 1)), f"{matrix}[i,j]*{matrix}[i,j+1] for j in {int(axes[1]) - 1}")
    elif kind == "row" and draft.shapes[vector][0] == axes[0]:
        draft.define(axes, f"{element}*{vector}[i]")
    elif kind == "draw":
        draft.define(axes, rng.choice(DRAWS).replace("{}", element))
    elif kind == "divide":
        draft.define(axes, f"{element}/(1 + sum[k]({matrix}[i,k]**2))")
    else:
        draft.define(axes, f"c*{element}")


def _loss(draft: Draft) -> None:
    terms = []
    for name in list(draft.shapes)[-2:] + [draft.rng.choice(list(draft.shapes))]:
        rank = len(draft.shapes[name])
        if name == "y" or rank == 0:
            continue
        letters = ",".join("ij"[:rank])
        terms.append(f"mean[{letters}](sin({name}[{letters}]))")
    terms.append("mean[i,j](t0[i,j]**2)/10")
    draft.lines.append("loss = " + " + ".join(terms))


def random_values(tensors: tuple[Tensor, ...], seed: int) -> dict[str, np.ndarray]:
    """Values for declared tensors: labels in their range, reals of size 1."""
    rng = np.random.default_rng(seed)
    values = {}
    for tensor in tensors:
        shape = tuple(int(e) if e.is_Integer else SIZES[str(e)] for e in tensor.shape)
        values[tensor.name] = (
            rng.integers(0, int(tensor.bound), shape) if tensor.bound is not None
            else np.asarray(rng.integers(0, 100) * (tensor.name != "random.row")) if tensor.kind is Kind.INT
            else rng.normal(size=shape)
        )
    return values
