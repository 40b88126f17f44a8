"""emit/numpy_module: the forward equations as one NumPy function of the module, ``_forward_numpy``.

It gives every tensor by name: what ``predict`` needs first, and the rest where the loss's inputs are given too.  The
module predicts with it where Numba is missing, checks its gradients against it, and finds in it where a value first
was not finite.
"""

from __future__ import annotations

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
    part = numpy_function(ordered, [e.target for e in early]) if early else None
    body, arguments = _body(whole, part)
    margin = "        " if whole.quiet else "    "
    head = [f"def _forward_numpy({arguments}):", f"    {DOC}"]
    head += ['    with np.errstate(all="ignore"):  # as the kernels: no warnings'] if whole.quiet else []
    helpers = "".join(f"{helper}\n\n\n" for helper in whole.helpers)
    first = part.inputs if part else ()
    order = (*first, *(name for name in whole.inputs if name not in first))
    return order, helpers + "\n".join([*head, *(f"{margin}{line}" for line in body)])


def _body(whole: NumpyText, part: NumpyText | None) -> tuple[list[str], str]:
    """The lines, with a way out after those of ``part`` where the rest wants more inputs; and the arguments."""
    if part is None or part.arguments == whole.arguments:
        return [*whole.extents, *whole.statements, *_dict("return {", whole.values)], ", ".join(whole.arguments)
    count = len(part.statements)
    if whole.statements[:count] != part.statements or not set(part.arguments) <= set(whole.arguments):
        raise InternalError("numpy_module: the equations of the outputs do not come first")
    extra = [name for name in whole.arguments if name not in part.arguments]
    known = {line.split()[0] for line in part.extents}
    body = [*part.extents, *part.statements, *_dict("_early = {", part.values)]
    body += [f"if {extra[0]} is None:", "    return _early"]
    body += [line for line in whole.extents if line.split()[0] not in known]
    body += [*whole.statements[count:], *_dict("return _early | {", whole.values[len(part.values) :])]
    return body, ", ".join([*part.arguments, *(f"{name}=None" for name in extra)])


def _dict(start: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A dict over as many lines as it needs; a pair is never broken."""
    texts = [f'"{name}": {value}' for name, value in pairs]
    line = start + ", ".join(texts) + "}"
    if len(line) <= 104:
        return [line]
    whole = ", ".join(text.replace(" ", "\0") for text in texts) + ","
    inside = textwrap.wrap(whole, 100, break_long_words=False, break_on_hyphens=False)
    return [start, *(f"    {part}".replace("\0", " ") for part in inside), "}"]
