"""Equation text -> equations: what is made of it, and what is refused and how; nothing else comes out."""

from __future__ import annotations

import os
import random
import textwrap
import time

import numpy as np
import pytest
import sympy

from nablac.errors import NablacError, Place
from nablac.ir.check import check
from nablac.ir.declare import parse_declaration
from nablac.ir.equation import Program
from nablac.ir.functions import Access, IntAccess, absolute
from nablac.ir.index import extent, index
from nablac.ir.interpret import interpret
from nablac.ir.parse import ParsedEquations, parse_equations, parse_expression, parse_functions
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.ir.text import print_equation
from nablac.ir.tokens import Line, lines_of

DECLARATIONS = {
    "x": "real[n, 5]",
    "W": "real[4, 5]",
    "b": "real[4]",
    "c": "real[10]",
    "beta": "real",
    "y": "label[n, 4]",
    "image": "real[n, 2, 9]",
    "kernel": "real[3, 2, 3]",
    "count": "int[n]",
    "linear_1.W": "real[4, 5]",
    "deep": "real[n, 2, 3, 5]",
}


def declared() -> dict[str, Tensor]:
    names = {}
    for number, (name, text) in enumerate(DECLARATIONS.items(), 1):
        place = Place("declared.yaml", number, 4)
        role = Role.INPUT
        names[name] = parse_declaration(name, Line(text, place), role)
    return names


def parse(*lines: str) -> ParsedEquations:
    return parse_equations([Line(text, Place("f", n, 1)) for n, text in enumerate(lines, 1)], declared())


def printed(*lines: str) -> list[str]:
    return [print_equation(e) for e in parse(*lines).equations]


MADE = [
    (
        "h[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]",
        ["h.sum[i, j] = sum[k](W[j, k]*x[i, k])", "h[i, j] = h.sum[i, j] + b[j]"],
    ),
    ("s[i] = sum[k](x[i,k])", ["s[i] = sum[k](x[i, k])"]),
    ("m = mean[i,k](x[i,k])", ["m = sum[i, k](x[i, k]/(5*n))"]),
    ("m = -mean[k](b[k])", ["m.mean = sum[k](b[k]/4)", "m = -m.mean"]),
    ("m = max[i,k](x[i,k])", ["m.max[i] = max[k](x[i, k])", "m = max[i](m.max[i])"]),
    ("q[i,k] = max(x[i,k], 0, beta)", ["q[i, k] = max(relu(x[i, k]), beta)"]),
    ("q[i] = clamp(x[i,0], -1, 1)", ["q[i] = min(max(x[i, 0], -1), 1)"]),
    ("q[i] = x[i, y[i]]", ["q[i] = x[i, y[i]]"]),
    ("q[i] = linear_1.W[0, y[i]]", ["q[i] = linear_1.W[0, y[i]]"]),
    ("h[..., j] = sum[k](W[j,k]*deep[..., k])", ["h[i, l, m, j] = sum[k](W[j, k]*deep[i, l, m, k])"]),
    ("m = mean[...](x[..., 0])", ["m = sum[i](x[i, 0]/n)"]),
    ("q[i] = where(0 < x[i,0] <= 1 and not x[i,1] == 2, 1, 0)",
     ["q[i] = where(x[i, 0] <= 1 and 0 < x[i, 0] and x[i, 1] != 2, 1, 0)"]),
    ("q[i,j] = delta(i, j)*x[i,j]", ["q[i, j] = x[i, j]*delta(i, j)"]),
    ("q[i] = i*n + 0.5e-1 for i in n", ["q[i] = i*n + 0.05"]),
    ("q[i] = sqrt(x[i,0]**2)", ["q[i] = abs(x[i, 0])"]),
    ("t = sum[i](sum[k](x[i,k])**2)", ["t.sum[i] = sum[k](x[i, k])", "t = sum[i](t.sum[i]**2)"]),
    ("t = sum[k](b[k])*sum[k](c[k])", ["t.sum = sum[k](b[k])", "t.sum2 = sum[k](c[k])", "t = t.sum*t.sum2"]),
]


