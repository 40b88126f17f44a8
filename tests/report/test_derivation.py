"""Derivations: every step means what the adjoint means, the last one is the numbered equation, and laws have names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nablac.algebra.derivative import plain_derivative
from nablac.algebra.laws import ALL
from nablac.algebra.rewrite import rewrite, rewrite_steps
from nablac.frontend.load import load_model
from nablac.ir.equation import Equation, Program
from nablac.ir.interpret import interpret
from nablac.ir.tensor import Role
from nablac.ir.text import print_equation
from nablac.pipeline import AFTER, BEFORE, Compiled, compile_model
from nablac.report.content import Gradient, Step
from nablac.report.derivation import Stages
from nablac.report.laws import PASSES
from nablac.report.reading import with_softmax
from tests.programs import KNOWN, known_program
from tests.report.sources import EXAMPLES, given, notation_of
from tests.report.sources import example as compiled_example


@cache
def compiled(name: str) -> Compiled:
    """A known program as a model of float64."""
    model = load_model(EXAMPLES[0])
    return compile_model(replace(model, program=known_program(name), loss="loss", outputs=("loss",), metrics=()))


@cache
def gradients(name: str) -> tuple[Gradient, ...]:
    one = compiled(name)
    stages = Stages(one, notation_of(one))
    return tuple(stages.gradient(wrt) for wrt in one.gradients)


def everything(one: Compiled) -> tuple[Program, dict[str, np.ndarray]]:
    """Each tensor of any program on the way, with its value at a random point."""
    start = one.records["gradient"][0].program
    values = given(start, 5)
    found: dict[str, np.ndarray] = {}
    tensors = {}
    for program in one.every_program:
        if program.name != start.name or any(t.name not in values for t in program.having(Role.INPUT)):
            continue
        kept = tuple(e.target for e in program.equations)
        found = interpret(replace(program, results=kept), values) | found
        tensors |= {t.name: replace(t, role=Role.INPUT) for t in program.tensors}
    return Program("all", tuple(tensors.values()), (), (), "float64"), values | found


def value(equation: Equation, around: Program, values: dict[str, np.ndarray]) -> np.ndarray:
    """What an equation says, given the values of all else."""
    tensor = replace(around.declared[equation.target], role=Role.RESULT)
    tensors = (*(t for t in around.tensors if t.name != equation.target), tensor)
    program = Program("one", tensors, (equation,), (equation.target,), "float64")
    given_ = {n: v for n, v in values.items() if n != equation.target and n in program.declared}
    return interpret(program, given_)[equation.target]


def last_of_each_term(steps: tuple[Step, ...], adjoint: str) -> Iterator[list[Equation]]:
    """The equations of the adjoint that one term went through, term by term; what follows their sum comes last."""
    found: list[Equation] = []
    for step in steps:
        if step.title.startswith("the equation of") or step.title.startswith("sum of the"):
            if found:
                yield found
            found = []
        if step.equation is not None and step.equation.target == adjoint and step.title != "read as":
            found.append(step.equation)
    yield found


@pytest.mark.parametrize("name", KNOWN)
def test_every_step_means_the_adjoint(name: str) -> None:
    around, values = everything(compiled(name))
    for one in gradients(name):
        for stage in one.stages:
            *terms, last = last_of_each_term(stage.steps, stage.adjoint)
            if not terms:
                terms, last = [last], []
            total = np.zeros_like(values[stage.adjoint])
            for equations in terms:
                ways = [value(e, around, values) for e in equations]
                for way in ways:
                    np.testing.assert_allclose(way, ways[0], rtol=1e-12, atol=1e-12, err_msg=stage.adjoint)
                total = total + ways[0]
            np.testing.assert_allclose(total, values[stage.adjoint], rtol=1e-12, atol=1e-12, err_msg=stage.adjoint)
            for equation in last:
                np.testing.assert_allclose(value(equation, around, values), total, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", KNOWN)
def test_a_derivation_ends_in_the_numbered_equations(name: str) -> None:
    one = compiled(name)
    for told in gradients(name):
        for stage in told.stages:
            final = [e for e in one.programs["gradient"].equations if e.target == stage.adjoint]
            shown = [s.text for s in stage.steps if s.title != "read as"]
            assert [one.number(e) for e in final] == list(stage.numbers)
            assert all(print_equation(e) == shown[-1] for e in final)
        last = told.stages[-1]
        assert last.adjoint == told.adjoint and last.numbers[-1] == told.numbers[-1]


@pytest.mark.parametrize("name", KNOWN)
def test_no_step_reads_what_is_defined_nowhere(name: str) -> None:
    one = compiled(name)
    final = one.programs["gradient"]
    defined = {t.name for t in final.tensors} | set(one.terms)
    defined |= {name for name in one.records["gradient"][0].program.defined if "." not in name}
    for told in gradients(name):
        for stage in told.stages:
            for step, after in zip(stage.steps, [*stage.steps[1:], None], strict=True):
                if step.equation is None:
                    continue
                defined.add(step.equation.target)
                unknown = set(step.equation.sources) - defined
                assert not unknown or (after is not None and after.title == "where"), (stage.adjoint, step.text)


@pytest.mark.parametrize("name", KNOWN)
def test_nor_does_one_of_the_forward_pass(name: str) -> None:
    one = compiled(name)
    final, stages = one.programs["gradient"], Stages(one, notation_of(one))
    defined = {t.name for t in final.tensors}
    defined |= {name for name in one.records["gradient"][0].program.defined if "." not in name}
    for steps in (stages.forward(e) for e in final.equations if not e.is_derived):
        for k, step in enumerate(steps):
            if step.equation is not None and step.title != "read as":
                defined.add(step.equation.target)
                unknown = set(step.equation.sources) - defined
                assert not unknown or [after.title for after in steps[k + 1 : k + 2]] == ["where"], step.text


def test_what_vanishes_is_shown() -> None:
    """The adjoint of a mean has a term of the variance that is a sum of deviations."""
    stages = {stage.adjoint: stage for told in gradients("layer normalisation") for stage in told.stages}
    shown = [(step.title, step.text) for stage in stages.values() for step in stage.steps]
    vanished = [text for title, text in shown if title == "known sum" and text.endswith("] = 0")]
    assert vanished
    name = vanished[0].partition("[")[0]
    assert [text for title, text in shown if title == "where" and text.startswith(f"{name}[")]


@pytest.mark.parametrize("name", KNOWN)
def test_laws_one_by_one_come_to_what_the_compiler_made(name: str) -> None:
    for terms in compiled(name).terms.values():
        for term in terms:
            plain = plain_derivative(term.derivation.equation.body, term.derivation.access)
            steps = [plain, *(new for _, new in rewrite_steps(plain, ALL))]
            assert steps[-1] == rewrite(plain, ALL)[0]


def test_every_pass_has_its_phrase() -> None:
    assert {one.__name__ for one in (*BEFORE, *AFTER)} <= set(PASSES)


def told(example: str, wrt: str, adjoint: str) -> list[tuple[str, str]]:
    one = compiled_example(next(p for p in EXAMPLES if p.stem == example))
    stages = Stages(one, notation_of(one)).gradient(wrt).stages
    return [(s.title, s.text) for stage in stages if stage.adjoint == adjoint for s in stage.steps]


def test_sigmoid_is_read_through_its_output() -> None:
    steps = told("chain", "linear_2.W", "d_linear_2")
    assert [title for title, _ in steps] == [
        "the equation of sigmoid_2",
        "local derivative",
        "sigmoid",
        "exponential into sigmoid",
        "saved output",
        "chain rule",
        "delta elimination",
        "delta elimination",
    ]
    assert steps[4][1] == "d(sigmoid_2[i, j])/d(linear_2[i, j]) = sigmoid_2[i, j]*(1 - sigmoid_2[i, j])"
    assert steps[-1][1] == "d_linear_2[i, j] = d_sigmoid_2[i, j]*sigmoid_2[i, j]*(1 - sigmoid_2[i, j])"


def test_cross_entropy_ends_in_p_minus_y() -> None:
    assert told("digits", "linear_2.W", "d_logits")[-1][1] == "d_logits[i, j] = (loss.p[i, j] - delta(j, y[i]))/n"
    one = compiled_example(next(p for p in EXAMPLES if p.stem == "digits"))
    p = one.programs["gradient"].defined["loss.p"]
    assert Stages(one, notation_of(one)).forward(p)[-1].text == "loss.p[i, c] = softmax(logits)[i, c]"


def test_only_a_softmax_is_read_as_one() -> None:
    one = compiled("attention, normalised last").programs["gradient"]
    for equation in one.equations:
        read = with_softmax(equation, one)
        assert read is None or "softmax(s)" in print_equation(read)


def test_path_and_shared_values() -> None:
    one = compiled_example(next(p for p in EXAMPLES if p.stem == "digits"))
    found = Stages(one, notation_of(one)).gradient("linear_1.W")
    assert found.path[0] == "loss" and found.path[-1] == "linear_1.W"
    assert "relu_1" in found.shared and "d_logits" not in found.shared
