"""frontend/vocabulary: the functions a traced model is written with: ``nc.linear``, ``nc.param``, ``nc.exp``.

Those of the library are made from its rows, so a row that is added there is a function here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nablac.errors import TraceError
from nablac.frontend.build import Builder, Layer
from nablac.frontend.definition import Definition, Request, plain_number
from nablac.frontend.frozen import FOLLOWS
from nablac.frontend.handle import Handle, builder_of
from nablac.frontend.library import MEASURES, NODES
from nablac.frontend.operations import elementary, extremum, letters, reduce, write
from nablac.frontend.places import user_place
from nablac.frontend.sources import written_lines
from nablac.frontend.trace import current_builder
from nablac.frontend.traced import Traced, where
from nablac.ir.declare import check_name, check_plain_name, parse_initialiser, with_initialiser
from nablac.ir.functions import ELEMENTARY
from nablac.ir.index import extent
from nablac.ir.tensor import Role, Tensor


class SharedLayer:
    """A layer that is not applied yet; every call applies it with the same weights.

        encode = nc.linear(64)
        a, b = encode(left), encode(right)
    """

    def __init__(
        self,
        rows: Sequence[Definition],
        options: dict[str, object],
        name: str | None,
        frozen: bool = False,
        tied: Mapping[str, str] | None = None,
    ) -> None:
        self.rows, self.options, self.name, self.frozen, self.tied = rows, options, name, frozen, tied or {}
        self._made: tuple[Builder, Layer] | None = None

    def __call__(self, *inputs: Traced, name: str | None = None) -> Traced:
        place = user_place()
        builder = _check_inputs(self.rows[0].name, inputs)
        actual = [t.name for t in inputs]
        if self._made is None or self._made[0] is not builder:
            request = Request(self.options, {"": place}, name or self.name, self.frozen, self.tied)
            made = builder.apply(self.rows, actual, request)
            self._made = (builder, builder.layers[made])
            return Traced(builder, made)
        return Traced(builder, builder.share(self._made[1], actual, Request({}, {"": place}, name)))


def _check_inputs(kind: str, inputs: Sequence[object]) -> Builder:
    if not inputs or not all(isinstance(value, Traced) for value in inputs):
        raise TraceError(
            f"nc.{kind} is applied to traced tensors",
            found=", ".join(type(value).__name__ for value in inputs) or "nothing",
            where=user_place(),
        )
    return builder_of([value for value in inputs if isinstance(value, Traced)])


def _node(kind: str, rows: Sequence[Definition]) -> Callable[..., Any]:
    """The function of a library entry: tensors first, then its options in order or by name."""
    options = [option.name for option in rows[0].options]

    def apply(
        *arguments: Any, name: str | None = None, frozen: bool = False, tie: object = None, **given: Any
    ) -> Any:
        place = user_place()
        tied = _tied(kind, tie)
        if not isinstance(frozen, bool):
            raise TraceError(f"nc.{kind}: 'frozen' is True or False", found=f"{frozen!r:.60}", where=place)
        inputs = [a for a in arguments if isinstance(a, Traced)]
        named = [key for key, value in given.items() if isinstance(value, Traced)]
        if named:
            raise TraceError(
                f"nc.{kind} takes tensors by their position, not by name",
                found=f"{named[0]}=...",
                expected=f"nc.{kind}({', '.join([n for n, _ in rows[0].reads] + options)})",
                where=place,
            )
        values = list(arguments[len(inputs) :])
        if any(isinstance(value, Traced) for value in values) or len(values) > len(options):
            raise TraceError(
                f"nc.{kind} takes tensors first, then its options",
                found=", ".join(type(a).__name__ for a in arguments),
                expected=f"nc.{kind}({', '.join([n for n, _ in rows[0].reads] + options)})",
                where=place,
            )
        for option, value in zip(options, values, strict=False):
            if option in given:
                raise TraceError(f"nc.{kind}: '{option}' is given twice", where=place)
            given[option] = value
        given = {key: _plain(kind, key, value) for key, value in given.items()}
        if not inputs:
            return SharedLayer(rows, given, name, frozen, tied)
        builder = _check_inputs(kind, inputs)
        request = Request(given, {"": place}, name, frozen, tied)
        return Traced(builder, builder.apply(rows, [t.name for t in inputs], request))

    apply.__name__ = apply.__qualname__ = kind
    apply.__doc__ = f"{rows[0].help[:1].upper()}{rows[0].help[1:]}."
    return apply


def _tied(kind: str, tie: object) -> dict[str, str]:
    """What stands for a layer's weights: names (``code.W``, ``code.W.T``) or tensors, by the weights' own names."""
    pairs: Mapping[str, object] = {} if tie is None else tie if isinstance(tie, Mapping) else {"": None}
    named = {key: value.name if isinstance(value, Traced) else value for key, value in pairs.items()}
    tied = {key: value for key, value in named.items() if isinstance(value, str)}
    if len(tied) < len(named):
        raise TraceError(
            f"nc.{kind}: 'tie' names weights", found=f"{tie!r:.60}", expected='tie={"W": "code.W.T"}',
            where=user_place(),
        )  # fmt: skip
    return tied


def _plain(kind: str, key: str, value: object) -> object:
    """A Python or NumPy number, or a text."""
    number = plain_number(value)
    if number is None:
        raise TraceError(
            f"nc.{kind}: '{key}' cannot be {value!r:.60}", expected="a number, or a text", where=user_place()
        )
    return number


def param(
    name: str, shape: int | str | Sequence[int | str] = (), init: str | float | None = None, frozen: bool = False
) -> Traced:
    """A parameter: ``nc.param("w", (13,), "normal(0, 0.1)")``; one that is frozen is read and not learned."""
    place = user_place()
    builder = current_builder("nc.param")
    check_plain_name(name, place)
    named = shape if isinstance(shape, (list, tuple)) else [shape]
    axes = [plain_number(builder.sized(axis)) for axis in named]
    if not all(isinstance(axis, int) and not isinstance(axis, bool) and axis > 0 for axis in axes):
        raise TraceError(
            f"the shape of '{name}' is not one of whole numbers from 1", found=f"{shape!r:.60}", where=place
        )
    tensor = Tensor(name, tuple(extent(int(axis or 1)) for axis in axes), role=Role.PARAM, where=place)
    start = None
    if init is not None:
        number = plain_number(init)
        if number is None or isinstance(number, bool):
            raise TraceError(
                f"the start of '{name}' cannot be {init!r:.60}", expected="a number, or a text such as normal(0, 0.1)",
                where=place,
            )  # fmt: skip
        start = parse_initialiser(name, number if isinstance(number, str) else f"constant({number})", place)
    builder.declare(replace(with_initialiser(tensor, start), frozen=bool(frozen)))
    return Traced(builder, name)


def uniform(x: Traced) -> Handle:
    """A number drawn evenly from [0, 1) for each element of a tensor, others in every step."""
    _check_inputs("uniform", [x])
    names = letters(x, x.ndim)
    ranges = ", ".join(f"{i} in {extent}" for i, extent in zip(names, x.tensor.shape, strict=True))
    return write("uniform", names, f"uniform({', '.join(names)})" + (f" for {ranges}" if ranges else ""), [x])


def freeze(*names: str) -> None:
    """Let no gradient change some layers or parameters: ``nc.freeze("linear_1", "linear_2.W")``."""
    builder, place = current_builder("nc.freeze"), user_place()
    for name in names:
        builder.freeze(str(name), place)


def _follows(kind: str) -> Callable[[Traced, Traced], None]:
    key = "statistics" if kind == "statistic" else kind

    def follow(parameter: Traced, value: Traced) -> None:
        builder = _check_inputs(kind, (parameter, value))
        builder.follow(key, parameter.name, value.name, user_place())

    follow.__name__ = follow.__qualname__ = kind
    follow.__doc__ = f"Freeze a parameter that becomes a value: what {FOLLOWS[key]}."
    return follow


class Equations:
    """The results of ``nc.equations``, as attributes."""

    def __init__(self, results: dict[str, Traced]) -> None:
        self.__dict__.update(results)

    def __repr__(self) -> str:
        return f"<equations of {', '.join(self.__dict__)}>"

    def __getattr__(self, name: str) -> Traced:
        raise TraceError(
            f"the equations define no '{name}'", expected="one of " + ", ".join(self.__dict__), where=user_place()
        )


def equations(text: str, **tensors: Traced) -> Any:
    """Equations in index notation, one a line, over the tensors given by name and those of the model.

    Of one equation the answer is its result; of several, an object whose attributes are the results.
    """
    place = user_place()
    builder = current_builder("nc.equations")
    if not isinstance(text, str):
        raise TraceError("equations are a text", found=f"{text!r:.60}", where=place)
    if tensors:
        _check_inputs("equations", [Traced(builder, ""), *tensors.values()])
    for name in tensors:
        check_name(name, place)
    made = builder.write(
        written_lines(text, place), {name: tensor.name for name, tensor in tensors.items()}, numbered=True
    )
    if not made:
        raise TraceError("there is no equation in the text", found=f"{text!r:.60}", where=place)
    results = {written: Traced(builder, actual) for written, actual in made.items()}
    return next(iter(results.values())) if len(results) == 1 else Equations(results)


def _function(name: str) -> Callable[[Traced], Handle]:
    def function(x: Traced) -> Handle:
        return elementary(name, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}, elementwise."
    return function


def _reduction(name: str) -> Callable[..., Traced]:
    def reduction(x: Traced, axis: int | Sequence[int] | None = None) -> Traced:
        _check_inputs(name, [x])
        return reduce(name, x, axis)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"The {name} over some axes, or all."
    return reduction


def maximum(a: object, b: object) -> Handle:
    """The larger of two, elementwise."""
    return extremum("max", a, b)


def minimum(a: object, b: object) -> Handle:
    """The smaller of two, elementwise."""
    return extremum("min", a, b)


VOCABULARY: dict[str, Callable[..., Any]] = {
    **{name: _function(name) for name in ELEMENTARY if name not in NODES and name not in ("log1mexp", "exprel")},
    **{name: _reduction(name) for name in ("sum", "mean", "max", "min", "prod", "argmax", "argmin")},
    **{name: _node(name, rows) for name, rows in {**NODES, **MEASURES}.items()},
    "maximum": maximum,
    "minimum": minimum,
    "where": where,
    "param": param,
    "uniform": uniform,
    "freeze": freeze,
    "statistic": _follows("statistic"),
    "fitted": _follows("fitted"),
    "equations": equations,
}
"""Every function of the Python front-end by its name in ``nc``."""