@pytest.mark.parametrize(("text", "expected"), MADE)
def test_made(text: str, expected: list[str]) -> None:
    assert printed(*text.split("\n")) == expected


def test_order_of_lines_is_free() -> None:
    names = [e.target for e in parse("loss = mean[i](L[i])", "L[i] = h[i]**2", "h[i] = x[i,0]").equations]
    assert names == ["h", "L", "loss"]


def test_numbers_are_exact() -> None:
    (equation,) = parse("q = 0.1 + 1e-3*beta").equations
    assert equation.body == sympy.Rational(1, 10) + Access("beta") / 1000


def test_argmax_is_an_integer_tensor_and_may_be_an_index() -> None:
    made = parse("a[i] = argmax[j](x[i,j])", "picked[i] = x[i, a[i]]", "hit = mean[i](where(a[i] == y[i], 1, 0))")
    kinds = {t.name: (t.kind, t.bound) for t in made.tensors}
    assert kinds["a"] == (Kind.INT, extent(5))
    assert kinds["picked"] == (Kind.REAL, None)
    i = index("i")
    assert made.equations[1].body == Access("x", i, IntAccess("a", i))


def test_a_gather_by_an_inner_argmax() -> None:
    assert printed("L[i] = x[i, argmax[k](x[i,k])]") == [
        "L.argmax[i] = argmax[k](x[i, k])",
        "L[i] = x[i, L.argmax[i]]",
    ]


@pytest.mark.parametrize(
    ("text", "extents"),
    [
        ("q[i,o,p] = sum[c,u](kernel[o,c,u]*image[i,c,2*p+u])", {"i": "n", "o": "3", "p": "4", "c2": "2", "u": "3"}),
        ("q[i,o,p] = sum[c,u](kernel[o,c,u]*image[i,c,2*p+u]) for p in 2", {"p": "2"}),
        ("q[p] = where(p >= 1, c[p-1], 0) for p in 11", {"p": "11"}),
        ("q[p] = where(1 <= p < 11, c[p-1], 0) for p in 30", {"p": "30"}),
        ("q[p] = c[9-p] for p in 10", {"p": "10"}),
        ("q[i,p] = x[n-1-i, p] for i in n", {"i": "n", "p": "5"}),
        ("q[p] = c[p] for p in 3", {"p": "3"}),
    ],
)
def test_extents(text: str, extents: dict[str, str]) -> None:
    equations = parse(text).equations
    found = {str(i): str(e) for i, e in equations[-1].extents}
    assert extents.items() <= found.items()


def test_two_reductions_may_use_one_index_differently() -> None:
    ranges = [dict(e.extents) for e in parse("t = sum[k](b[k])*sum[k](c[k])").equations]
    k = index("k")
    assert (ranges[0][k], ranges[1][k]) == (4, 10)


def test_a_function_does_not_capture_the_callers_index() -> None:
    made = parse("f(a) = sum[k](a*b[k])", "q[k] = f(c[k])")
    values = interpret(program(made), {**arrays(), "b": [1, 2, 3, 4]})
    np.testing.assert_allclose(values["q"], 10 * arrays()["c"])


def test_an_index_never_shares_the_name_of_a_tensor() -> None:
    (equation,) = parse("m[i] = max[b](x[i,b])").equations
    assert [str(s) for s in equation.bound] == ["b2"]


def test_functions_read_global_names_and_not_the_callers() -> None:
    assert printed("f(z) = z**beta", "q[i] = f(x[i,1])") == ["q[i] = x[i, 1]**beta"]
    with pytest.raises(NablacError, match="'i' is not known here"):
        parse("f(z) = z*x[i,0]", "q[i] = f(x[i,1])")


