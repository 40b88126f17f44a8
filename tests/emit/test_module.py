"""The generated module apart from its kernels: its text, its public functions, and what it refuses."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nablac.emit.header import conventions
from nablac.emit.lower import OWN, RESERVED, batched_inputs
from nablac.emit.render import render, undeclared
from nablac.emit.tables import mapping
from nablac.emit.view import ModelView
from nablac.emit.write import MARK, write
from nablac.errors import CompileError
from nablac.frontend.model import Data
from nablac.frontend.optimizers import formula_schedule
from nablac.ir.tensor import Role
from tests.emit.small_models import (
    CIRCUIT,
    CLASSIFIER,
    circuit,
    classifier,
    declared,
    loaded,
    model,
    samples,
    text_of,
    view_of,
)

ROOT = Path(__file__).resolve().parents[2]


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["batched", "whole"])
def test_the_templates_want_exactly_the_views_fields(layout: str) -> None:
    fields = {field.name for field in dataclasses.fields(ModelView)} - {"layout"}
    only_batched = {"gather", "gathered", "batch_size", "estimator", "accumulate"}
    assert undeclared(layout) == (fields if layout == "batched" else fields - only_batched)


def test_equal_models_have_equal_bytes() -> None:
    script = "from tests.emit.small_models import *; import sys; sys.stdout.write(text_of(classifier(), CLASSIFIER))"
    texts = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}/compiler:{ROOT}"}
        run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
        texts.add(run.stdout)
    assert len(texts) == 1


def test_the_module_is_clean_and_short(folder: Path) -> None:
    for name, text in (("a", text_of(classifier(), CLASSIFIER)), ("b", text_of(circuit(), CIRCUIT))):
        path = folder / f"clean_{name}.py"
        path.write_text(text)
        rules = ["--isolated", "--select", "E,F,W,I,UP,B,C4,SIM", "--line-length", "120"]
        run = subprocess.run([sys.executable, "-m", "ruff", "check", *rules, str(path)], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout
        assert "nablac" not in re.sub(r"#.*|\"nablac\"", "", text)


def test_own_names_are_those_of_the_templates() -> None:
    tree = ast.parse(text_of(classifier(), ""))
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and re.match("_[^_]", node.name)}
    assert own <= OWN  # and those of the parts that this model has not


def test_arguments_are_reserved() -> None:
    names = set()
    for text in (text_of(classifier(), ""), text_of(circuit(), "")):
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.args.kwarg and node.args.kwarg.arg == "inputs":
                names |= {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    assert names <= RESERVED


def test_a_title_cannot_leave_the_docstring(folder: Path) -> None:
    evil = 'a """ + __import__("os").abort() # \\'
    text = text_of(classifier(title=evil), CLASSIFIER)
    assert ast.get_docstring(ast.parse(text)).startswith("classifier: a ''' + __import__('os').abort() # /")  # type: ignore[union-attr]


def test_names_that_no_module_can_have() -> None:
    inputs, params = declared(Role.INPUT, lr="real[n]"), declared(Role.PARAM, w="real")
    with pytest.raises(CompileError, match="an input cannot be called 'lr'"):
        text_of(model("m", [*inputs, *params], ["loss = mean[i](lr[i]*w)"], []), "")
    with pytest.raises(CompileError, match="cannot name a module"):
        text_of(dataclasses.replace(classifier(), name="a-b"), "")


def test_batched_inputs() -> None:
    def of(**texts: str) -> tuple[str, ...]:
        tensors = [*declared(Role.INPUT, **texts), *declared(Role.PARAM, w="real")]
        names = [f"sum[{', '.join('ijk'[: t.rstrip(']').count(',') + 1])}]({n}[{','.join('ijk'[: t.count(',') + 1])}])"
                 for n, t in texts.items() if "[" in t]  # fmt: skip
        return batched_inputs(model("m", tensors, [f"loss = w + {' + '.join(names)}"], []).program)

    assert of(x="real[n, 4]", y="real[n]") == ("x", "y")
    assert of(x="real[rows, 4]", y="real[rows]", k="real[4]") == ("x", "y")
    assert of(k="real[n, n]", y="real[n]") == ()
    assert of(a="real[m]", x="real[n]") == ("x",)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("lr0*0.5**floor(epoch/10)", [0.1, 0.1, 0.05]),
        ("where(epoch < 10, lr0*epoch/10, lr0*exp(-(epoch - 10)/5))", [0.0, 0.09, 0.1]),
        ("max(lr0/(1 + epoch), 0.02)", [0.1, 0.02, 0.02]),
    ],
)
def test_schedules(formula: str, expected: list[float], folder: Path) -> None:
    given = classifier(schedule=formula_schedule(formula, 20))
    module = loaded(text_of(given, CLASSIFIER), folder, "scheduled")
    assert [module.learning_rate(epoch) for epoch in (0, 9, 10)] == pytest.approx(expected)
    assert module.learning_rate(9, lr=1.0) == pytest.approx(10 * expected[1]) or "max" in formula


