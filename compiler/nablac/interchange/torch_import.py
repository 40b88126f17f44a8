"""interchange/torch_import: an ``nn.Sequential`` of PyTorch's -> a spec and its parameters.

Before they are given, what PyTorch computes and what the spec's equations mean is compared, both in float64.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nablac.errors import CompileError, NablacError, Place
from nablac.extras import extra
from nablac.frontend.definition import Definition, did_you_mean, read_pattern
from nablac.frontend.library import LOSS_NAMES, MEASURES, NODES, PENALTY_NAMES
from nablac.frontend.model import Model
from nablac.frontend.sample import random_point
from nablac.frontend.spec import model_of_spec
from nablac.interchange.compare import relative
from nablac.interchange.parameters import fitted, write_file, write_parameters
from nablac.interchange.torch_layers import LAYERS, UNFIT, Item, Shape, Unsupported, first_features
from nablac.ir.interpret import interpret
from nablac.ir.mode import in_evaluation

Array = NDArray[Any]

LIMIT = 1e-9
"""The largest difference that passes, relative to the output's largest element: rounding in float64."""

SAMPLES = 4
"""How many random samples are compared."""

LOSSES = {"log_softmax": "nll", "softmax": "cross_entropy_probabilities", "sigmoid": "binary_cross_entropy"}
"""The loss that goes with a last layer, where none is asked for; ``mse`` with all others."""


@dataclass(frozen=True)
class Imported:
    """A model that was PyTorch's: its spec, its parameters by nablac's names, and the largest relative difference."""

    text: str
    parameters: Mapping[str, Array]
    difference: float
    loss: str

    def write(self, path: str | Path) -> tuple[Path, Path]:
        """Write the spec, and the parameters beside it as ``.npz``; each whole or not at all."""
        spec = Path(path)
        beside = spec.with_suffix(".npz")
        write_parameters(beside, self.parameters)
        write_file(spec, self.text.encode())
        return spec, beside


@dataclass(frozen=True)
class Placed:
    """An item of the chain, its name in the spec, and the place of its layer: ``2.0``, the first of the third."""

    item: Item
    name: str
    place: str
    layer: Any

    @property
    def told(self) -> str:
        """The layer as it is told to users."""
        place = "".join(c if c.isprintable() else "?" for c in self.place)
        return f"{place}: {type(self.layer).__name__}"


def from_torch(
    model: Any, *, name: str = "imported", shape: Sequence[int] | None = None, loss: str | None = None
) -> Imported:
    """The spec and the parameters of an ``nn.Sequential``.

    ``shape`` is that of one sample; without it the first layer with a number of features tells it.  ``loss`` is one of
    the library's.  Raises ``CompileError`` for a layer that nablac has not, and where the two compute different things.
    """
    with extra("torch", "a model of PyTorch's"):
        import torch
    if not isinstance(model, torch.nn.Module):
        raise CompileError("this is no model of PyTorch's", found=f"{model!r:.60}", expected="an nn.Sequential")
    layers = list(_layers(model))
    sample = _sample(layers, shape)
    chain, after = _chain(layers, sample)
    wide = any(p.dtype == torch.float64 for p in model.parameters())
    loss = loss or LOSSES.get(chain[-1].item.kind, "mse")
    text = _text(name, sample, after, chain, loss, "float64" if wide else "float32")
    made = _model(text)
    arrays = {key: tensor.detach().cpu().to(torch.float64 if wide else torch.float32).numpy()
              for key, tensor in _learned(chain).items()}  # fmt: skip
    parameters = fitted(made.program, arrays, name)
    return Imported(text, parameters, _difference(model, made, parameters), loss)