def test_a_functions_parameter_is_no_equation_of_its_name() -> None:
    """``z`` reads what it gives to ``part``, and not itself; a global name in the function is read all the same."""
    text = ["z[i] = part(x[i, 0], q)", "q = mean[k](c[k])", "part(z, w) = z/(w + last)", "last = 2*q"]
    assert printed(*text) == [
        "q = sum[k](0.1*c[k])", "last = 2*q", "z[i] = x[i, 0]/(last + q)",
    ]  # fmt: skip
    with pytest.raises(NablacError, match="equation 'last' reads itself"):
        parse("last = part(1)", "part(z) = z/last")


def test_expression() -> None:
    made = parse_expression("mean[i](x[i,0]**2) + 0.01*sum[k](b[k]**2)", "loss", declared())
    assert [e.target for e in made.equations] == ["loss.mean", "loss.sum", "loss"]


def test_lines_of_a_text() -> None:
    text = "# a comment\nh[i] = (x[i,0]\n    + 1)  # more\n\nq = mean[i](h[i])"
    found = [(line.text, str(line.where)) for line in lines_of(text, Place("f", 10, 3))]
    assert found == [("h[i] = (x[i,0]\n    + 1)  # more", "f:11:3"), ("q = mean[i](h[i])", "f:14:3")]


def test_a_place_inside_a_text_of_several_lines() -> None:
    with pytest.raises(NablacError) as told:
        parse_equations([Line("h[i] = (x[i,0]\n   + zz)", Place("f", 7, 5))], declared())
    assert str(told.value.where) == "f:8:6"


def test_what_is_printed_reads_back() -> None:
    rows = [text for text, _ in MADE]
    for text in rows:
        first = parse(*text.split("\n"))
        second = parse_equations([print_equation(e, ranges=True) for e in first.equations], declared())
        assert [e.body for e in second.equations] == [e.body for e in first.equations]
        assert [dict(e.extents) for e in second.equations] == [dict(e.extents) for e in first.equations]


