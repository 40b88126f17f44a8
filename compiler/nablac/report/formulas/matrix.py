"""formulas/matrix: an equation in matrix form, where it has one: ``dW = δᵀ x`` for ``dW[j,k] = sum[i](δ[i,j]*x[i,k])``.

No form has what needs three axes, computes with an index, or chooses between branches one of which may be undefined.
"""

from __future__ import annotations

from sympy import Mul

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.report.formulas.boxes import Box, Operator, row
from nablac.report.formulas.matrix_boxes import tree_box
from nablac.report.formulas.matrix_frame import Frame
from nablac.report.formulas.matrix_network import NoForm
from nablac.report.formulas.matrix_tree import Tree, leaves_of, replaced
from nablac.report.formulas.notation import Notation

LONGEST = 8
"""How many tensors a product may hold and still stand inside another formula."""


def matrix_form(equation: Equation, program: Program, notation: Notation) -> Box | None:
    """The equation between matrices, or None where it is none."""
    return _equation_box(equation, matrix_tree(equation, program), notation)


def composed_matrix_form(equation: Equation, program: Program, notation: Notation) -> Box | None:
    """The matrix form in which products that nothing else reads stand where they are read."""
    return _equation_box(equation, composed_tree(equation, program), notation)


def _equation_box(equation: Equation, tree: Tree | None, notation: Notation) -> Box | None:
    if tree is None:
        return None
    return row(notation.symbol(equation.target), Operator("="), tree_box(tree, notation))


def matrix_tree(equation: Equation, program: Program) -> Tree | None:
    """The right side as a tree of the target's shape, a vector as a column; None where there is none."""
    if len(equation.indices) > 2:
        return None
    try:
        return Frame(equation, program).whole()
    except NoForm:
        return None


def composed_tree(equation: Equation, program: Program) -> Tree | None:
    """The tree with those of single-use contractions in place of their targets."""
    tree = matrix_tree(equation, program)
    if tree is None:
        return None
    inner = {}
    for name in set(leaves_of(tree)):
        source = program.defined.get(name)
        if source is None or not _is_private_product(source, program):
            continue
        found = composed_tree(source, program)
        if found is not None and leaves_of(tree).count(name) == 1 and len(leaves_of(found)) <= LONGEST:
            inner[name] = found
    return replaced(tree, inner) if inner else tree


def _is_private_product(equation: Equation, program: Program) -> bool:
    """Whether an equation sums products of elements, and one equation alone reads it."""
    factors = [x for x in Mul.make_args(equation.body) if x.has(Access)]
    contracts = equation.reduction is not None and equation.reduction.kind == "sum" and len(factors) > 1
    readers = program.readers.get(equation.target, ())
    return contracts and len(readers) == 1 and equation.target not in program.results
