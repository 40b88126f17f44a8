"""ir/closed: whether a text that nothing has used yet could be read: the names, calls and nodes in it, without shapes.

A function is read where it is called; one that nobody calls, or a layer that stands nowhere, would hide its mistakes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from nablac.errors import NameError_, ParseError
from nablac.ir.calls import ARGUMENTS, reducer
from nablac.ir.functions import ELEMENTARY
from nablac.ir.scalar import CONSTANTS, NODES
from nablac.ir.scope import Names, counted, suggestion
from nablac.ir.syntax import EquationText, dotted, index_names, index_nodes, is_ellipsis
from nablac.ir.tokens import Line


def check_functions(names: Names) -> None:
    """Refuse a function of ``names`` that holds something unknown, or that calls itself."""
    calls: dict[str, list[str]] = {}
    for function in names.functions.values():
        _Check(function.line, names, function.parameters).node(function.body, ())
        nodes = [node for node in ast.walk(function.body) if isinstance(node, ast.Call)]
        calls[function.name] = [name for node in nodes if (name := dotted(node.func)) in names.functions and name]
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        circle = [str(name) for name in reversed(error.args[1])]
        raise ParseError(
            f"function '{circle[0]}' calls itself",
            found=" -> ".join(circle) if len(circle) > 2 else None,
            where=names.functions[circle[0]].line.where,
        ) from None


def check_equation(text: EquationText, names: Names) -> None:
    """Refuse an equation that holds something unknown."""
    bound = (*(i for i in text.indices if i), *(r.index for r in text.ranges))
    _Check(text.line, names, ()).node(text.body, bound)


class _Check:
    """The walk over one text."""

    def __init__(self, line: Line, names: Names, parameters: Iterable[str]) -> None:
        self.line, self.names = line, names
        self.known = {*parameters, *names.constants, *names.tensors, *names.extents(), *CONSTANTS}

    def node(self, node: ast.AST, bound: tuple[str, ...]) -> None:
        """Check a node and what is in it; ``bound`` are the indices in force."""
        where = self.line.place(getattr(node, "col_offset", 0))
        if isinstance(node, ast.expr) and type(node) not in NODES and not is_ellipsis(node):
            raise ParseError("this is not part of the language", found=ast.unparse(node)[:80], where=where)
        name = dotted(node) if isinstance(node, (ast.Name, ast.Attribute)) else None
        if name is not None:
            if name not in self.known and name not in bound:
                raise NameError_(f"'{name}' is not known here", where=where, remedy=suggestion(name, [*self.known]))
        elif isinstance(node, ast.Call) and reducer(node) is not None:
            assert isinstance(node.func, ast.Subscript)
            own = index_names(self.line, index_nodes(node.func), "a reduction's indices")
            self._all(node.args, (*bound, *(i for i in own if i)))
        elif isinstance(node, ast.Call):
            self._call(node)
            self._all(node.args, bound)
        elif isinstance(node, ast.Subscript):
            tensor = dotted(node.value)
            if tensor not in self.names.tensors:
                known = [n for n, t in self.names.tensors.items() if t.shape]
                remedy = suggestion(str(tensor), known)
                raise NameError_(f"no tensor '{tensor}' is known here", where=where, remedy=remedy)
            self._all(index_nodes(node), bound)
        else:
            self._all(ast.iter_child_nodes(node), bound)

    def _all(self, nodes: Iterable[ast.AST], bound: tuple[str, ...]) -> None:
        for node in nodes:
            self.node(node, bound)

    def _call(self, node: ast.Call) -> None:
        name, where = dotted(node.func), self.line.place(node.col_offset)
        own = self.names.functions.get(name or "")
        if own is not None:
            counts: tuple[int, ...] = (len(own.parameters),)
        elif name in ARGUMENTS or name in ELEMENTARY:
            counts = ARGUMENTS.get(str(name), (1,))
        else:
            known = [*self.names.functions, *ELEMENTARY, *ARGUMENTS]
            raise NameError_(f"there is no function '{name}'", where=where, remedy=suggestion(str(name), known))
        if counts and len(node.args) not in counts:
            raise ParseError(
                f"'{name}' takes {counted(counts[0], 'argument')}",
                found=f"{ast.unparse(node)[:80]}, with {len(node.args)}",
                where=where,
            )
