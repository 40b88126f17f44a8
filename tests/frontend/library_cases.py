"""Every row of the library with inputs and its formula in NumPy, written independently of its equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nablac.ir.random import stream_number, uniform

Array = np.ndarray
RANDOM = np.random.default_rng(7)


@dataclass(frozen=True)
class Case:
    """A row's name, its inputs as declaration and value, the reference, and the options."""

    name: str
    inputs: Mapping[str, tuple[str, Array]]
    reference: Callable[..., Array]
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "-".join(f"{key}={value}" for key, value in self.options.items())
        return "-".join(filter(None, [self.name, "+".join(self.inputs), options]))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def picked(x: Array, y: Array) -> Array:
    return np.take_along_axis(x, y[..., None], -1)[..., 0]


def phi(x: Array) -> Array:
    return (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


X = RANDOM.normal(size=(5, 4)) * 3
ACTIVATIONS: list[tuple[str, Callable[..., Array], dict[str, object]]] = [
    ("relu", lambda x: np.maximum(x, 0), {}),
    ("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x), {}),
    ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x), {"alpha": 0.2}),
    ("elu", lambda x: np.where(x > 0, x, np.expm1(x)), {}),
    ("elu", lambda x: np.where(x > 0, x, 2 * np.expm1(x)), {"alpha": 2}),
    ("celu", lambda x: np.maximum(x, 0) + np.minimum(0, 2 * np.expm1(x / 2)), {"alpha": 2}),
    ("selu", lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)), {}),
    ("relu6", lambda x: np.clip(x, 0, 6), {}),
    ("hardtanh", lambda x: np.clip(x, -1, 1), {}),
    ("hardtanh", lambda x: np.clip(x, -2, 0.5), {"low": -2, "high": 0.5}),
    ("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, {}),
    ("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, {}),
    ("hardshrink", lambda x: x * (np.abs(x) > 0.5), {}),
    ("softshrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.7, 0), {"bound": 0.7}),
    ("threshold", lambda x: np.where(x > 0.5, x, -7), {"at": 0.5, "value": -7}),
    ("sigmoid", sigmoid, {}),
    ("logsigmoid", lambda x: np.log(sigmoid(x)), {}),
    ("tanh", lambda x: np.tanh(x), {}),
    ("tanhshrink", lambda x: x - np.tanh(x), {}),
    ("softplus", lambda x: np.log(1 + np.exp(x)), {}),
    ("softsign", lambda x: x / (1 + np.abs(x)), {}),
    ("silu", lambda x: x * sigmoid(x), {}),
    ("swish", lambda x, beta: x * sigmoid(beta * x), {}),
    ("mish", lambda x: x * np.tanh(np.log(1 + np.exp(x))), {}),
    ("gelu", lambda x: x * phi(x), {}),
    ("gelu", lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), {"approximate": True}),
    ("softmax", softmax, {}),
    ("log_softmax", lambda x: np.log(softmax(x)), {}),
    ("softmin", lambda x: softmax(-x), {}),
    ("prelu", lambda x, alpha: np.where(x > 0, x, alpha * x), {}),
    ("prelu", lambda x, alpha: np.where(x > 0, x, alpha * x), {"each": True}),
    ("glu", lambda x: x[..., :2] * sigmoid(x[..., 2:]), {}),
    ("linear", lambda x, W, b: x @ W.T + b, {"units": 3}),
    ("linear", lambda x, W: x @ W.T, {"units": 3, "bias": False}),
    ("maxout", lambda x, W, b: (np.einsum("jqk,...k->...jq", W, x) + b).max(-1), {"units": 3, "pieces": 3}),
    ("layer_norm", lambda x, gain, b: gain * normal(x, 1e-5) + b, {}),
    ("layer_norm", lambda x: normal(x, 0.1), {"affine": False, "eps": 0.1}),
]


def normal(x: Array, eps: float) -> Array:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


def of_batch(x: Array, eps: float) -> Array:
    return (x - x.mean(0)) / np.sqrt(x.var(0) + eps)


DRAWN = uniform(0, 0, stream_number("node.draw"), np.arange(20).reshape(5, 4))
CUBE = np.arange(60.0).reshape(5, 4, 3) ** 0.5
A, B = RANDOM.normal(size=(2, 5, 4))
C = RANDOM.normal(size=(5, 3))
NODE_CASES = [
    *(Case(name, {"x": ("real[5, 4]", X)}, f, options) for name, f, options in ACTIVATIONS),
    *(
        Case(name, {"a": ("real[5, 4]", A), "b": ("real[5, 4]", B)}, f)
        for name, f in (
            ("add", lambda a, b: a + b),
            ("sub", lambda a, b: a - b),
            ("mul", lambda a, b: a * b),
            ("div", lambda a, b: a / b),
        )
    ),
    Case("concat", {"a": ("real[5, 4]", A), "b": ("real[5, 3]", C)}, lambda a, b: np.concatenate([a, b], -1)),
    *(
        Case("bilinear", {"left": ("real[5, 4]", A), "right": ("real[5, 3]", C)}, f, {"units": 2} | more)
        for f, more in (
            (lambda left, right, W, b: np.einsum("ni,uij,nj->nu", left, W, right) + b, {}),
            (lambda left, right, W: np.einsum("ni,uij,nj->nu", left, W, right), {"bias": False}),
        )
    ),
    *(
        Case("batch_norm", {"x": ("real[5, 4]", X)}, f, options)
        for f, options in (
            (lambda x, gain, b, running_mean, running_variance: gain * of_batch(x, 1e-5) + b, {}),
            (lambda x, running_mean, running_variance: of_batch(x, 0.1), {"affine": False, "eps": 0.1}),
        )
    ),
    Case("flatten", {"x": ("real[5, 4]", X)}, lambda x: x),
    Case("flatten", {"x": ("real[5, 4, 3]", CUBE)}, lambda x: x.reshape(5, 12)),
    Case("flatten", {"x": ("real[5, 4, 3, 2]", CUBE[..., None] * np.array([1, 2]))}, lambda x: x.reshape(5, 24)),
    Case("reshape", {"x": ("real[5, 4]", X)}, lambda x: x.reshape(5, 2, 2), {"rows": 2, "columns": 2}),
    Case(
        "reshape", {"x": ("real[5, 12]", CUBE.reshape(5, 12))}, lambda x: x.reshape(5, 3, 4), {"rows": 3, "columns": 4}
    ),  # fmt: skip
    Case("dropout", {"x": ("real[5, 4]", X)}, lambda x: x * (DRAWN >= 0.3) / 0.7, {"rate": 0.3}),
    Case(
        "standardise",
        {"x": ("real[5, 4]", X)},
        lambda x, mean, variance: (x - mean) / np.sqrt(np.where(variance > 0, variance, 1)),
    ),
    Case("one_hot", {"x": ("label[5, 3]", np.array([0, 2, 1, 1, 0]))}, lambda x: np.eye(3)[x]),
]

Term = Callable[..., Array]
P, Y = RANDOM.normal(size=(2, 6, 3)) * 2
Q, YES = RANDOM.uniform(0.05, 0.95, (6, 3)), RANDOM.integers(0, 2, (6, 3)) * 1.0
LABELS, TWO = RANDOM.integers(0, 3, 6), RANDOM.integers(0, 2, 6)
SHARES = RANDOM.dirichlet(np.ones(3), 6)
SIGNS = np.where(RANDOM.uniform(size=6) < 0.5, -1.0, 1.0)
D, L = "real[6, 3]", "label[6, 3]"
NUMBERS = {"p": (D, P), "y": (D, Y)}
CLASSES = {"z": (D, P), "y": (L, LABELS)}


def bce(p: Array, y: Array) -> Array:
    q = np.clip(p, 1e-12, 1 - 1e-12)
    return -y * np.log(q) - (1 - y) * np.log(1 - q)


def cosine(a: Array, b: Array) -> Array:
    return (a * b).sum(-1) / np.sqrt(((a**2).sum(-1) + 1e-12) * ((b**2).sum(-1) + 1e-12))


def distance(a: Array, b: Array) -> Array:
    return np.sqrt(((a - b + 1e-6) ** 2).sum(-1))


def focal(z: Array, y: Array) -> Array:
    p = picked(softmax(z), y)
    return -((1 - p) ** 1.5) * np.log(p)


def binary_focal(z: Array, y: Array) -> Array:
    right = np.where(y == 1, sigmoid(z), sigmoid(-z))
    return -np.where(y == 1, 0.6, 0.4) * (1 - right) ** 2 * np.log(right)


def crammed(z: Array, y: Array, power: int) -> Array:
    """The hinge over classes: its mean includes the right class, as 0."""
    wrong = np.maximum(1 - picked(z, y)[:, None] + z, 0) ** power
    return (wrong.sum(-1) - picked(wrong, y)) / 3


TERMS: list[tuple[str, dict[str, tuple[str, Array]], Term, dict[str, object]]] = [
    ("mse", NUMBERS, lambda p, y: (p - y) ** 2, {}),
    ("mae", NUMBERS, lambda p, y: np.abs(p - y), {}),
    (
        "huber",
        NUMBERS,
        lambda p, y: np.where(abs(p - y) < 1.5, (p - y) ** 2 / 2, 1.5 * (abs(p - y) - 0.75)),
        {"delta": 1.5},
    ),
    ("smooth_l1", NUMBERS, lambda p, y: np.where(abs(p - y) < 0.5, (p - y) ** 2, abs(p - y) - 0.25), {"beta": 0.5}),
    ("log_cosh", NUMBERS, lambda p, y: np.log(np.cosh(p - y)), {}),
    ("quantile", NUMBERS, lambda p, y: np.where(y > p, 0.9 * (y - p), 0.1 * (p - y)), {"q": 0.9}),
    ("binary_cross_entropy", {"p": (D, Q), "y": (D, YES)}, bce, {}),
    ("binary_cross_entropy_logits", {"z": (D, P), "y": (D, YES)}, lambda z, y: bce(sigmoid(z), y), {}),
    ("cross_entropy", CLASSES, lambda z, y: -np.log(picked(softmax(z), y)), {}),
    (
        "cross_entropy",
        CLASSES,
        lambda z, y: -(np.log(softmax(z)) * (0.7 * np.eye(3)[y] + 0.1)).sum(-1),
        {"smoothing": 0.3},
    ),
    ("cross_entropy", {"z": (D, P), "y": (D, SHARES)}, lambda z, y: -(np.log(softmax(z)) * y).sum(-1), {}),
    ("cross_entropy_probabilities", {"p": (D, Q), "y": (L, LABELS)}, lambda p, y: -np.log(picked(p, y)), {}),
    ("nll", {"x": (D, P), "y": (L, LABELS)}, lambda x, y: -picked(x, y), {}),
    ("focal", CLASSES, focal, {"gamma": 1.5}),
    ("focal", {"z": (D, P), "y": (D, YES)}, binary_focal, {"alpha": 0.6}),
    (
        "hinge",
        {"z": ("real[6]", P[:, 0]), "y": ("label[6, 2]", TWO)},
        lambda z, y: np.maximum(1 - (2 * y - 1) * z, 0),
        {},
    ),
    ("hinge", {"z": (D, P), "y": (D, 2 * YES - 1)}, lambda z, y: np.maximum(1 - y * z, 0), {}),
    ("hinge", CLASSES, lambda z, y: crammed(z, y, 1), {}),
    (
        "squared_hinge",
        {"z": ("real[6]", P[:, 0]), "y": ("label[6, 2]", TWO)},
        lambda z, y: np.maximum(1 - (2 * y - 1) * z, 0) ** 2,
        {},
    ),
    ("squared_hinge", {"z": (D, P), "y": (D, 2 * YES - 1)}, lambda z, y: np.maximum(1 - y * z, 0) ** 2, {}),
    ("squared_hinge", CLASSES, lambda z, y: crammed(z, y, 2), {}),
    (
        "kl_divergence",
        {"x": (D, np.log(SHARES[::-1])), "y": (D, SHARES)},
        lambda x, y: (y * (np.log(y) - x)).sum(-1),
        {},
    ),
    ("poisson", NUMBERS, lambda p, y: np.exp(p) - y * p, {}),
    ("poisson", {"p": (D, 3 * Q), "y": (D, Y)}, lambda p, y: p - y * np.log(p + 1e-8), {"log_input": False}),
    (
        "gaussian_nll",
        {"p": (D, P), "variance": (D, Q), "y": (D, Y)},
        lambda p, variance, y: (np.log(variance) + (p - y) ** 2 / variance) / 2,
        {},
    ),
    (
        "margin_ranking",
        {"a": ("real[6]", P[:, 0]), "b": ("real[6]", Y[:, 0]), "y": ("real[6]", SIGNS)},
        lambda a, b, y: np.maximum(0.5 - y * (a - b), 0),
        {"margin": 0.5},
    ),
    (
        "triplet",
        {"anchor": (D, P), "positive": (D, Y), "negative": (D, P[::-1])},
        lambda anchor, positive, negative: np.maximum(distance(anchor, positive) - distance(anchor, negative) + 2, 0),
        {"margin": 2},
    ),
]


def mean_of(term: Term) -> Callable[..., Array]:
    return lambda **given: np.mean(term(**given))


def weighted_mean_of(term: Term) -> Callable[..., Array]:
    return lambda w, **given: (w * term(**given)).sum() / w.sum()


def weights(inputs: Mapping[str, tuple[str, Array]], term: Term) -> tuple[str, Array]:
    shape = term(**{name: value for name, (_, value) in inputs.items()}).shape
    return f"real[{', '.join(map(str, shape))}]", np.linspace(0.5, 2, math.prod(shape)).reshape(shape)


VECTORS = {"a": (D, P), "b": (D, Y)}
LOSS_CASES = [
    *(Case(name, inputs, mean_of(term), options) for name, inputs, term, options in TERMS),
    *(
        Case(name, {**inputs, "w": weights(inputs, term)}, weighted_mean_of(term), options)
        for name, inputs, term, options in TERMS
    ),
    Case("cosine", VECTORS, lambda a, b: np.mean(1 - cosine(a, b))),
    Case(
        "cosine",
        {**VECTORS, "y": ("real[6]", SIGNS)},
        lambda a, b, y: np.mean(np.where(y > 0, 1 - cosine(a, b), np.maximum(cosine(a, b) - 0.3, 0))),
        {"margin": 0.3},
    ),
    Case("l1", {"w": (D, P)}, lambda w: np.abs(w).sum()),
    Case("l2", {"w": (D, P)}, lambda w: (w**2).sum()),
    Case("elastic", {"w": (D, P)}, lambda w: (0.3 * np.abs(w) + 0.35 * w**2).sum(), {"ratio": 0.3}),
]

GUESSED = P.argmax(1)
MANY = RANDOM.normal(size=(6, 9))
NINE = RANDOM.integers(0, 9, 6)


def rated(kind: str, guess: Array, truth: Array, classes: range, micro: bool) -> float:
    """Precision, recall or F1 by counting, class by class."""
    counts = []
    for c in classes:
        hits = sum(1 for g, t in zip(guess, truth, strict=True) if g == t == c)
        told, actual = sum(1 for g in guess if g == c), sum(1 for t in truth if t == c)
        pair = {"precision": (hits, told), "recall": (hits, actual), "f1": (2 * hits, told + actual)}[kind]
        counts.append(pair)
    if micro:
        return sum(a for a, _ in counts) / sum(b for _, b in counts)
    return sum(a / b if b else 0 for a, b in counts) / len(counts)


def among_first(z: Array, y: Array, k: int) -> float:
    order = np.argsort(-z, axis=1)[:, :k]
    return float(np.mean([label in row for label, row in zip(y, order, strict=True)]))


def area(score: Array, truth: Array) -> float:
    """The area under the ROC curve by its corners: the part of yes against the part of no that is passed."""
    levels = np.concatenate([[np.inf], np.unique(score)[::-1]])
    yes = [float(np.mean(score[truth] >= level)) for level in levels]
    no = [float(np.mean(score[~truth] >= level)) for level in levels]
    return sum((b - a) * (c + d) / 2 for a, b, c, d in zip(no, no[1:], yes, yes[1:], strict=False))


BINARY = {"p": ("real[6]", Q[:, 0]), "y": ("real[6]", YES[:, 0])}
METRIC_CASES = [
    Case("accuracy", CLASSES, lambda z, y: np.mean(z.argmax(1) == y)),
    Case("accuracy", {"p": ("real[6]", Q[:, 0]), "y": ("label[6, 2]", TWO)}, lambda p, y: np.mean((p >= 0.5) == y)),
    Case("accuracy", BINARY, lambda p, y: np.mean((p >= 0.3) == y), {"threshold": 0.3}),
    Case("top_k", {"z": ("real[6, 9]", MANY), "y": ("label[6, 9]", NINE)}, lambda z, y: among_first(z, y, 5)),
    Case("top_k", CLASSES, lambda z, y: among_first(z, y, 2), {"k": 2}),
    *(
        Case(
            kind,
            CLASSES,
            lambda z, y, kind=kind, micro=micro: rated(kind, z.argmax(1), y, range(3), micro),
            {"micro": micro},
        )
        for kind in ("precision", "recall", "f1")
        for micro in (False, True)
    ),
    *(
        Case(
            kind, BINARY, lambda p, y, kind=kind: rated(kind, p >= 0.4, y == 1, range(1, 2), False), {"threshold": 0.4}
        )
        for kind in ("precision", "recall", "f1")
    ),
    *(
        Case(
            kind,
            {"z": (D, P), "y": (L, np.zeros(6, int))},
            lambda z, y, kind=kind: rated(kind, z.argmax(1), y, range(3), False),
        )
        for kind in ("precision", "recall", "f1")
    ),
    Case("roc_auc", BINARY, lambda p, y: area(p, y == 1)),
    Case("roc_auc", BINARY | {"p": ("real[6]", np.round(Q[:, 0], 1))}, lambda p, y: area(np.round(p, 1), y == 1)),
    Case("roc_auc", BINARY | {"y": ("real[6]", np.ones(6))}, lambda p, y: 0.0),
    Case("roc_auc", CLASSES, lambda z, y: np.mean([area(softmax(z)[:, c], y == c) for c in np.unique(y)])),
    Case(
        "roc_auc",
        {"z": (D, P), "y": (L, np.array([0, 2, 2, 0, 2, 0]))},
        lambda z, y: np.mean([area(softmax(z)[:, c], y == c) for c in (0, 2)]),
    ),
    Case("log_loss", CLASSES, lambda z, y: -np.mean(np.log(picked(softmax(z), y)))),
    Case("log_loss", BINARY, lambda p, y: np.mean(bce(p, y))),
    Case("rmse", NUMBERS, lambda p, y: np.sqrt(np.mean((p - y) ** 2))),
    Case("r2", NUMBERS, lambda p, y: 1 - ((p - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()),
    Case("r2", {"p": ("real[6]", Q[:, 0]), "y": ("real[6]", np.full(6, 0.5))}, lambda p, y: 0.0),
    Case("r2", {"p": ("real[6]", np.full(6, 0.5)), "y": ("real[6]", np.full(6, 0.5))}, lambda p, y: 1.0),
]
