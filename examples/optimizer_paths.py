"""Six optimizers on two surfaces: a narrow valley, and a saddle; where each goes, drawn over the surface's contours.

    python examples/optimizer_paths.py [docs/optimizer_paths.png]

Surface and optimizer are a spec; each path is what the compiled module does, step by step.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nablac
from nablac.frontend.spec import model_of_spec

SPEC = """
model: {name}
dtype: float64
params: {{x: real ~ constant({x}), y: real ~ constant({y})}}
loss: {loss}
optimizer: {optimizer}
"""

VALLEY = {"name": "valley", "loss": "x**2/40 + y**2", "x": -8, "y": 1.9}
SADDLE = {"name": "saddle", "loss": "x**2/2 - y**2/2 + y**4/8", "x": -1.6, "y": 0.002}

OPTIMIZERS = {
    "sgd": "{{sgd: {{lr: {0}}}}}",
    "momentum": "{{momentum: {{lr: {0}, momentum: 0.9}}}}",
    "adagrad": "{{adagrad: {{lr: {0}}}}}",
    "rmsprop": "{{rmsprop: {{lr: {0}, alpha: 0.9}}}}",
    "adadelta": "{{adadelta: {{lr: {0}, rho: 0.9, eps: 0.001}}}}",
    "adam": "{{adam: {{lr: {0}}}}}",
}
RATES = {
    "valley": {"sgd": 0.9, "momentum": 0.1, "adagrad": 1.0, "rmsprop": 0.2, "adadelta": 2.0, "adam": 0.4},
    "saddle": {"sgd": 0.2, "momentum": 0.05, "adagrad": 0.4, "rmsprop": 0.05, "adadelta": 1.0, "adam": 0.1},
}
COLOURS = dict(zip(OPTIMIZERS, ("#444444", "#d1495b", "#e8a33d", "#2a9d5c", "#7b4fb3", "#1f6fc4"), strict=True))
STEPS = 60


def path(surface: dict[str, object], name: str) -> np.ndarray:
    """The places where an optimizer is, from the first on, and the loss at each: rows of x, y, loss."""
    optimizer = OPTIMIZERS[name].format(RATES[str(surface["name"])][name])
    module = nablac.compile(model_of_spec(SPEC.format(**surface, optimizer=optimizer))).module
    params, state = module.init(), module.init_state()
    places = [[*params, module.loss(params)]]
    for _ in range(STEPS):
        module.train_steps(params, state, steps=1)
        places.append([*params, module.loss(params)])
    return np.array(places)


def surface_of(surface: dict[str, object], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss on a grid, as the module has it: by NumPy, from the same equation."""
    module = nablac.compile(model_of_spec(SPEC.format(**surface, optimizer="{sgd: 1}"))).module
    return np.array([[module.loss(np.array([a, b])) for a in x] for b in y])


def draw(file: Path) -> None:
    """Two columns: the paths, and below them the loss by the step."""
    figure = Figure(figsize=(12, 7.8), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=(2.2, 1))
    frames = ((VALLEY, (-9, 5), (-3, 3)), (SADDLE, (-2, 1.2), (-2, 2)))
    for (surface, across, up), (above, below) in zip(frames, axes.T, strict=True):
        x, y = np.linspace(*across, 141), np.linspace(*up, 121)
        values = surface_of(surface, x, y)
        levels = np.quantile(values, np.linspace(0.01, 0.99, 22))
        above.contourf(x, y, values, levels, cmap="Greys", alpha=0.35, extend="both")
        above.contour(x, y, values, levels, colors="#8a8a8a", linewidths=0.5)
        for name in OPTIMIZERS:
            places = path(surface, name)
            rate = RATES[str(surface["name"])][name]
            above.plot(*places[:, :2].T, ".-", color=COLOURS[name], lw=1.4, ms=3.5, label=f"{name}, lr {rate:g}")
            above.plot(*places[-1, :2], "o", color=COLOURS[name], ms=8, mec="white", zorder=5)
            below.plot(places[:, 2], color=COLOURS[name], lw=1.6)
        above.plot(surface["x"], surface["y"], "*", color="black", ms=13, zorder=6)
        formula = str(surface["loss"]).replace("**", "^").replace("*", "")
        above.set(title=f"{surface['name']}: ${formula}$", xlim=across, ylim=up, xlabel="x", ylabel="y")
        above.legend(loc="lower right", fontsize=9, framealpha=0.9)
        below.set(xlabel="step", ylabel="loss", xlim=(0, STEPS))
        below.grid(alpha=0.3)
        if values.min() >= 0:
            below.set(yscale="log", ylim=(1e-6, 10))
    figure.savefig(file, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1] / "docs" / "optimizer_paths.png"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    draw(target)
    print(f"wrote {target}")
