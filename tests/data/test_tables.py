"""Tables with texts and gaps: as CSV, read by the module itself, and as Parquet, by nablac.data; what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

import nablac.data
from nablac.errors import DataError, NablacError
from tests.data.conftest import PASSENGERS

MEAN = (22 + 38 + 35 + 35 + 54 + 2 + 27) / 7
FIRST = [22, 7.25, 0, 0, 0, 1]
"""Age, fare, sex as a number, ports C, Q, S as a column each."""


def test_a_table_of_texts(titanic: ModuleType, passengers: Path) -> None:
    data = titanic.load(passengers)
    assert data["x"].shape == (8, 6) and data["x"][0].tolist() == FIRST
    assert data["x"][1].tolist() == [38, 71.5, 1, 1, 0, 0] and data["x"][4].tolist() == [35, 8, 0, 0, 1, 0]
    assert data["x"][2, 0] == pytest.approx(MEAN) and data["x"][7, 3:].tolist() == [0, 0, 1]
    assert data["y"].tolist() == [0, 1, 1, 1, 0, 0, 0, 1] and data["w"].tolist() == [1, 2, 1, 1, 1, 1.5, 1, 1]
    assert titanic.CATEGORIES["port"] == ("C", "Q", "S") and titanic.ONE_HOT == ("port",)


def test_weights_by_column_are_those_of_the_loss(titanic: ModuleType, passengers: Path) -> None:
    data, params = titanic.load(passengers), titanic.init(1)
    z = titanic.predict(params, x=data["x"])["linear_1"].astype(float)
    each = np.log(np.exp(z).sum(1)) - z[np.arange(8), data["y"]]
    assert titanic.loss(params, **data) == pytest.approx((each * data["w"]).sum() / data["w"].sum(), rel=1e-5)


def test_new_rows_without_a_target_are_encoded_alike(titanic: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("sex,port,fare,age\nfemale,Q,8,30\n")  # one port alone, and columns in another order
    assert titanic.load(path)["x"].tolist() == [[30, 8, 1, 0, 1, 0]] and set(titanic.load(path)) == {"x"}


def parquet(path: Path, csv: Path) -> Path:
    """The table as a Parquet file."""
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(csv), path)
    return path


def test_parquet_reads_as_csv_does(titanic: ModuleType, passengers: Path) -> None:
    expected, path = titanic.load(passengers), parquet(passengers.with_suffix(".parquet"), passengers)
    found = nablac.data.read(titanic, path)
    assert set(found) == {"x", "y", "w"}
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_parquet_in_parts(titanic: ModuleType, passengers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(passengers.with_suffix(".parquet"), passengers)
    monkeypatch.setattr("nablac.data.parquet.ROWS", 3)
    parts = list(nablac.data.batches(titanic, path))
    assert [len(part["x"]) for part in parts] == [3, 3, 2]
    np.testing.assert_array_equal(np.concatenate([part["x"] for part in parts]), titanic.load(passengers)["x"])


def test_kinds_of_parquet_columns(titanic: ModuleType, passengers: Path) -> None:
    table = pyarrow.csv.read_csv(passengers)
    for name, kind in (("sex", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())), ("fare", pyarrow.float32()),
                       ("port", pyarrow.large_string()), ("weight", pyarrow.decimal128(8, 3))):  # fmt: skip
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).cast(kind))
    path = passengers.with_suffix(".parquet")
    pyarrow.parquet.write_table(table, path)
    np.testing.assert_array_equal(nablac.data.read(titanic, path)["x"], titanic.load(passengers)["x"])
    np.testing.assert_array_equal(nablac.data.read(titanic, path)["w"], titanic.load(passengers)["w"])


WRONG: dict[str, tuple[str, str, str]] = {
    "category": ("22,7.25,male", "22,7.25,mail",
                 "{} has no such value in column 'sex'\n  found:    'mail'\n  expected: one of 'male', 'female'"),
    "class": ("male,S,no", "male,S,non",
              "{} has no such value in column 'survived'\n  found:    'non'\n  expected: one of 'no', 'yes'"),
    "text": ("22,7.25,", "22,much,",
             "{} has no such value in column 'fare'\n  found:    'much'\n  expected: a finite float32 number\n"
             "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "too large": ("22,7.25,", "22,1e+39,",
                  "{} has no such value in column 'fare'\n  found:    '1e+39'\n  expected: a finite float32 number\n"
                  "  remedy:   mend it; a column of texts goes under 'one_hot' or 'index' in the spec's data"),
    "gap": ("22,7.25,", "22,,",
            "{} has no such value in column 'fare'\n  found:    ''\n  expected: a finite float32 number\n"
            "  remedy:   fill it, or say under 'missing' in the spec's data what it is"),
    "gap in a category": ("7.25,male", "7.25,NA",
                          "{} has no such value in column 'sex'\n  found:    'NA'\n"
                          "  expected: one of 'male', 'female'\n"
                          "  remedy:   fill it, or say under 'missing' in the spec's data what it is"),
    "column": ("fare", "fair", "FILE cannot be used\n  found:    no column 'fare', which 'x' takes"),
    "twice": ("name,", "age,", "FILE cannot be used\n  found:    column 'age' twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_place(titanic: ModuleType, passengers: Path, name: str) -> None:
    old, new, message = WRONG[name]
    passengers.write_text(PASSENGERS.replace(old, new, 1))
    with pytest.raises(titanic.InputError) as error:
        titanic.load(passengers)
    expected = message.format("line 2 of FILE")
    told = str(error.value).replace(str(passengers), "FILE")
    assert told.removesuffix("\n  expected: a .npz, .npy, .csv or IDX file") == expected
    path = parquet(passengers.with_suffix(".parquet"), passengers)
    with pytest.raises(DataError) as found:
        nablac.data.read(titanic, path)
    told = str(found.value).replace(str(path), "FILE")
    assert told == "DataError: " + expected.replace("line 2", "row 1")


def test_an_empty_table(titanic: ModuleType, passengers: Path) -> None:
    header = PASSENGERS.partition("\n")[0]
    passengers.write_text(header + "\n")
    with pytest.raises(titanic.InputError, match="wrong shape"):
        titanic.evaluate(titanic.init(), **titanic.load(passengers))
    path = passengers.with_suffix(".parquet")
    pyarrow.parquet.write_table(pyarrow.table({name: pyarrow.array([], "int64") for name in header.split(",")}), path)
    with pytest.raises(DataError, match="found:    no rows"):
        nablac.data.read(titanic, path)
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(DataError, match="found:    nothing that the inputs need"):
        nablac.data.read(titanic, path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(40) + b"PAR1", b"hello" * 9])
def test_damaged_parquet(titanic: ModuleType, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="x.parquet cannot be read") as error:
        nablac.data.read(titanic, path)
    assert str(error.value).endswith("expected: a Parquet file")


def test_a_page_of_parquet_that_is_damaged(titanic: ModuleType, passengers: Path) -> None:
    path = parquet(passengers.with_suffix(".parquet"), passengers)
    content = bytearray(path.read_bytes())
    content[len(content) // 8 : len(content) // 3] = b"\xff" * (len(content) // 3 - len(content) // 8)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be (read|used)"):
        nablac.data.read(titanic, path)


def test_columns_that_hold_no_numbers(titanic: ModuleType, passengers: Path) -> None:
    table = pyarrow.csv.read_csv(passengers)
    times = pyarrow.array(range(8), pyarrow.timestamp("s"))
    path = passengers.with_suffix(".parquet")
    pyarrow.parquet.write_table(table.set_column(table.column_names.index("fare"), "fare", times), path)
    with pytest.raises(DataError) as error:
        nablac.data.read(titanic, path)
    assert str(error.value).replace(str(path), "FILE") == (
        "DataError: column 'fare' of FILE cannot be read\n  found:    timestamp[ms]\n  expected: numbers or texts"
    )


def test_one_hot_without_columns_named(made: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """All columns but the target are the first input; how many that makes is known when a file is read."""
    module = made(
        "model: rest\ninputs: {x: \"real[n, 4]\", y: \"real[n]\"}\nnetwork: [{linear: 1, name: p}]\n"
        "loss: mean[i]((p[i, 0] - y[i])**2)\n"
        "data: {train: t.csv, target: price, one_hot: {kind: [a, b, 3]}}\n"
    )
    path = tmp_path / "t.csv"
    path.write_text("size,price,kind\n2,10,3\n4,20,a\n")
    data: dict[str, Any] = module.load(path)
    assert data["x"].tolist() == [[2, 0, 0, 1], [4, 1, 0, 0]] and data["y"].tolist() == [10, 20]
    path.write_text("size,price,kind,rooms\n2,10,b,1\n")
    with pytest.raises(module.InputError) as error:
        module.load(path)
    assert "'x' takes 4 columns" in str(error.value) and "5: size, kind (3), rooms" in str(error.value)


def test_sources_of_several_kinds(titanic: ModuleType, passengers: Path, tmp_path: Path) -> None:
    data = titanic.load(passengers)
    np.save(tmp_path / "x.npy", data["x"])
    path = tmp_path / "y.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"survived": ["no"] * 8}), path)
    both = nablac.data.read(titanic, tmp_path / "x.npy", path)
    assert set(both) == {"x", "y"} and not both["y"].any()
    with pytest.raises(NablacError, match="the target is no column"):
        nablac.data.read(titanic, path, target="lived")
