"""passes/share: what is computed already is read, not computed again.

Requires: bodies at rest under the laws.
Ensures: no two equations have the same meaning; no body holds another equation's body as a part; a transcendental
function that two equations compute has an equation of its own.

    >>> from nablac.ir.parse import parse_program
    >>> from nablac.ir.text import print_equations
    >>> lines = ["p[i] = e[i]/s[i]", "d[i] = 2*e[i]/s[i] - q[i]"]
    >>> p = parse_program({"e": "real[n]", "s": "real[n]", "q": "real[n]"}, lines, ["p", "d"])
    >>> print(print_equations(share(p)))
    p[i] = e[i]/s[i]
    d[i] = 2*p[i] - q[i]

Leaves to the scheduler: common subterms inside one loop body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sympy import Basic, Expr, Function, Pow, S, Symbol, default_sort_key, exp, preorder_traversal

from nablac.algebra.cost import TRANSCENDENTAL, weight
from nablac.algebra.laws import TIDY
from nablac.algebra.match import Bindings, match
from nablac.algebra.rename import fresh, index_symbols, normal_form
from nablac.algebra.rewrite import rewrite
from nablac.ir.equation import Equation, Origin, Program
from nablac.ir.functions import Access, IntAccess
from nablac.ir.tensor import Tensor

LAW = "shared"
MOST_READINGS = 4
"""A definition is read at so many places of one body."""


def share(program: Program) -> Program:
    """The program with equal equations merged and known values read."""
    return _read_known(_merge_equal(_name_costly(_read_known(_merge_equal(program)))))


def _merge_equal(program: Program) -> Program:
    """Equations of one meaning become the first of them, in whose place a result stands if one is among them."""
    first: dict[object, int] = {}
    same: dict[str, str] = {}
    equations: list[Equation] = []
    for equation in program.equations:
        equation = _reading(equation, same)
        place = first.setdefault(normal_form(equation), len(equations))
        if place == len(equations):
            equations.append(equation)
        elif equation.target not in program.results:
            same[equation.target] = equations[place].target
        elif equations[place].target not in program.results:
            same[equations[place].target] = equation.target
            equations[place:] = [equation, *(_reading(e, same) for e in equations[place + 1 :])]
        else:
            equations.append(equation)
    if not same:
        return program
    return program.with_equations(equations, (t for t in program.tensors if t.name not in same))


def _reading(equation: Equation, same: dict[str, str]) -> Equation:
    renamed = {a: a.func(same[a.tensor], *a.indices) for a in equation.reads if a.tensor in same}
    if not renamed:
        return equation
    # an access may hold a renamed one among its indices, so that one round may not do
    while True:
        body = equation.body.xreplace(renamed)
        equation = replace(equation, body=body)
        renamed = {a: a.func(same[a.tensor], *a.indices) for a in equation.reads if a.tensor in same}
        if not renamed:
            return equation


def _read_known(program: Program) -> Program:
    """Parts of a body that an earlier equation defines are read from it."""
    known: dict[str, list[Equation]] = {}  # by one tensor that the definition reads, so that few are tried
    equations = []
    for equation in program.equations:
        for definition in [d for name in equation.sources for d in known.get(name, ())]:
            for _ in range(MOST_READINGS):
                before = equation
                if set(definition.sources) <= set(equation.sources):
                    equation = _reading_from(equation, definition, program)
                if equation is before:
                    break
        if equation.reduction is None and equation.indices and equation.sources and weight(equation.body) > 0:
            known.setdefault(min(equation.sources), []).append(equation)
        equations.append(equation)
    return program.with_equations(equations)


def _reading_from(equation: Equation, definition: Equation, program: Program) -> Equation:
    for node in list(preorder_traversal(equation.body)):
        for put in _readings(node, equation, definition, program):
            body, laws = rewrite(equation.body.xreplace({node: put}), TIDY)
            if weight(body) <= weight(equation.body):
                return equation.with_body(body, LAW, *laws)
    return equation


def _readings(node: Basic, equation: Equation, definition: Equation, program: Program) -> Iterator[Expr]:
    """A node of the equation's body with the definition's body, or another power of its base, read in it."""
    if type(node) is not type(definition.body):
        return
    pattern, ratio = definition.body, S.One
    if isinstance(node, Pow) and pattern.exp.is_Rational and node.exp.is_Rational and node.exp != pattern.exp:
        ratio = node.exp / pattern.exp
        if not ratio.is_Integer:
            return
        node, pattern = node.base, pattern.base
    for bindings, rest in match(pattern, node, frozenset(definition.indices)):
        if _fits(bindings, equation, definition, program) and (rest is None or ratio == 1):
            element = Access(definition.target, *(bindings[i] for i in definition.indices)) ** ratio
            yield element if rest is None else node.func(element, rest)


def _fits(bindings: Bindings, equation: Equation, definition: Equation, program: Program) -> bool:
    """Every index of the definition is bound to a place in its range."""
    return all(i in bindings and _is_inside(bindings[i], i, equation, definition, program) for i in definition.indices)


def _is_inside(place: Expr, index: Symbol, equation: Equation, definition: Equation, program: Program) -> bool:
    """A plain index runs over the same range; a sum such as j - 3 stands already in an axis as long as the range."""
    if isinstance(place, Symbol):
        return equation.ranges.get(place) == definition.ranges[index]
    return isinstance(place, IntAccess) or any(
        at == index and extent == definition.ranges[index]
        for access in definition.reads
        for at, extent in zip(access.indices, program.declared[access.tensor].shape, strict=True)
    )


def _name_costly(program: Program) -> Program:
    """Transcendental subterms that several equations compute get an equation before the first of them."""
    users: dict[object, list[str]] = {}
    for equation in program.equations:
        for part in _costly(equation):
            users.setdefault(normal_form(part), []).append(equation.target)
    named: set[object] = set()
    taken = set(program.declared)
    equations, tensors = [], list(program.tensors)
    for equation in program.equations:
        for part in _costly(equation):
            key = normal_form(part)
            if part.body == equation.body and equation.reduction is None:
                named.add(key)  # the equation itself is that value
            elif len(set(users[key])) > 1 and key not in named:
                named.add(key)
                name = fresh(f"{equation.target.removesuffix('.scaled')}.{_word(part.body)}", taken)
                taken.add(name)
                equations.append(replace(part, target=name))
                tensors.append(Tensor(name, part.shape))
        equations.append(equation)
    return program.with_equations(equations, tensors) if len(equations) > len(program.equations) else program


def _costly(equation: Equation) -> list[Equation]:
    """The transcendental subterms of a body that depend on an index, each as an equation over the indices it needs."""
    found = []
    nodes = {n for n in preorder_traversal(equation.body) if isinstance(n, Function | exp)}
    for node in sorted(nodes, key=default_sort_key):
        used = index_symbols(node)
        if weight(node) < TRANSCENDENTAL or not used or not used <= set(equation.ranges) or not node.has(Access):
            continue
        indices = tuple(i for i in (*equation.indices, *equation.bound) if i in used)
        ranges = tuple((i, equation.ranges[i]) for i in indices)
        origin = Origin(equation.origin.where, equation.origin.layer, "shared", equation.target)
        found.append(Equation("", indices, node, ranges, None, origin))
    return found


def _word(body: Expr) -> str:
    return type(body).__name__ if isinstance(body, Function) else "part"