ERRORS = [
    (
        "h[i] = x[i]",
        """
        ShapeError: equation 'h' reads 'x' with 1 index
          found:    x[i]
          expected: 2 indices, one for each axis of x[n, 5], declared at declared.yaml:1:4
          where:    f:1:8
        """,
    ),
    (
        "h[i] = beta[i]*x[i,0]",
        """
        ShapeError: equation 'h' reads 'beta' with 1 index
          found:    beta[i]
          expected: no indices, one for each axis of beta, declared at declared.yaml:5:4
          where:    f:1:8
          remedy:   'beta' is one number: write it without brackets
        """,
    ),
    (
        "h[i] = sum[k](x[i,k]*c[k])",
        """
        ShapeError: index 'k' has two extents
          found:    10 in c[k], where c[10] is declared at declared.yaml:4:4
          expected: 5, as in x[i, k], where x[n, 5] is declared at declared.yaml:1:4
          where:    f:1:22
          remedy:   make the axes equal, or name two indices; for fewer elements: for k in ...
        """,
    ),
    (
        "h[i] = x[i,k]",
        """
        NameError: 'k' is not known here
          expected: a declared name, or an index of the target or of a reduction around it (these: i)
          where:    f:1:12
          remedy:   for a reduction over it: sum[k](...)
        """,
    ),
    (
        "h[i] = sum(x[i,0])",
        """
        ParseError: 'sum' needs the indices it runs over
          found:    sum(x[i, 0])
          expected: sum[i](...)
          where:    f:1:8
        """,
    ),
    (
        "h[i] = bata*x[i,0]",
        """
        NameError: 'bata' is not known here
          where:    f:1:8
          remedy:   did you mean 'beta'?
        """,
    ),
    (
        "h[i] = sigmoit(x[i,0])",
        """
        NameError: there is no function 'sigmoit'
          where:    f:1:8
          remedy:   did you mean 'sigmoid'?
        """,
    ),
    (
        "h[i] = x[i,0]^2",
        """
        ParseError: '^' is not part of the language
          found:    h[i] = x[i,0]^2
          where:    f:1:14
          remedy:   a power is written x**2
        """,
    ),
    (
        "h[i] = 2x[i,0]",
        """
        ParseError: '2x' is neither a number nor a name
          where:    f:1:8
          remedy:   for a product write 2*x
        """,
    ),
    (
        "h[i] = x[i,0] > 0",
        """
        ParseError: a comparison is not a number
          found:    x[i, 0] > 0
          where:    f:1:8
          remedy:   write where(condition, 1, 0)
        """,
    ),
    (
        "h[i] = where(x[i,0], 1, 2)",
        """
        ParseError: a condition is needed, and this is a number
          found:    x[i, 0]
          where:    f:1:14
          remedy:   compare it: x != 0
        """,
    ),
    (
        "h[i] = c[x[i,0]]",
        """
        ParseError: an index is a sum of whole multiples of indices, extents and integer tensors
          found:    x[i, 0], where 'x' is real
          where:    f:1:10
          remedy:   an integer tensor is declared label[n, 10] or int[n], or made by argmax
        """,
    ),
    (
        "h[i] = c[count[i]]",
        """
        ShapeError: 'count' cannot be an index: nothing bounds its values
          found:    c[count[i]]
          where:    f:1:8
          remedy:   declare it as a label, e.g. count: "label[n, 10]"
        """,
    ),
    (
        "h[p] = c[p+1] for p in 10",
        """
        ShapeError: c[p + 1] reads outside 'c'
          found:    the index p + 1, which takes 1 ... 10
          expected: 0 ... 9, as c[10] is declared at declared.yaml:4:4
          where:    f:1:8
          remedy:   let the index run less far (for i in ...), or guard the access: where(i > 0, x[i-1], 0)
        """,
    ),
    (
        "h[i] = sum[i](x[i,0])",
        """
        ParseError: index 'i' is in use already
          where:    f:1:8
          remedy:   a reduction inside another names other indices, e.g. i2
        """,
    ),
    (
        "h[p] = beta",
        """
        ShapeError: the extent of index 'p' is not known
          where:    f:1:1
          remedy:   say how far it runs at the end of the equation: for p in 4
        """,
    ),
    (
        "n = 3",
        """
        NameError: 'n' cannot be defined: it is the extent of an axis
          where:    f:1:1
          remedy:   give it another name
        """,
    ),
    (
        "W = 3",
        """
        NameError: 'W' is defined twice
          found:    also at declared.yaml:2:4
          where:    f:1:1
          remedy:   every name is given one meaning: name the new value otherwise
        """,
    ),
    (
        "h = 9**9**9",
        """
        ParseError: an exponent is too large
          found:    9 ** 9 ** 9
          expected: at most 1024, for powers of powers their product
          where:    f:1:5
        """,
    ),
    (
        "h = " + "(" * 1000 + "1" + ")" * 1000,
        """
        ParseError: brackets are nested too deeply
          expected: at most 40 open at once
          where:    f:1:45
          remedy:   name the inner part in an equation of its own
        """,
    ),
    (
        "h[i] = (x[i,0]",
        """
        ParseError: '(' is never closed
          where:    f:1:8
        """,
    ),
    (
        "h[i] = h[i] + 1",
        """
        ParseError: equation 'h' reads itself
          where:    f:1:1
          remedy:   an equation defines its target once, from others
        """,
    ),
    (
        "f(z) = f(z)\nh[i] = f(x[i,0])",
        """
        ParseError: function 'f' calls itself
          where:    f:1:1
        """,
    ),
    (
        "h[i] = lambda*x[i,0]",
        """
        ParseError: 'lambda' is not part of the language
          where:    f:1:8
          remedy:   for a name of one's own: lambda_
        """,
    ),
    (
        "h[i] = log(-1)*x[i,0]",
        """
        ParseError: this is not a real number of moderate size
          found:    log(-1)
          where:    f:1:8
        """,
    ),
]


@pytest.mark.parametrize(("text", "expected"), ERRORS)
def test_errors(text: str, expected: str) -> None:
    with pytest.raises(NablacError) as told:
        parse(*text.split("\n"))
    assert str(told.value) == textwrap.dedent(expected).strip()


