"""The data section of a spec: what it finds in the training files, and its mistakes, as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nablac.cli import main
from nablac.frontend.load import train_arguments
from nablac.frontend.spec import model_of_spec
from tests.data.conftest import PASSENGERS, TITANIC

NET = """\
model: m
inputs: {x: "real[n, 2]", y: "label[n, 2]"}
network: [{linear: 2}]
loss: cross_entropy
data:
  train: passengers.csv
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "passengers.csv").write_text(PASSENGERS)
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "dog").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_categories_are_found_in_order(folder: Path) -> None:
    (folder / "passengers.csv").write_text("kind,y,level\nb,0,10\n,1,9\na,1,-1\n")
    text = NET + "  one_hot: [kind, level]\n  missing: {kind: a}\n"
    data = model_of_spec(text.replace("real[n, 2]", "real[n, 5]"), str(folder / "s.yaml")).data
    assert data is not None
    assert data.one_hot == {"kind": ("a", "b"), "level": ("-1", "9", "10")}
    assert data.found == (str((folder / "passengers.csv").resolve()),)
    median = model_of_spec(NET + "  missing: {level: median}\n", str(folder / "s.yaml")).data
    assert median is not None and median.missing == {"level": "9.0"}
    pets = model_of_spec(NET.replace("passengers.csv", "pets"), str(folder / "s.yaml")).data
    assert pets is not None and pets.index == {"y": ("cat", "dog")} and pets.found == (str(folder / "pets"),)


def test_what_is_found_decides_the_module(folder: Path) -> None:
    text = NET + "  columns: {x: [age, fare], y: sex}\n  index: [sex]\n"
    one = model_of_spec(text, str(folder / "s.yaml"))
    (folder / "passengers.csv").write_text(PASSENGERS.replace("female", "woman"))
    assert model_of_spec(text, str(folder / "s.yaml")).digest != one.digest
    assert model_of_spec(NET, str(folder / "s.yaml")).digest == model_of_spec(NET, str(folder / "t.yaml")).digest


def test_files_come_in_the_order_in_which_the_module_reads_them() -> None:
    text = 'model: m\ninputs: {y: "label[n, 2]", x: "real[n, 2]"}\nnetwork: [{linear: {units: 2, from: x}}]\n'
    text += "loss: {cross_entropy: [linear_1, y]}\ndata: {train: {y: labels.gz, x: images.gz}}\n"
    assert train_arguments(model_of_spec(text)) == ["--data", "images.gz", "labels.gz"]


WRONG = [
    (
        "  columns: {x: [age, fare, port], y: survived}\n  one_hot: {port: [C, Q, S]}\n",
        """
        SpecError: input 'x' has another number of columns
          found:    5: age, fare, port (3)
          expected: 2, for real[n, 2]
          where:    s.yaml:7:13
        """,
    ),
    (
        "  columns: {x: [age, age]}\n",
        """
        SpecError: input 'x' has column 'age' twice
          where:    s.yaml:7:13
        """,
    ),
    (
        "  columns: {x: [age, fare], y: survived}\n  one_hot: [survived]\n",
        """
        SpecError: input 'y' takes the number of a category
          found:    one_hot: survived
          where:    s.yaml:7:29
          remedy:   put survived under 'index'
        """,
    ),
    (
        "  columns: {y: survived}\n  target: survived\n",
        """
        SpecError: 'data.target' and 'data.columns' both say what 'y' is
          where:    s.yaml:8:3
          remedy:   leave one of them out
        """,
    ),
    (
        "  one_hot: [sex]\n  index: [sex]\n",
        """
        SpecError: column 'sex' has one number or a column for each category, not both
          where:    s.yaml:8:3
        """,
    ),
    (
        "  one_hot: [sex, gender]\n",
        """
        DataError: passengers.csv has no column 'gender'
          found:    name, age, fare, sex, port, survived, weight
          where:    s.yaml:7:18
        """,
    ),
    (
        "  index: {sex: [male, male]}\n",
        """
        SpecError: column 'sex' has the category 'male' twice
          where:    s.yaml:7:11
        """,
    ),
    (
        "  index: {sex: [male, female]}\n  missing: {sex: none}\n",
        """
        SpecError: 'none' is no category of column 'sex'
          expected: one of male, female
          where:    s.yaml:8:18
        """,
    ),
    (
        "  missing: {age: young}\n",
        """
        SpecError: 'young' stands for no number
          expected: a number, mean or median
          where:    s.yaml:7:18
        """,
    ),
    (
        "  missing: {sex: mean}\n",
        """
        DataError: column 'sex' has no numbers, so no mean
          found:    passengers.csv
          where:    s.yaml:7:18
        """,
    ),
    (
        "  validation: 0.2\n  missing: {age: mean}\n",
        """
        SpecError: the mean of column 'age' would know the rows that are held out
          found:    validation: 0.2
          where:    s.yaml:8:18
          remedy:   give a number, or validation in a file of its own
        """,
    ),
    (
        "  columns: {z: age}\n",
        """
        NameError: there is no input 'z'
          expected: one of x, y
          where:    s.yaml:7:13
        """,
    ),
]


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_mistakes(folder: Path, lines: str, message: str) -> None:
    with pytest.raises(Exception) as error:  # noqa: B017, PT011 - the text says which
        model_of_spec(NET + lines, str(folder / "s.yaml"))
    told = str(error.value).replace(f"{folder}/", "").splitlines()
    assert told == [line[8:] for line in message.split("\n")[1:-1]]