def test_conventions_name_the_functions_that_are_used() -> None:
    params = declared(Role.PARAM, w="real", v="real")
    given = model("m", params, ["loss = max(w, v) + relu(w)"], []).program
    text = conventions([given])
    told = "max(a, b): the first argument takes the gradient at a tie; max(a, 0) is relu(a)."
    assert text == f"At kinks: relu'(0) = 0; {told}"
    assert conventions([model("m", params, ["loss = w*v"], []).program]) == "No function in it has a kink."


def test_writing_is_atomic_and_careful(tmp_path: Path) -> None:
    path, text = tmp_path / "deep" / "m.py", f"{MARK}0\n"
    assert write(text, path) and not write(text, path)
    assert write(f"{text}#\n", path) and path.read_text() == f"{text}#\n"
    path.write_text("my own work")
    with pytest.raises(CompileError, match="was not made by nablac"):
        write(text, path)
    assert path.read_text() == "my own work"
    assert write(text, path, force=True)
    assert os.listdir(path.parent) == ["m.py"]
    with pytest.raises(CompileError, match="cannot be written"):
        write(text, path / "below.py")


def test_the_digest_follows_what_the_text_follows() -> None:
    def digest(data: Data | None) -> str:
        return classifier(data=data).digest

    plain = digest(Data(train={"": "a.npz"}))
    assert plain == digest(Data(train={"": "b.npz"}, validation=0.5, folder="elsewhere"))
    changed = (Data(prepare={"x": (2.0, 0.0)}), Data(prepare={"x": (3.0, 0.0)}), Data(target="y"))
    assert len({plain, *map(digest, changed)}) == 4


def test_a_wide_table_has_a_line_for_each_layer() -> None:
    shapes = {f"linear_{k}.{name}": ((64, 64), "float32") for k in (1, 2) for name in ("W", "b")}
    assert mapping(shapes) == (
        "{\n"
        '    "linear_1.W": ((64, 64), "float32"), "linear_1.b": ((64, 64), "float32"),\n'
        '    "linear_2.W": ((64, 64), "float32"), "linear_2.b": ((64, 64), "float32"),\n'
        "}"
    )
    assert mapping({"w": ((3,), "float32")}) == '{"w": ((3,), "float32")}'


# --- the public functions ---------------------------------------------------------------------------------------------


def test_constants(m: ModuleType, c: ModuleType) -> None:
    assert m.INPUTS == {"x": (("n", 4), "float32"), "y": (("n",), "int64")}
    assert m.OUTPUTS == {"logits": (("n", 3), "float32")}
    assert list(m.PARAMETERS) == ["linear_1.W", "linear_1.b", "linear_2.W", "linear_2.b"]
    assert m.PARAMETERS["linear_1.W"] == ((5, 4), "float32")
    assert c.INPUTS == {} and c.OUTPUTS == {"f": ((), "float64")}


def test_init_is_a_function_of_the_seed(m: ModuleType, c: ModuleType) -> None:
    first = m.init(seed=3)
    assert first.shape == (43,) and first.dtype == np.float32
    assert (first == m.init(3)).all() and (first != m.init(4)).any()
    views = m.unpack(first)
    assert (
        np.abs(views["linear_1.W"]).max() <= 0.5 and views["linear_1.W"].std() > 0.1 and not views["linear_1.b"].any()
    )
    assert c.init().tolist() == [-2, 5, -4]


def test_unpack_gives_views_and_pack_takes_all_names(m: ModuleType) -> None:
    params = m.init()
    views = m.unpack(params)
    views["linear_2.b"][:] = 7
    assert (params[-3:] == 7).all() and views["linear_1.W"].base is not None
    again = m.pack({name: view.astype(np.float64).tolist() for name, view in views.items()})
    assert again.dtype == np.float32 and (again == params).all()


