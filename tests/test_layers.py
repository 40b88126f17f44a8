"""The house's own rules: imports go down one list, heavy packages stay behind their fences, no text is ever run."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "compiler" / "nablac"

LAYERS = (
    "errors", "extras", "ir", "algebra", "frontend", "passes", "pipeline", "lint", "plan", "emit", "report", "network",
    "verify", "store", "data", "runs", "sklearn", "sweep", "interchange", "cli",
)  # fmt: skip
"""Each layer may import itself and what stands to its left; ``__init__`` and ``__main__`` may import all."""

FENCES = {
    "sympy": ("ir.", "algebra.", "frontend.", "passes.", "lint.", "plan.", "emit.printer", "emit.stable", "emit.nests",
              "emit.code", "emit.entries", "emit.gemms", "emit.kernels", "emit.numpy_", "emit.writer", "report.",
              "pipeline", "network", "verify", "interchange.onnx_"),
    "jinja2": ("emit.render", "report."),
    "numba": (),
    "llvmlite": (),
    "pydantic": ("frontend.",),
    "ruamel": ("frontend.",),
    "click": ("cli",),
    "rich": ("cli", "report.", "runs."),
    "opt_einsum": ("passes.", "algebra."),
    "matplotlib": ("runs.",),
    "tqdm": (),
    "torch": ("interchange.",),
    "onnx": ("interchange.",),
    "onnxruntime": ("interchange.",),
    "safetensors": ("interchange.",),
    "sklearn": ("sklearn",),
    "joblib": ("sweep",),
    "distributed": ("sweep",),
    "pyarrow": ("data.",),
    "PIL": ("data.",),
    "tensorboard": ("runs.",),
    "scipy": (),
}  # fmt: skip
"""Who may import what: the modules whose names start so."""

RUNS_TEXT = {"eval", "exec", "compile", "__import__", "parse_expr", "lambdify"}
"""Calls that run text: none anywhere."""

MAY_RUN_TEXT = {"sympify", "S"}
"""Calls that run what they are given if it is text: none without ``strict=True``."""

PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}

FILE_LINES, FUNCTION_LINES = 400, 60


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name inside it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return found


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """What a module imports, in full, with the line, and whether it is needed when the module is loaded."""
    late = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    late |= {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            yield from ((f"{node.module}.{alias.name}", node.lineno, id(node) not in late) for alias in node.names)


def inside(name: str) -> str | None:
    """The module of the package that an import names (its attribute dropped), or None for other packages."""
    if name.split(".")[0] != "nablac":
        return None
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts)


def layer(module: str) -> str:
    return module.split(".")[0]


INNER = [m for m in MODULES if m not in ("__init__", "__main__")]


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer(m) for m in INNER} <= set(LAYERS)


def test_imports_only_go_down() -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for module in INNER
        for name, line, _ in imports(MODULES[module])
        if (target := inside(name))
        and target != "__init__"
        and LAYERS.index(layer(target)) > LAYERS.index(layer(module))
    ]
    assert not wrong, "\n".join(wrong)


def test_passes_do_not_import_each_other() -> None:
    wrong = [
        f"{module}:{line} imports {target}"
        for module in INNER
        if layer(module) == "passes"
        for name, line, _ in imports(MODULES[module])
        if (target := inside(name)) and layer(target) == "passes" and target not in ("passes", module)
    ]
    assert not wrong, "\n".join(wrong)


def test_there_are_no_cycles() -> None:
    graph = {
        module: sorted({t for name, _, early in imports(tree) if early and (t := inside(name)) and t != module})
        for module, tree in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "cycle: " + " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("package", FENCES)
def test_fences(package: str) -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module, tree in MODULES.items()
        for name, line, _ in imports(tree)
        if name.split(".")[0] == package and not f"{module}".startswith(FENCES[package])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_text_is_run() -> None:
    wrong = []
    for module, tree in MODULES.items():
        wrong += [
            f"{module}:{line} imports {name}" for name, line, _ in imports(tree) if name.split(".")[0] in PICKLERS
        ]
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            plain = name.removeprefix("sympy.")
            if plain in RUNS_TEXT or (
                plain in MAY_RUN_TEXT and not _guarded(node)
            ):
                wrong.append(f"{module}:{node.lineno} calls {name}")
            if any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords):
                wrong.append(f"{module}:{node.lineno} allows pickle")
    assert not wrong, "\n".join(wrong)


def _guarded(call: ast.Call) -> bool:
    """``sympify(x, strict=True)`` refuses text."""
    return any(k.arg == "strict" and ast.unparse(k.value) == "True" for k in call.keywords)


def test_the_wheel_holds_every_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    there = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert set(settings["packages"]) == there | {"nablac.templates"}


def test_the_first_line_says_what_a_file_is() -> None:
    missing = [m for m, tree in MODULES.items() if not ast.get_docstring(tree)]
    assert not missing


def test_sizes() -> None:
    """What is longer than the limits is printed, a place to look and not a verdict; twice as long is an error."""
    found: list[tuple[float, str]] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        lines = len(text.splitlines())
        found.append((lines / FILE_LINES, f"{name}: {lines} lines"))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                found.append((size / FUNCTION_LINES, f"{name}:{node.lineno} {node.name}: {size} lines"))
    print("\n".join(text for factor, text in found if factor > 1))
    assert not [text for factor, text in found if factor > 2]


@pytest.mark.parametrize("folder", ["compiler", "templates", "generated", "examples", "docs", "bench", "tests"])
def test_nothing_names_this_machine(folder: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".j2", ".md", ".yaml", ".txt"} and path != Path(__file__)
        if any(word in path.read_text(encoding="utf-8") for word in (str(Path.home()) + "/", f"{ROOT}/"))
    ]
    assert not wrong
