"""runs/target: which output of a model answers which of its targets, and in which way; read off the module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["classes", "binary", "numbers"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Answer:
    """What was to be said and what was said, a row for each sample (for each place of a sequence, of an image).

    classes: ``truth`` holds labels, ``said`` the probabilities [rows, classes].  binary: ``truth`` holds 0 and 1,
    ``said`` the probability of 1.  numbers: both are numbers [rows, values].
    """

    kind: Kind
    target: str
    output: str
    truth: Array
    said: Array


def answer(module: ModuleType, params: Array, inputs: Mapping[str, Any]) -> Answer | None:
    """What the model predicts, beside the truth; None where no output answers an input.

    A target is an input that ``predict`` does not read, a label or the last one before others; without one, it is what
    a model reproduces (an autoencoder's input).
    """
    if not module.BATCHED:
        return None
    reads = {name: inputs[name] for name in module.READS["predict"]}
    targets = [name for name in module.INPUTS if name in inputs and name not in reads]
    targets.sort(key=lambda name: (name not in module.LABELS, name != module.BATCHED[-1]))
    pairs = [(target, output) for target in targets or reads for output in module.OUTPUTS]
    found = next((pair for pair in pairs if _fits(module, *pair)), None)
    if found is None:
        return None
    target, output = found
    truth, said = np.asarray(inputs[target]), np.asarray(module.predict(params, **reads)[output], np.float64)
    strained = _strained(module, params, reads, output)
    classes = module.LABELS.get(target)
    if said.ndim == len(module.INPUTS[target][0]) + 1:
        return Answer("classes", target, output, truth.ravel(), _distributions(said, strained))
    if classes is None and target not in reads and _one_hot(truth):
        return Answer("classes", target, output, truth.argmax(axis=1), _distributions(said, strained, one_hot=True))
    if classes == 2 or (target not in reads and _two_valued(truth)):
        ones = (truth.ravel() > 0).astype(np.int64)
        return Answer("binary", target, output, ones, _probabilities(said.ravel(), strained))
    numbers = truth.reshape(len(truth), -1).astype(np.float64)
    return Answer("numbers", target, output, numbers, said.reshape(numbers.shape))


def _fits(module: ModuleType, target: str, output: str) -> bool:
    """A score for each class of each label, or something of the target's own shape, give or take axes of length 1."""
    (wanted, _), (given, dtype), classes = module.INPUTS[target], module.OUTPUTS[output], module.LABELS.get(target)
    if not wanted or wanted[0] not in given or np.dtype(dtype).kind != "f":
        return False
    if classes is not None and tuple(given) == (*wanted, classes):
        return True
    plain = [[extent for extent in shape if extent != 1] for shape in (wanted, given)]
    return plain[0] == plain[1] and classes in (None, 2)


def _two_valued(truth: Array) -> bool:
    """Targets that are all 0 and 1, or -1 and 1, both of them there."""
    return set(np.unique(truth[:1000]).tolist()) <= {-1.0, 0.0, 1.0} and (
        set(np.unique(truth).tolist()) in ({0.0, 1.0}, {-1.0, 1.0})
    )


def _one_hot(truth: Array) -> bool:
    """Rows of 0 with a single 1."""
    if truth.ndim != 2 or truth.shape[1] < 2:
        return False
    return bool(((truth == 0) | (truth == 1)).all() and (truth.sum(axis=1) == 1).all())


def _strained(module: ModuleType, params: Array, reads: Mapping[str, Any], output: str) -> Array:
    """An output for a few samples at parameters far from the learned ones, on both sides of them.

    A probability stays one whatever the parameters are; a score that only happens to lie between 0 and 1 does not.
    """
    few = {name: value[:16] if name in module.BATCHED else value for name, value in reads.items()}
    noise = np.random.Generator(np.random.Philox(key=1)).normal(size=params.shape)
    places = [(params + far * noise).astype(params.dtype) for far in (3, -3, 30, -30)]
    return np.concatenate([np.asarray(module.predict(place, **few)[output], np.float64) for place in places])


def _probabilities(said: Array, strained: Array) -> Array:
    """The output itself if it is a probability, else the sigmoid of it."""
    if _within(said) and _within(strained):
        return said
    probabilities: Array = np.exp(-np.logaddexp(0.0, -said))
    return probabilities


def _distributions(said: Array, strained: Array, one_hot: bool = False) -> Array:
    """The output itself if its rows are distributions, else their softmax (of log-probabilities: the probabilities).

    Probabilities of one-hot targets, each for itself, are divided by their sum.
    """
    said, strained = (array.reshape(-1, array.shape[-1]) for array in (said, strained))
    if all(_within(array) and (one_hot or _adds_up(array)) for array in (said, strained)):
        return said / np.maximum(said.sum(axis=1, keepdims=True), 1e-300)
    scores = np.exp(said - said.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def _within(array: Array) -> bool:
    finite = array[np.isfinite(array)]
    return bool(((finite >= 0) & (finite <= 1 + 1e-6)).all())


def _adds_up(rows: Array) -> bool:
    sums = rows.sum(axis=1)
    return bool(np.allclose(sums[np.isfinite(sums)], 1, atol=1e-3))