def test_loss_and_gradient(m: ModuleType, c: ModuleType) -> None:
    x, y = samples()
    params = m.init()
    value, grad = m.loss_and_grad(params, x=x, y=y)
    assert isinstance(value, float) and value == pytest.approx(m.loss(params, x=x, y=y), rel=1e-6)
    assert grad.shape == params.shape and grad.dtype == np.float32
    assert max(m.selfcheck().values()) < 1e-5 and max(c.selfcheck().values()) < 1e-8
    value, grad = c.loss_and_grad(c.init())
    assert (value, grad.tolist()) == (144.0, [96.0, 96.0, -72.0])
    assert set(m.evaluate(params, x=x, y=y)) == {"loss", "accuracy"}


def test_predict(m: ModuleType, c: ModuleType) -> None:
    x, _ = samples()
    answer = m.predict(m.init(), x=x)
    views = m.unpack(m.init())
    hidden = np.tanh(x @ views["linear_1.W"].T + views["linear_1.b"])
    np.testing.assert_allclose(answer["logits"], hidden @ views["linear_2.W"].T + views["linear_2.b"], atol=1e-6)
    assert list(answer) == ["logits"] and answer["logits"].dtype == np.float32
    assert c.predict(c.init())["f"] == -12


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float64),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x.tolist(),
        lambda x: x.astype(">f4"),
    ],
)
def test_inputs_are_converted(m: ModuleType, change: Callable[[Any], Any]) -> None:
    x, y = samples()
    assert m.loss(m.init(), x=change(x), y=y) == m.loss(m.init(), x=x, y=y)
    read_only = x.copy()
    read_only.flags.writeable = False
    assert m.loss(m.init().astype(np.float64), x=read_only, y=y.astype(np.int8)) == m.loss(m.init(), x=x, y=y)
    kernels = [m._evaluate, m._predict]
    assert all(len(k.signatures) <= 1 for k in kernels), "an input's layout made Numba compile anew"


def test_predict_does_not_mind_inputs_of_the_loss(m: ModuleType) -> None:
    x, y = samples()
    assert (m.predict(m.init(), x=x, y=y)["logits"] == m.predict(m.init(), x=x)["logits"]).all()


