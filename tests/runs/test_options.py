"""What the words after ``nablac train SPEC`` become: options, data, names of classes; what is left to the module."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nablac.runs.data import balance_lines, class_names
from nablac.errors import OptionError
from nablac.runs.options import read_options, settings
from nablac.runs.session import train


def module(**more: Any) -> ModuleType:
    given = {"TARGET": "kind", "TRAINING": {"epochs": 5, "lr": 0.1}, "BATCHED": ("x", "y"), "LABELS": {"y": 3}}
    return cast(ModuleType, SimpleNamespace(**(given | more)))


def test_options_have_the_modules_defaults_and_kinds() -> None:
    options = read_options(module(), ["--epochs", "7", "--data", "a.npz", "b.npz", "--out", "here"])
    assert (options.data, options.val, options.target, options.out) == (["a.npz", "b.npz"], [], "kind", Path("here"))
    assert settings(module(), options) == {"epochs": 7, "lr": 0.1}


@pytest.mark.parametrize("wrong", [["--mpi"], ["--epochs", "2.5"], ["extra"], ["--data"]])
def test_what_is_no_option_is_told(wrong: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        read_options(module(), wrong)
    assert str(caught.value).endswith("\n  remedy:   nablac train --help lists the options")


def test_many_processes_are_left_to_the_module() -> None:
    seen = []
    made = module(Ranks=object, main=lambda arguments: seen.append(arguments) or 3)
    assert train(made, "spec.yaml", ["--mpi", "--epochs", "2"]) == 3
    assert seen == [["train", "--mpi", "--epochs", "2"]]


@pytest.mark.parametrize("given", [{"folds": 3}, {"tensorboard": Path("logs")}])
def test_what_many_processes_do_not_do_is_told(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as caught:
        train(module(Ranks=object), "spec.yaml", ["--mpi"], **given)
    assert str(caught.value) == (
        f"OptionError: these do not go together\n  found:    --{next(iter(given))} with --mpi\n"
        "  remedy:   leave one of them out"
    )


def test_the_names_of_classes(tmp_path: Path) -> None:
    for name in ("owl", "cat", "dog", ".hidden"):
        (tmp_path / name).mkdir()
    assert class_names(module(), [str(tmp_path)]) == ("cat", "dog", "owl")
    assert class_names(module(CATEGORIES={"kind": ("a", "b", "c"), "town": ("x",)}), ["t.csv"]) == ("a", "b", "c")
    assert class_names(module(CATEGORIES={"town": ("x",)}), ["t.csv"]) == ()
    assert class_names(module(LABELS={"y": 2}), [str(tmp_path)]) == (), "not as many as there are classes"
    assert class_names(module(LABELS={}), [str(tmp_path)]) == ()


def test_the_balance() -> None:
    even, uneven = np.repeat([0, 1, 2], [9, 10, 11]), np.repeat([0, 1], [9, 1])
    assert list(balance_lines(module(), {"y": even}, ())) == ["classes of y: 3, with 9 to 11 of 30 rows"]
    title, _, *rows = balance_lines(module(), {"y": uneven}, ("cat", "dog", "owl"))
    assert title == "classes of y" and [row.split()[:2] for row in rows] == [["cat", "9"], ["dog", "1"], ["owl", "0"]]
    assert list(balance_lines(module(LABELS={}), {"y": even}, ())) == []
