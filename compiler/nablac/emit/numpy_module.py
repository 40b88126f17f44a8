"""emit/numpy_module: the forward equations as one NumPy function of the module, ``_forward_numpy``.

It gives every tensor by name: what ``predict`` needs first, and the rest where the loss's inputs are given too.  The
module predicts with it where Numba is missing, checks its gradients against it, and finds in it where a value first
was not finite.
"""

from __future__ import annotations

from collections.abc import Sequence

from nablac.emit.numpy_printer import NumpyText, needed, numpy_function
from nablac.errors import InternalError
from nablac.ir.equation import Program
from nablac.ir.tensor import Role

TABLE = "t"
QUIETLY = 'with np.errstate(all="ignore"):'
DOC = '"""Every tensor by name, computed in NumPy; without the last arguments, those that the outputs need."""'


def numpy_module(program: Program, outputs: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The inputs in the order of the function's arguments, and its text after its helpers."""
    early = needed(program, outputs)
    first = {e.target for e in early}
    late = tuple(e for e in program.equations if e.target not in first)
    ordered = program.with_equations((*early, *late))
    whole = numpy_function(ordered, [e.target for e in ordered.equations], TABLE)
    part = numpy_function(ordered, [e.target for e in early], TABLE) if early else None
    body, arguments = _body(whole, part)
    head = [f"def _forward_numpy({arguments}):", f"    {DOC}", f"    {TABLE} = {{}}"]
    head += [f"    {QUIETLY}  # as the kernels: no warnings"]
    helpers = "".join(f"{helper}\n\n\n" for helper in whole.helpers)
    given = part.inputs if part else ()
    order = (*given, *(name for name in whole.inputs if name not in given))
    return order, helpers + "\n".join([*head, *(f"        {line}" for line in body), f"    return {TABLE}"])


def _body(whole: NumpyText, part: NumpyText | None) -> tuple[list[str], str]:
    """The lines, with a way out after those of ``part`` where the rest wants more inputs; and the arguments."""
    if part is None or part.arguments == whole.arguments:
        return [*whole.extents, *whole.statements], ", ".join(whole.arguments)
    count = len(part.statements)
    if whole.statements[:count] != part.statements or not set(part.arguments) <= set(whole.arguments):
        raise InternalError("numpy_module: the equations of the outputs do not come first")
    extra = [name for name in whole.arguments if name not in part.arguments]
    known = {line.split()[0] for line in part.extents}
    body = [*part.extents, *part.statements, f"if {extra[0]} is None:", f"    return {TABLE}"]
    body += [line for line in whole.extents if line.split()[0] not in known]
    return [*body, *whole.statements[count:]], ", ".join([*part.arguments, *(f"{name}=None" for name in extra)])


def numpy_table(
    name: str, program: Program, doc: str, comments: Sequence[str] = ()
) -> tuple[tuple[str, ...], str]:
    """``_NAME_numpy``, which gives every tensor of a program by name: the inputs that it takes, and its text.

    ``comments`` stand above its statements.
    """
    whole = numpy_function(program, [e.target for e in program.equations], TABLE)
    head = [f"def _{name}_numpy({', '.join(whole.arguments)}):", f'    """{doc}"""', f"    {TABLE} = {{}}"]
    head += [f"    {QUIETLY}"]
    lines = [f"        {line}" for line in (*comments, *whole.extents, *whole.statements)]
    counters = {t.name for t in program.having(Role.COUNTER)}
    inputs = tuple(name for name in whole.inputs if name not in counters)
    return inputs, "\n\n\n".join([*whole.helpers, "\n".join([*head, *lines, f"    return {TABLE}"])])