def _layers(module: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The layers of a chain in order, those of chains inside it too, each with its place."""
    import torch

    if isinstance(module, torch.nn.Sequential) and type(module).forward is torch.nn.Sequential.forward:
        for key, inner in zip(module._modules, module, strict=True):  # named_children: each layer once
            yield from _layers(inner, f"{place}.{key}" if place else key)
    else:
        yield place or "0", module


def _sample(layers: Sequence[tuple[str, Any]], shape: Sequence[int] | None) -> Shape:
    if shape is not None:
        return tuple(map(int, shape))
    if not layers:
        raise CompileError("there is nothing to import", found="no layers", expected="an nn.Sequential of layers")
    features = next((n for _, layer in layers if (n := first_features(layer)) is not None), None)
    if features is None:
        for place, layer in layers:  # of a layer that cannot be imported, a shape would not help
            try:
                _row(layer)
            except Unsupported as error:
                raise _refusal(place, layer, error) from None
        remedy = "give the shape of one: --input 16,64"
        raise CompileError("no layer tells how many features a sample has", remedy=remedy)
    return (features,)


def _chain(layers: Sequence[tuple[str, Any]], shape: Shape) -> tuple[list[Placed], Shape]:
    """The items of layers that are applied one after the other, and the shape of a sample behind them."""
    chain: list[Placed] = []
    for place, layer in layers:
        try:
            answer = _row(layer)(layer, shape)
            if answer is not None:
                item, shape = answer
                chain.append(_placed(item, place, layer, chain))
        except Unsupported as error:
            raise _refusal(place, layer, error) from None
    if not chain:
        raise CompileError("there is nothing to import", found="no layers", expected="an nn.Sequential of layers")
    return chain, shape


def _placed(item: Item, place: str, layer: Any, chain: Sequence[Placed]) -> Placed:
    """The item behind the others: a layer that stands there already is shared, and so is a weight tied."""
    again = next((p for p in chain if p.layer is layer and item.learned), None)
    if again is not None:
        if NODES[item.kind][0].frozen:
            raise Unsupported(f"it keeps statistics, and stands at {again.place} too")
        return Placed(Item("share", {"layer": again.name}), again.name, place, layer)
    name = f"{item.kind}_{1 + sum(p.item.kind == item.kind for p in chain)}"
    known = {_memory(tensor): key for key, tensor in _learned(chain).items()}
    ties = {formal: known[_memory(t)] for formal, t in item.learned.items() if _memory(t) in known}
    if ties:
        learned = {formal: tensor for formal, tensor in item.learned.items() if formal not in ties}
        item = Item(item.kind, {**item.options, "tie": ties}, learned)
    return Placed(item, name, place, layer)


def _memory(tensor: Any) -> tuple[int, Shape]:
    """Which numbers a tensor shows: those of equal answers are the same ones."""
    return tensor.data_ptr(), tuple(tensor.shape)


def _row(layer: Any) -> Any:
    name, home = type(layer).__name__, type(layer).__module__
    if home.startswith("torch.nn.modules.") and name in LAYERS:
        return LAYERS[name]
    if not home.startswith("torch.nn."):
        raise Unsupported("a class of its own")
    raise Unsupported(UNFIT.get(name, "nablac has no such layer"))


def _refusal(place: str, layer: Any, error: Unsupported) -> CompileError:
    return CompileError(
        f"layer {place}: {type(layer).__name__} cannot be imported",
        found=str(error),
        expected=", ".join(LAYERS),
        remedy="write the model as a spec: its equations say what the library does not",
    )


def _learned(chain: Sequence[Placed]) -> dict[str, Any]:
    """The tensors by the names that the spec gives them: the layer's kind and number, and the formal name."""
    return {f"{placed.name}.{formal}": t for placed in chain for formal, t in placed.item.learned.items()}


# --- the spec ---------------------------------------------------------------------------------------------------------


def _text(name: str, sample: Shape, after: Shape, chain: Sequence[Placed], loss: str, dtype: str) -> str:
    """The spec as a person would write it, each layer with its place in PyTorch's model behind it."""
    items = [_item_text(placed.item) for placed in chain]
    width = max(map(len, items)) + 2
    lines = [f"model: {name}", *(["dtype: float64"] if dtype == "float64" else [])]
    lines += [f'inputs: {{x: "real[{_axes(sample)}]", y: "{_target(loss, after)}"}}', "network:"]
    lines += [f"  - {item:<{width}}# {placed.told}" for item, placed in zip(items, chain, strict=True)]
    lines += [f"freeze: [{', '.join(frozen)}]"] if (frozen := _frozen(chain)) else []
    return "\n".join([*lines, f"loss: {loss}", ""])


def _model(text: str) -> Model:
    """The model of the text; what nablac refuses in it is an option out of bounds, or a name."""
    try:
        return model_of_spec(text)
    except NablacError as error:
        line = error.where.line if isinstance(error.where, Place) else None
        raise CompileError(
            error.subject,
            found=error.found,
            expected=error.expected,
            where=f"the spec's line '{text.splitlines()[line - 1].strip()}'" if line else None,
            remedy=error.remedy,
        ) from None


def _frozen(chain: Sequence[Placed]) -> list[str]:
    """The parameters that PyTorch does not learn, unless it learns none: then the model is only not being trained."""
    learned = _learned(chain)
    statistics = {f"{p.name}.{formal}" for p in chain for row in NODES.get(p.item.kind, ()) for formal in row.frozen}
    names = [name for name, tensor in learned.items() if name not in statistics and not tensor.requires_grad]
    return names if len(names) < len(learned.keys() - statistics) else []


def _item_text(item: Item) -> str:
    """A layer with the options that are not as they would be anyway."""
    rows = NODES.get(item.kind, ())
    known = {option.name: option for row in rows for option in row.options}
    options = {k: v for k, v in item.options.items() if k not in known or v != known[k].default}
    if not options:
        return item.kind
    first = next(iter(known), next(iter(options)))
    if list(options) == [first]:
        return f"{item.kind}: {_scalar(options[first])}"
    return f"{item.kind}: {{{', '.join(f'{k}: {_scalar(v)}' for k, v in options.items())}}}"


def _scalar(value: object) -> str:
    """A number, a truth value, a text or a mapping in YAML; a name needs no quotes."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_scalar(v)}' for k, v in value.items())}}}"
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]*", value) else json.dumps(value)


def _axes(shape: Shape) -> str:
    return ", ".join(["n", *map(str, shape)])


def _target(loss: str, after: Shape) -> str:
    """The declaration of what a loss compares the output with."""
    compared = [n for n in LOSS_NAMES if n not in PENALTY_NAMES]
    rows = [row for row in MEASURES.get(loss, ()) if loss in compared and len(row.reads) == 2]
    if not rows:
        raise CompileError(
            f"there is no loss '{loss}' of a prediction and a target",
            expected=", ".join(n for n in compared if any(len(row.reads) == 2 for row in MEASURES[n])),
            remedy=did_you_mean(loss, compared),
        )
    fitting = [row for row in rows if len(read_pattern(row.reads[0][1]).axes) <= len(after)]
    return _declared(fitting[0] if fitting else rows[0], after)


def _declared(row: Definition, after: Shape) -> str:
    predicted, target = (read_pattern(text) for _, text in row.reads)
    sizes = dict(zip(predicted.axes[::-1], map(str, after[::-1]), strict=False))
    leading = after[: len(after) - len(predicted.axes)]
    axes = [*map(str, leading), *(sizes.get(axis, axis) for axis in target.axes)]
    kind = "real" if target.kind == "number" else target.kind
    return f"{kind}[{', '.join(['n', *axes])}]"


# --- the comparison ---------------------------------------------------------------------------------------------------


def _difference(model: Any, made: Model, parameters: Mapping[str, Array]) -> float:
    """The largest relative difference between PyTorch's answers and the spec's, both in float64."""
    import torch

    point = {**random_point(made, 0, SAMPLES), **parameters}
    twin = copy.deepcopy(model).cpu().double().eval()
    with torch.no_grad():
        theirs = twin(torch.from_numpy(point["x"])).numpy()
    ours = interpret(in_evaluation(made.program), point)[made.outputs[0]]
    difference = relative([(ours, theirs)])
    if not difference <= LIMIT:
        raise CompileError(
            "PyTorch computes something else than the spec",
            found=f"a relative difference of {difference:.1e}",
            expected=f"at most {LIMIT:g}",
            remedy="hooks and changed classes are not carried over",
        )
    return difference
