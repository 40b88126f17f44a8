"""Schedules as text, the product predicate, the memory plan, in-place updates and the verifier."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
import sympy
from sympy import Integer, Mul, Symbol

from nablac.errors import CompileError, InternalError
from nablac.frontend.optimizers import RULES, make_optimizer
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access, Delta, IntAccess
from nablac.ir.index import extent, index
from nablac.ir.parse import parse_equations
from nablac.ir.tensor import Role
from nablac.plan.check import check_schedule
from nablac.plan.gemm import as_gemm
from nablac.plan.inplace import inplace
from nablac.plan.loops import Buffer, Loop, Nest, Number, Schedule, Space, Store, show
from nablac.plan.memory import plan_memory
from nablac.plan.schedule import Homes, schedule

SOFTMAX = ["m[i] = max[c](z[i,c])", "e[i,c] = exp(z[i,c] - m[i])", "s[i] = sum[c](e[i,c])", "p[i,c] = e[i,c]/s[i]"]


def program(declarations: dict[str, str], lines: Sequence[str], *results: str) -> Program:
    tensors = tuple(parse_declaration(name, text, Role.INPUT) for name, text in declarations.items())
    parsed = parse_equations(lines, {t.name: t for t in tensors})
    return Program("test", tensors + parsed.tensors, parsed.equations, results, "float64")


def shown(found: Schedule) -> str:
    return "\n--\n".join(show(nest.body) for nest in found.nests)


def test_softmax_is_one_nest(golden: Callable[..., None]) -> None:
    found = schedule(program({"z": "real[n, 10]"}, SOFTMAX, "p"))
    assert len(found.nests) == 1
    assert found.buffers["m"].space is Space.REGISTER and found.buffers["e"].shape == (10,)
    golden(shown(found))


def test_a_sum_over_the_outer_index_joins(golden: Callable[..., None]) -> None:
    lines = ["d[i,j] = where(a[i,j] > 0, g[i,j], 0)", "db[j] = sum[i](d[i,j])", "loss = sum[i,j](d[i,j]**2)/n"]
    found = schedule(program({"a": "real[n, 4]", "g": "real[n, 4]"}, lines, "d", "db", "loss"), Homes(wide=("loss",)))
    assert len([n for n in found.nests if not n.is_scalar]) == 1
    golden(shown(found))


def test_a_gather_scatters_its_adjoint(golden: Callable[..., None]) -> None:
    declared = {"w": "label[n, 7]", "g": "real[n, 3]"}
    first = program(declared, ["dE[v,d] = sum[i](g[i,d]*v) for v in 7"], "dE")
    i, v, d = (s for s in (first.equations[0].bound[0], *first.equations[0].indices))
    body = Delta(v, IntAccess("w", i)) * Access("g", i, d)
    found = schedule(first.with_equations([first.equations[0].with_body(body)]))
    golden(shown(found))


def test_invariants_are_lifted_but_not_out_of_choices(golden: Callable[..., None]) -> None:
    lines = ["h[i,j] = x[i,j]/s[i] + where(s[i] > 0, log(s[i])*x[i,j], 0) + exp(c)*exp(c)"]
    found = schedule(program({"x": "real[n, 3]", "s": "real[n]", "c": "real"}, lines, "h"))
    text = shown(found)
    assert "log(s[i])" in text.splitlines()[-1]
    golden(text)


def test_neighbours_without_a_common_tensor_stay_apart() -> None:
    lines = ["a[i] = x[i]**2", "b[i] = y[i]**2"]
    assert len(schedule(program({"x": "real[n]", "y": "real[n]"}, lines, "a", "b")).nests) == 2


# --- products ---------------------------------------------------------------------------------------------------------

PRODUCTS = [
    ("h[i,j] = sum[k](W[j,k]*x[i,k])", "NT"),
    ("h[i,j] = sum[k](x[i,k]*V[k,j])", "NN"),
    ("h[j,k] = sum[i](x[i,j]*z[i,k])", "TN"),
    ("h[i,j] = 2*sum[k](W[j,k]*x[i,k])/n", None),  # the factor outside makes two equations; the first is a product
    ("h[i,j] = sum[k](W[j,k]*x[i,k]/n)", "NT"),
    ("h[i,t,j] = sum[k](W[j,k]*q[i,t,k])", "NT"),
    ("h[j,k] = sum[i,t](q[i,t,j]*q[i,t,k])", "TN"),
    ("h[i,t,u] = sum[d](q[i,t,d]*q[i,u,d])", "NT"),
    ("h[i] = sum[k](v[k]*x[i,k])", None),
    ("h[i,j] = sum[k](W[j,k]*x[i,k]*v[k])", None),
    ("h[i,j] = sum[k](W[j,k] + x[i,k])", None),
    ("h[i,j] = max[k](W[j,k]*x[i,k])", None),
    ("h[i,j] = sum[k](W[j,k]*x[i,k+1]) for k in 3", None),
    ("h[t,i,j] = sum[k](q[i,t,k]*W[j,k])", None),
]


@pytest.mark.parametrize(("line", "form"), PRODUCTS)
def test_products_are_recognised(line: str, form: str | None) -> None:
    declared = {"x": "real[n, 4]", "z": "real[n, 6]", "W": "real[5, 4]", "V": "real[4, 5]", "q": "real[n, 3, 4]"}
    found = as_gemm(program({**declared, "v": "real[4]"}, [line], "h").defined["h"])
    assert (found.form if found else None) == form


# --- memory -----------------------------------------------------------------------------------------------------------


def test_buffers_that_live_together_never_overlap() -> None:
    lines = [f"t{k}[i,j] = sum[c](W[j,c]*t{k - 1}[i,c])" for k in range(1, 7)] + ["u[j] = sum[i](t2[i,j])"]
    lines += ["s[j,k] = sum[i](t6[i,j]*t3[i,k])", "r[i,j] = sum[c](t5[i,c]*u[c]*W[c,j])"]
    found = schedule(program({"t0": "real[n, 20]", "W": "real[20, 20]"}, lines, "s", "r"))
    arena = plan_memory(found).reals
    for size in (1, 3, 64):
        at = {Symbol("n", integer=True, positive=True): size}
        places = [(int(s.offset.subs(at)), int((s.offset + s.length).subs(at)), s) for s in arena.spots]
        assert max(end for _, end, _ in places) <= int(sympy.sympify(arena.length).subs(at))
        for (a, b, one), (c, d, other) in itertools.combinations(places, 2):
            if one.first <= other.last and other.first <= one.last:
                assert b <= c or d <= a, (one, other)
    total = sum(Mul(*s.buffer.shape) for s in arena.spots)
    assert (total - arena.length).subs(at) > 0
    assert "t1" in str(arena)


# --- updates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_optimizer_runs_in_place(name: str, golden: Callable[..., None]) -> None:
    optimizer = make_optimizer(RULES[name], {"lr": 0.1}, dtype="float64")
    golden(shown(inplace(schedule(optimizer.program), optimizer.updates)))


def test_an_update_that_reads_its_neighbours_is_refused() -> None:
    p = program({"theta": "real[P]", "g": "real[P]"}, ["next[i] = theta[i] - g[i]*theta[0]"], "next")
    with pytest.raises(CompileError, match="cannot run in place"):
        inplace(schedule(p), [("theta", "next")])


# --- the verifier -----------------------------------------------------------------------------------------------------


def test_the_verifier_refuses_what_cannot_run() -> None:
    i, n = index("i"), extent("n")
    x = Buffer("x", (n,), Number.REAL, Space.INPUT)
    out = Buffer("out", (n,), Number.REAL, Space.OUTPUT)

    def verify(*body: Loop | Store) -> None:
        check_schedule(Schedule("test", "float64", {"x": x, "out": out}, (Nest((), body),), ("out",)))

    good = Store(Access("out", i), Access("x", i))
    verify(Loop(i, n, (good,)))
    for wrong, message in (
        (good, "no loop runs over i"),
        (Loop(i, n, (Loop(i, n, (good,)),)), "two loops over i"),
        (Loop(i, n, (Store(Access("out", i), Access("out", i)),)), "read before"),
        (Loop(i, n, (Store(Access("out", i, i), Integer(0)),)), "2 indices"),
        (Loop(i, n, (Store(Access("other", i), Integer(0)),)), "no buffer"),
        (Loop(i, n, ()), "nothing computes out"),
    ):
        with pytest.raises(InternalError, match=message):
            verify(wrong)


def test_equations_keep_their_nests() -> None:
    found = schedule(program({"z": "real[n, 10]"}, SOFTMAX, "p"))
    told: list[Equation] = [e for nest in found.nests for e in nest.equations]
    assert [e.target for e in told] == ["m", "e", "s", "p"]
