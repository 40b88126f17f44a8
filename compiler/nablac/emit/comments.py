"""emit/comments: what the generated functions say of the equations they compute: number, text, rule, laws, cost.

An equation is told in full where the module first computes it, and by its number from then on; of products that
differ in names alone the first is told in full.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from nablac.algebra.cost import equation_operations
from nablac.emit.kernels import Kernel
from nablac.ir.equation import Equation
from nablac.ir.text import print_equation, print_expression
from nablac.plan.loops import Schedule

WIDTH = 118


class Commentary:
    """Remembers which equations have been told."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._told: set[int] = set()
        self._patterns: dict[str, int] = {}

    def number(self, equation: Equation) -> int:
        """The equation's number."""
        return self._numbers[print_equation(equation)]

    def remark(self, equations: Iterable[Equation]) -> str:
        """``(7)-(8) relu_1``: the numbers of what a line computes, and the layers it comes from."""
        found = list(equations)
        layers = dict.fromkeys(e.origin.layer for e in found if e.origin.layer)
        return " ".join([runs(sorted({self.number(e) for e in found})), ", ".join(layers)]).rstrip()

    def is_told(self, equation: Equation) -> bool:
        """Whether the equation stands in full above."""
        return self.number(equation) in self._told

    def like(self, equation: Equation) -> str:
        """``(5) linear_2, as (1); 2*n ops`` where an equation differs from one told before in names alone, else ""."""
        told = self._patterns.setdefault(_pattern(equation), self.number(equation))
        if told == self.number(equation):
            return ""
        self._told.add(self.number(equation))
        return f"{self.remark([equation])}, as ({told}); {_cost(equation)}"

    def lines(self, equations: Iterable[Equation], margin: int = 4) -> list[str]:
        """The equations in full where they are new, the others by number; so far in will they stand."""
        lines: list[str] = []
        known = [e for e in equations if self.is_told(e)]
        if known:
            lines.append(f"{runs(sorted(self.number(e) for e in known))} as above")
        for equation in equations:
            if not self.is_told(equation):
                lines += self._full(equation, WIDTH - margin)
        return lines

    def _full(self, equation: Equation, width: int) -> list[str]:
        self._told.add(self.number(equation))
        origin = equation.origin
        rule = origin.rule if origin.of is None else f"{origin.rule} of {origin.of}"
        facts = [*([] if rule == "forward" else [rule]), *origin.distinct_laws, _cost(equation)]
        head, tail = f"({self.number(equation)}) {print_equation(equation)}", "; ".join(facts)
        if len(head) + len(tail) + 3 <= width:
            return [f"{head}   {tail}"]
        wrapped = textwrap.wrap(head, WIDTH - 6, subsequent_indent="        ", break_long_words=False)
        return [*wrapped, *textwrap.wrap(tail, WIDTH - 6, initial_indent="    ", subsequent_indent="    ")]

    def above(self, kernel: Kernel) -> str:
        """The comment above a kernel: what its first nest computes, and which other nests it serves."""
        first = kernel.sites[0].nest.equations
        lines = self.lines(first, margin=0)
        others = dict.fromkeys(self.remark(s.nest.equations) for s in kernel.sites[1:])
        others.pop(self.remark(first), None)
        self._told |= {self.number(e) for s in kernel.sites for e in s.nest.equations}
        if others:
            also = f"also {'; '.join(others)}"
            if len(lines) == 1 and len(lines[0]) + len(also) + 2 <= WIDTH:
                lines = [f"{lines[0]}; {also}"]
            else:
                lines += textwrap.wrap(also, WIDTH - 6, subsequent_indent="    ")
        return "\n".join(f"# {line}" for line in lines)


def _cost(equation: Equation) -> str:
    return f"{print_expression(equation_operations(equation))} ops"


def _pattern(equation: Equation) -> str:
    """The equation's text with its tensors called by the order in which they come."""
    text, names = print_equation(equation), sorted({equation.target, *equation.sources}, key=len, reverse=True)
    found = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, names))})(?![\w.])")
    order = list(dict.fromkeys(found.findall(text)))
    return found.sub(lambda match: f"t{order.index(match[0])}", text)


def runs(numbers: Sequence[int]) -> str:
    """``(1) (4)-(6)``."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return " ".join(f"({run[0]})" if len(run) == 1 else f"({run[0]})-({run[-1]})" for run in runs)


def numbered(schedules: Iterable[Schedule]) -> dict[str, int]:
    """A number for each equation's text, in the order in which schedules compute them."""
    numbers: dict[str, int] = {}
    for schedule in schedules:
        for nest in schedule.nests:
            for equation in nest.equations:
                numbers.setdefault(print_equation(equation), len(numbers) + 1)
    return numbers
