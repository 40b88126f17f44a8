"""ir/parse: equation text -> equations; what specs, Python strings, the library and printed programs are read by.

    h[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]

becomes two equations, ``h.sum[i,j] = sum[k](...)`` and ``h[i,j] = h.sum[i,j] + b[j]``, since an equation holds at most
one reduction.  The order of the lines is free: the answer has each equation after what it reads.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Expr

from nablac.errors import NablacError, NameError_, ParseError, Place
from nablac.ir.declare import check_plain_name, parse_declaration
from nablac.ir.elaborate import elaborate
from nablac.ir.equation import Equation, Program
from nablac.ir.random import counters
from nablac.ir.scope import BUILT_IN, Names
from nablac.ir.syntax import EquationText, FunctionText, dotted, read_expression, read_statement
from nablac.ir.tensor import Role, Tensor
from nablac.ir.tokens import Line

MAX_EQUATIONS = 2000

NOWHERE = Place("<text>")


@dataclass(frozen=True)
class ParsedEquations:
    """Equations in an order in which they can be computed, the tensors they define, and the functions among them.

    ``written`` says of tensors where they are named, which is more than what is read: ``x - x`` reads nothing.
    """

    equations: tuple[Equation, ...]
    tensors: tuple[Tensor, ...]
    functions: Mapping[str, FunctionText]
    written: Mapping[str, Place]


def parse_equations(
    lines: Iterable[Line | str],
    declared: Mapping[str, Tensor],
    functions: Mapping[str, FunctionText] | None = None,
    *,
    constants: Mapping[str, Expr] | None = None,
    rename: Callable[[str], str] = str,
    taken: Iterable[str] = (),
    layer: str | None = None,
    sealed: bool = False,
) -> ParsedEquations:
    """Read equations and functions, one a line.

    ``declared`` maps the names in the text to tensors (whose own names may differ: the library's formal ``x`` is some
    layer's output); ``constants`` maps names to exact numbers; ``rename`` renames what the text defines; ``taken`` are
    names used elsewhere in the program, which an equation made for an inner reduction must not get; a ``sealed`` text
    does not see the names of extents.

    >>> from nablac.ir.index import extent
    >>> x = Tensor("x", (extent("n"), extent(3)))
    >>> [str(t) for t in parse_equations(["m[i] = mean[k](x[i,k])"], {"x": x}).tensors]
    ['m[n]']
    """
    statements = [read_statement(_line(line)) for line in _bounded(lines)]
    own = {**(functions or {}), **_functions(s for s in statements if isinstance(s, FunctionText))}
    texts = [s for s in statements if isinstance(s, EquationText)]
    names = Names(dict(declared), constants or {}, own, rename, frozenset(taken), layer, sealed)
    _check_targets(texts, names)
    return _elaborate_all(_ordered(texts, own), names)


def parse_expression(
    line: Line | str,
    target: str,
    declared: Mapping[str, Tensor],
    functions: Mapping[str, FunctionText] | None = None,
    *,
    constants: Mapping[str, Expr] | None = None,
    taken: Iterable[str] = (),
    layer: str | None = None,
) -> ParsedEquations:
    """Read a bare expression, such as ``mean[i](L[i])``, as the equation of the scalar ``target``."""
    text = read_expression(_line(line), target)
    names = Names(dict(declared), constants or {}, functions or {}, taken=frozenset(taken), layer=layer)
    _check_targets([text], names)
    return _elaborate_all([text], names)


def parse_program(
    declared: Mapping[str, str], lines: Iterable[Line | str], results: Sequence[str], dtype: str = "float64"
) -> Program:
    """A whole program from text; what is declared is given with every call (its role is input).

    >>> program = parse_program({"x": "real[n, 3]"}, ["m[i] = mean[k](x[i,k])"], ["m"])
    >>> [equation.target for equation in program.equations]
    ['m']
    """
    given = tuple(parse_declaration(name, text, Role.INPUT) for name, text in declared.items())
    parsed = parse_equations(lines, {t.name: t for t in given})
    tensors = given + counters(parsed.equations) + parsed.tensors
    return Program("program", tensors, parsed.equations, tuple(results), dtype)


def parse_functions(lines: Iterable[Line | str]) -> dict[str, FunctionText]:
    """Read one-line functions, such as ``swish(z) = z*sigmoid(z)``."""
    statements = [read_statement(_line(line)) for line in _bounded(lines)]
    for statement in statements:
        if isinstance(statement, EquationText):
            raise ParseError(
                f"'{statement.target}' is an equation, not a function",
                expected="f(z) = ...",
                where=statement.line.where,
                remedy="write it under 'equations'",
            )
    return _functions(s for s in statements if isinstance(s, FunctionText))


def _line(line: Line | str) -> Line:
    return Line(line, NOWHERE) if isinstance(line, str) else line


def _bounded(lines: Iterable[Line | str]) -> list[Line | str]:
    found = list(lines)
    if len(found) > MAX_EQUATIONS:
        where = _line(found[MAX_EQUATIONS]).where
        raise ParseError("too many equations", found=str(len(found)), expected=f"at most {MAX_EQUATIONS}", where=where)
    return found


def _functions(texts: Iterable[FunctionText]) -> dict[str, FunctionText]:
    found: dict[str, FunctionText] = {}
    for text in texts:
        if text.name in found or text.name in BUILT_IN:
            raise NameError_(
                f"function '{text.name}' is defined already",
                found=f"also at {found[text.name].line.where}" if text.name in found else "a function of the language",
                where=text.line.where,
                remedy="give it another name",
            )
        for name in (text.name, *text.parameters):
            check_plain_name(name, text.line.where)
        found[text.name] = text
    return found


def _check_targets(texts: Sequence[EquationText], names: Names) -> None:
    seen: dict[str, Place] = {t.name: t.where or NOWHERE for t in names.tensors.values()}
    for text in texts:
        name = names.rename(text.target)
        what = None
        if text.target in BUILT_IN:
            what = "a name of the language"
        elif text.target in names.functions:
            what = f"a function, defined at {names.functions[text.target].line.where}"
        elif text.target in names.extents():
            what = "the extent of an axis"
        if what is not None:
            raise NameError_(
                f"'{text.target}' cannot be defined: it is {what}",
                where=text.line.where,
                remedy="give it another name",
            )
        if name in seen or name in names.taken or text.target in names.constants:
            raise NameError_(
                f"'{name}' is defined twice",
                found=f"also at {seen[name]}" if name in seen and seen[name] is not NOWHERE else None,
                where=text.line.where,
                remedy="every name is given one meaning: name the new value otherwise",
            )
        seen[name] = text.line.where


def _ordered(texts: Sequence[EquationText], functions: Mapping[str, FunctionText]) -> list[EquationText]:
    """The equations, each after what it reads, otherwise as they were written."""
    by_target = {text.target: text for text in texts}
    reads = {text.target: [n for n in names_in(text.body, functions) if n in by_target] for text in texts}
    done: dict[str, EquationText] = {}
    for text in texts:
        waiting = [text.target]
        while waiting:
            target = waiting[-1]
            missing = [name for name in reads[target] if name not in done]
            if target in done or not missing:
                done[target] = by_target[target]
                waiting.pop()
            elif missing[0] in waiting:
                circle = [*waiting[waiting.index(missing[0]) :], missing[0]]
                raise ParseError(
                    f"equation '{missing[0]}' reads itself",
                    found=" <- ".join(circle) if len(circle) > 2 else None,
                    where=by_target[missing[0]].line.where,
                    remedy="an equation defines its target once, from others",
                )
            else:
                waiting.append(missing[0])
    return list(done.values())


def names_in(body: ast.expr, functions: Mapping[str, FunctionText]) -> list[str]:
    """The names an expression holds, those in the functions it calls too but not their parameters, in a fixed order."""
    found: dict[str, None] = {}
    waiting: list[tuple[ast.AST, tuple[str, ...]]] = [(body, ())]
    seen = set()
    while waiting:
        node, parameters = waiting.pop()
        name = dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
        if name is None:
            waiting += ((child, parameters) for child in ast.iter_child_nodes(node))
            continue
        if name in parameters:
            continue
        found[name] = None  # a dotted name is one name: linear_1.W does not read linear_1
        if name in functions and name not in seen:
            seen.add(name)
            waiting.append((functions[name].body, functions[name].parameters))
    return list(found)


def _elaborate_all(texts: Iterable[EquationText], names: Names) -> ParsedEquations:
    names = replace(names, named=names.all_extents())
    equations: list[Equation] = []
    tensors: list[Tensor] = []
    written: dict[str, Place] = {}
    known = dict(names.tensors)
    taken = set(names.taken)
    for text in texts:
        try:
            made = elaborate(text, replace(names, tensors=known, taken=frozenset(taken)))
        except NablacError as error:
            raise error.at(text.line.where) from None
        for equation, tensor in made:
            equations.append(equation)
            tensors.append(tensor)
            taken.add(tensor.name)
        for name in names_in(text.body, names.functions):
            if name in names.tensors:
                written.setdefault(names.tensors[name].name, text.line.where)
        known[text.target] = made[-1][1]
    return ParsedEquations(tuple(equations), tuple(tensors), names.functions, written)
