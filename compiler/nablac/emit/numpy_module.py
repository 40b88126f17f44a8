"""emit/numpy_module: the forward equations as one NumPy function of the module, ``_forward_numpy``.

It gives every tensor by name: what ``predict`` needs first, and the rest where the loss's inputs are given too.  The
module predicts with it where Numba is missing, checks its gradients against it, and finds in it where a value first
was not finite.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence

from nablac.emit.numpy_printer import NumpyText, needed, numpy_function
from nablac.errors import InternalError
from nablac.ir.equation import Program

DOC = '"""Every tensor by name, computed in NumPy; without the last arguments, those that the outputs need."""'


def numpy_module(program: Program, outputs: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The inputs in the order of the function's arguments, and its text after its helpers."""
    early = needed(program, outputs)
    late = tuple(e for e in program.equations if e not in early)
    ordered = program.with_equations((*early, *late))
    whole = numpy_function(ordered, [e.target for e in ordered.equations])
    part = numpy_function(ordered, [e.target for e in early]) if early else NumpyText((), ("p",), (), ("return {}",))
    extents, first, values = _pieces(part)
    more_extents, rest, all_values = _pieces(whole)
    extra = [name for name in whole.arguments if name not in part.arguments]
    more_extents = [line for line in more_extents if line.split()[0] not in {known.split()[0] for known in extents}]
    if rest[: len(first)] != first or not set(part.arguments) <= set(whole.arguments):
        raise InternalError("numpy_module: the equations of the outputs do not come first")
    body = [*extents, *first]
    if extra:
        later = [pair for pair in all_values if pair not in values]
        body += [*_dict("values = {", values), f"if {extra[0]} is None:", "    return values"]
        body += [*more_extents, *rest[len(first) :], *_dict("return values | {", later)]
    else:
        body += [*more_extents, *rest[len(first) :], *_dict("return {", all_values)]
    guard = [line for line in whole.body if line.startswith("with ")]
    margin = "        " if guard else "    "
    arguments = ", ".join([*part.arguments, *(f"{name}=None" for name in extra)])
    lines = [f"def _forward_numpy({arguments}):", f"    {DOC}", *(f"    {line}" for line in guard)]
    helpers = "".join(f"{helper}\n\n\n" for helper in whole.helpers)
    names = dict(zip(whole.arguments[1:], whole.inputs, strict=True))
    order = tuple(names[name] for name in (*part.arguments[1:], *extra))
    return order, helpers + "\n".join([*lines, *(f"{margin}{line}" for line in body)])


def _pieces(text: NumpyText) -> tuple[list[str], list[str], list[str]]:
    """A function's extents, its statements, and the pairs of the dict that it returns."""
    end = next(place for place, line in enumerate(text.body) if line.startswith("return {"))
    guarded = any(line.startswith("with ") for line in text.body)
    extents = [line for line in text.body if re.fullmatch(r"\w+ = \S+\.shape\[\d+\]", line)]
    lines = [line.removeprefix("    ") if guarded else line for line in text.body[len(extents) : end]]
    lines = [line for line in lines if not line.startswith("with ")]
    answer = ast.parse(" ".join(text.body[end:]).removeprefix("return "), mode="eval").body
    if not isinstance(answer, ast.Dict):
        raise InternalError("numpy_module: the function does not return a dict")
    pairs = zip(answer.keys, answer.values, strict=True)
    return extents, lines, [f'"{ast.literal_eval(k)}": {ast.unparse(v)}' for k, v in pairs if k is not None]


def _dict(start: str, pairs: Sequence[str]) -> list[str]:
    """A dict over as many lines as it needs; a pair is never broken."""
    line = start + ", ".join(pairs) + "}"
    if len(line) <= 104:
        return [line]
    whole = [pair.replace(" ", "\0") for pair in pairs]
    inside = textwrap.wrap(", ".join(whole) + ",", 100, break_long_words=False, break_on_hyphens=False)
    return [start, *(f"    {part}".replace("\0", " ") for part in inside), "}"]