def test_sources_that_leave_something_open(folder: Path) -> None:
    for old, new, told in (
        ("passengers.csv", "none.csv\n  one_hot: [a]", "none.csv cannot be read"),
        ("passengers.csv", "a.parquet\n  one_hot: [a]", "the categories of column 'a' are not known"),
        ("passengers.csv", "a.parquet\n  missing: {a: mean}", "the mean of column 'a' is not known"),
        ("passengers.csv", "empty", "the folder of images has no classes"),
        ("passengers.csv", "a.npz\n  index: [a]", "'data.index' is of a table's columns, and there is none"),
    ):
        with pytest.raises(Exception, match=told):
            model_of_spec(NET.replace(old, new), str(folder / "s.yaml"))


def test_a_module_without_tables(folder: Path) -> None:
    text = NET + "  index: {sex: [male, female]}\nmodule: {tables: false}\n"
    with pytest.raises(Exception, match="'data.index' is of a table's columns, and the module reads no tables"):
        model_of_spec(text, str(folder / "s.yaml"))


def test_a_column_of_many_values_is_no_category(folder: Path) -> None:
    (folder / "passengers.csv").write_text("name,y\n" + "".join(f"p{k},0\n" for k in range(1001)))
    with pytest.raises(Exception, match="column 'name' is no category\n  found:    more than 1,000 different values"):
        model_of_spec(NET + "  one_hot: [name]\n", str(folder / "s.yaml"))


def test_training_on_a_table_from_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    spec = folder / "titanic.yaml"
    spec.write_text(TITANIC)
    words = ["train", str(spec), "--epochs", "2", "--no-plots", "--out"]
    result = CliRunner().invoke(main, [*words, str(folder / "run")])
    assert result.exit_code == 0, result.output
    assert "classes of y" in result.output
    result = CliRunner().invoke(main, [*words, str(folder / "folds"), "--folds", "4"])
    assert result.exit_code == 0, result.output
    assert (folder / "folds" / "folds.csv").exists() and "mean" in result.output
    # the table has changed: what was found in it is found anew, and not the old module
    (folder / "passengers.csv").write_text(PASSENGERS.replace(",Q,", ",X,"))
    result = CliRunner().invoke(main, [*words, str(folder / "again")])
    assert result.exit_code == 0, result.output
    (folder / "passengers.csv").write_text(PASSENGERS.replace("fare", "fee"))
    result = CliRunner().invoke(main, [*words, str(folder / "wrong")])
    assert result.exit_code == 2 and "no column 'fare', which 'x' takes" in result.output