REFUSED: dict[str, tuple[Callable[[Any, Any, Any], Any], str]] = {
    "missing": (
        lambda m, x, y: m.loss(m.init(), x=x),
        "the inputs' names differ\n  found:    x\n  expected: x, y",
    ),
    "unknown": (
        lambda m, x, y: m.loss(m.init(), x=x, y=y, z=x),
        "the inputs' names differ\n  found:    x, y, z\n  expected: x, y",
    ),
    "rank": (
        lambda m, x, y: m.loss(m.init(), x=x[0], y=y),
        "the input 'x' has the wrong shape\n  found:    (4,)\n  expected: (n, 4)",
    ),
    "features": (
        lambda m, x, y: m.loss(m.init(), x=x[:, :3], y=y),
        "the input 'x' has the wrong shape\n  found:    (50, 3)\n  expected: (n, 4)",
    ),
    "rows": (
        lambda m, x, y: m.loss(m.init(), x=x, y=y[:7]),
        "the input 'y' has the wrong shape\n  found:    (7,)\n  expected: (50)",
    ),
    "empty": (
        lambda m, x, y: m.loss(m.init(), x=x[:0], y=y[:0]),
        "the input 'x' has the wrong shape\n  found:    (0, 4)\n  expected: (n, 4)",
    ),
    "complex": (
        lambda m, x, y: m.loss(m.init(), x=x * 1j, y=y),
        "the input 'x' has the wrong dtype\n  found:    complex64\n  expected: float32\n  remedy:   convert it",
    ),
    "strings": (
        lambda m, x, y: m.loss(m.init(), x=x.astype(str), y=y),
        "the input 'x' has the wrong dtype\n  found:    <U32\n  expected: float32\n  remedy:   convert it",
    ),
    "real labels": (
        lambda m, x, y: m.loss(m.init(), x=x, y=y.astype(float)),
        "the input 'y' has the wrong dtype\n  found:    float64\n  expected: int64\n  remedy:   convert it",
    ),
    "large label": (
        lambda m, x, y: m.loss(m.init(), x=x, y=np.where(np.arange(50) == 9, 3, y)),
        "the input 'y' is out of range\n  found:    3 at element 9\n  expected: 0 to 2",
    ),
    "negative label": (
        lambda m, x, y: m.train_steps(m.init(), m.init_state(), x=x, y=y - 5),
        "the input 'y' is out of range\n  found:    -4 at element 0\n  expected: 0 to 2",
    ),
    "params": (
        lambda m, x, y: m.predict(m.init()[:-1], x=x),
        "params has the wrong shape\n  found:    (42,)\n  expected: (43)",
    ),
    "params in place": (
        lambda m, x, y: m.train_steps(m.init().astype(float), m.init_state(), x=x, y=y),
        "params cannot change in place\n  found:    another\n"
        "  expected: its own contiguous, writable float32 array",
    ),
    "state": (
        lambda m, x, y: m.train_steps(m.init(), m.init(), x=x, y=y),
        "state has the wrong shape\n  found:    (43,)\n  expected: (44)",
    ),
    "order": (
        lambda m, x, y: m.train_steps(m.init(), m.init_state(), x=x, y=y, order=[0, 50]),
        "order is out of range\n  found:    50 at element 1\n  expected: 0 to 49",
    ),
    "batch size": (
        lambda m, x, y: m.train_steps(m.init(), m.init_state(), x=x, y=y, batch_size=0),
        "batch_size is out of range\n  found:    0\n  expected: 1 to 9223372036854775807",
    ),
    "lr": (
        lambda m, x, y: m.train_steps(m.init(), m.init_state(), x=x, y=y, lr=float("nan")),
        "lr is out of range\n  found:    nan\n  expected: 0 to 3.4028234663852886e+38",
    ),
    "seed": (
        lambda m, x, y: m.init(seed="1"),
        "seed has the wrong dtype\n  found:    '1'\n  expected: int64\n  remedy:   convert it",
    ),
    "pack": (
        lambda m, x, y: m.pack({"linear_1.W": x}),
        "the parameters' names differ\n  found:    linear_1.W\n"
        "  expected: linear_1.W, linear_1.b, linear_2.W, linear_2.b",
    ),
    "nan": (
        lambda m, x, y: m.fit(x=np.where(np.arange(4) == 2, np.nan, x), y=y, lr=0.5, progress=False),
        "the input 'x' is out of range\n  found:    nan at element 2\n"
        "  expected: -3.4028234663852886e+38 to 3.4028234663852886e+38",
    ),
    "validation": (
        lambda m, x, y: m.fit(x=x, y=y, validation=1.5, progress=False),
        "validation cannot be used\n  found:    1.5\n  expected: (x, y), or a fraction of the rows",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(m: ModuleType, name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(m.InputError) as error:
        call(m, *samples())
    assert str(error.value) == message
    assert isinstance(error.value, ValueError) and isinstance(error.value, TypeError)


# --- where packages are missing ---------------------------------------------------------------------------------------


BLOCK = "import sys; sys.modules.update(dict.fromkeys({names!r})); sys.path.insert(0, {folder!r}); import numpy as np; "


def in_python(folder: Path, blocked: list[str], script: str) -> subprocess.CompletedProcess[str]:
    text = BLOCK.format(names=blocked, folder=str(folder)) + script
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=folder)


def test_without_the_compiler(m: ModuleType, folder: Path) -> None:
    script = "import classifier as m; print(m.loss(m.init(), x=np.ones((2, 4)), y=[0, 1]))"
    run = in_python(folder, ["nablac", "sympy", "jinja2", "matplotlib", "tqdm"], script)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) == m.loss(m.init(), x=np.ones((2, 4)), y=[0, 1])


def test_without_numba(m: ModuleType, folder: Path) -> None:
    script = "import classifier as m; print(m.predict(m.init(), x=np.ones((2, 4)))['logits'].tolist()); "
    run = in_python(
        folder, ["numba", "llvmlite", "nablac", "sympy"], script + "m.loss(m.init(), x=np.ones((2, 4)), y=[0, 1])"
    )
    np.testing.assert_allclose(
        ast.literal_eval(run.stdout), m.predict(m.init(), x=np.ones((2, 4)))["logits"], atol=1e-6
    )
    assert "InputError: this needs Numba\n  found:    it is not installed" in run.stderr


def test_the_cache_is_private(m: ModuleType, folder: Path) -> None:
    import numba

    place = Path(m.CACHE)
    assert place.parent == folder / "cache" / "nablac" and place.stat().st_mode & 0o777 == 0o700
    m.loss(m.init(), x=np.ones((2, 4)), y=[0, 1])
    assert any(place.rglob("*.nbi")) and numba.config.CACHE_DIR != m.CACHE


def test_a_cache_open_to_others_is_not_used(m: ModuleType, folder: Path) -> None:
    place = Path(m.CACHE)
    place.chmod(0o777)
    try:
        run = in_python(folder, [], "import classifier as m; print(repr(m.CACHE), m._evaluate._cache.cache_path)")
        assert run.stdout.split() == ["''", "None"], run.stderr
    finally:
        place.chmod(0o700)


def test_render_refuses_a_field_that_is_missing() -> None:
    view = view_of(classifier(), CLASSIFIER)
    assert render(view).startswith(MARK)