@pytest.mark.parametrize(
    "text",
    [
        "h = __import__('os').system('true')",
        "h = x.__class__.__mro__",
        "h = [1, 2][0]",
        "h = {1: 2}",
        "h = lambda: 1",
        "h = (1).real",
        "h = x[0:1, 0]",
        "h = 'a'",
        "h = f'{x}'",
        "h = x if x else x",
        "h = (q := 3)",
        "h = sum[i](x[i,0], x[i,1])",
        "h = exp(x=1)",
        "h = exp(*c)",
        "h = not 1",
        "h = 1 // 2",
        "h = 1 % 2",
        "h = ~1",
        "h = True",
        "h = ...",
        "h = 1 in 2",
        "h = 1 is 2",
        "h[i][j] = x[i,j]",
        "h[i+1] = x[i,0]",
        "h[i,i] = x[i,i]",
        "h.sum() = 1",
        "1 = 2",
        "= 2",
        "h =",
        "",
        "h[] = 1",
        "h = x[]",
        "h = b[0.5]",
        "h = b[i*i]",
        "h = sqrt(-1)",
        "h = 1/0",
        "h = beta/(1-1)",
        "h = 0**(-1)",
        "h = (-8)**(1/3)",
        "h = asin(2)",
        "h = exp(exp(exp(10)))",
        "h = exp(1000000*log(2) + beta)",
        "h = beta**10**10",
        "h = ((2*beta)**1000)**1000",
        "h = floor(10**300*10**300)",
        "h = 0.5**(n + 10**9)",
        "h = (2*beta)**(n - 10**9)",
        "h = 1e999",
        "h = " + "9" * 300,
        "h = " + "-" * 3000 + "1",
        "h = " + "exp(" * 39 + "beta" + ")" * 39 + "*" + "(" * 45,
        "h[i] = x[i,0] for i in 3 for j in 2",
        "h[i] = x[i,0] for i in 0",
        "h[i] = x[i,0] for i in -2",
        "h[i] = x[i,0] for i in 5",
        "h[i] = x[i,0] for i",
        "h[i] = x[i,0] for in 3",
        "h[i] = x[i,0] + argmax[j,k](W[j,k])",
        "max = 3",
        "h[...] = 3",
        "h[..., ...] = x[..., 0]",
        "h[...] = x[...]*b[...]",
        "h[i] = exp",
        "h[i] = sum[i]",
        "h[beta] = x[beta,0]",
        "h[n] = x[n,0]",
        "exp(z) = z",
        "f(z,z) = z",
        "f(1) = z",
        "f() = z",
        "h = \x00",
        "h = π",
        "h = 1_000",
        "h = 0x10",
        "h = 1j",
        "h = a.b.c",
        "h = sum[k](b[k]) = 2",
    ],
)
def test_refused(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(NablacError):
        parse(text)
    assert time.perf_counter() - started < 2


def test_macros_cannot_explode() -> None:
    lines = ["f0(z) = z + z"] + [f"f{k}(z) = f{k - 1}(f{k - 1}(z))" for k in range(1, 12)]
    with pytest.raises(NablacError, match="is too large"):
        parse(*lines, "h = f11(beta)")


def test_long_sums_are_no_deep_ones() -> None:
    (equation,) = parse("h = " + " + ".join(f"{k}*beta**{k}" for k in range(1, 150))).equations
    assert len(equation.body.args) == 149


def test_functions_on_their_own() -> None:
    assert list(parse_functions(["swish(z) = z*sigmoid(z)"])) == ["swish"]
    with pytest.raises(NablacError, match="is an equation, not a function"):
        parse_functions(["h = 3"])


def program(made: ParsedEquations) -> Program:
    return check(Program("test", (*declared().values(), *made.tensors), made.equations, (made.equations[-1].target,)))


def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    found = {}
    for name, tensor in declared().items():
        shape = [3 if str(axis) == "n" else int(axis) for axis in tensor.shape]
        integer = tensor.kind is Kind.INT
        found[name] = generator.integers(0, 4, shape) if integer else generator.normal(size=shape)
    return found


MEANINGS = {
    "h[i,j] = sum[k](W[j,k]*x[i,k]) + b[j]": lambda a: a["x"] @ a["W"].T + a["b"],
    "h[i] = mean[k](x[i,k])": lambda a: a["x"].mean(1),
    "h = max[i,k](x[i,k])": lambda a: a["x"].max(),
    "h = argmin[k](c[k])": lambda a: a["c"].argmin(),
    "h = prod[k](b[k])": lambda a: a["b"].prod(),
    "h[i] = x[i, y[i]]": lambda a: a["x"][np.arange(3), a["y"]],
    "h[p] = where(p > 0, c[p-1], 7) for p in 10": lambda a: np.concatenate([[7], a["c"][:-1]]),
    "h[i,k] = where(x[i,k] > 0 or k == 1, x[i,k], -1)": lambda a: np.where(
        (a["x"] > 0) | (np.arange(5) == 1), a["x"], -1
    ),
    "h[i,o,p] = sum[c,u](kernel[o,c,u]*image[i,c,2*p+u])": lambda a: np.stack(
        [np.einsum("ocu,icu->io", a["kernel"], a["image"][:, :, 2 * p : 2 * p + 3]) for p in range(4)], -1
    ),
    "h[i] = i + 2*n": lambda a: np.arange(3) + 6,
    "h[i,j] = sum[k](delta(j, k)*x[i,k]) for j in 5": lambda a: a["x"],
}


@pytest.mark.parametrize("text", MEANINGS)
def test_meaning(text: str) -> None:
    text = text if "i + 2*n" not in text else text + " for i in n"
    values = interpret(program(parse(text)), arrays())
    np.testing.assert_allclose(values["h"], MEANINGS[text.removesuffix(" for i in n")](arrays()), rtol=1e-12)


def test_abs_never_is_sympys() -> None:
    (equation,) = parse("h = sqrt(beta**2) + abs(beta)").equations
    assert equation.body == 2 * absolute(Access("beta"))


WORDS = (
    "x W b c beta y image i j k n h sum mean max min prod argmax where exp log sqrt relu delta clamp pi and or not for "
    "in 0 1 2 0.5 1e3 4 ... [ ] ( ) , + - * / ** < <= == != > = x[i,k] W[j,k] b[j] sum[k]( mean[i]( y[i] c[2*i+1]"
).split(" ")


def test_garbage_gives_nothing_but_errors_of_the_project() -> None:
    seed = int(os.environ.get("NABLAC_SEED", random.randrange(10**9)))
    print(f"NABLAC_SEED={seed}")
    generator = random.Random(seed)
    known = declared()
    for _ in range(1500):
        if generator.random() < 0.7:
            text = " ".join(generator.choices(WORDS, k=generator.randint(1, 25)))
        else:
            letters = [*range(32, 127), 10, 9, 955]
            text = "".join(chr(generator.choice(letters)) for _ in range(generator.randint(1, 60)))
        if generator.random() < 0.7:
            text = generator.choice(["h = ", "h[i] = ", "h[i,k] = ", "f(z) = ", "h[...] = "]) + text
        try:
            parse_equations([Line(text, Place("f", 1, 1))], known)
        except NablacError as error:
            assert str(error).count("\n") <= 4, text


def test_mutations_of_good_text_give_nothing_but_errors_of_the_project() -> None:
    seed = int(os.environ.get("NABLAC_SEED", random.randrange(10**9)))
    print(f"NABLAC_SEED={seed}")
    generator = random.Random(seed)
    known = declared()
    good = [text for text, _ in MADE] + list(MEANINGS)
    for _ in range(1500):
        characters = list(generator.choice(good))
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(characters))
            characters[at : at + generator.randint(0, 2)] = generator.choice(["", *"()[]ijk0129*+-/.,= <>"])
        try:
            made = parse_equations([Line("".join(characters), Place("f", 1, 1))], known)
        except NablacError:
            continue
        if made.equations:
            program(made)
