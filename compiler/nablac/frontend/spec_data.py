"""frontend/spec_data: a spec's data section: its files, which columns an input takes, and how they are read."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import sympy

from nablac.errors import DataError, NameError_, ParseError, SpecError
from nablac.frontend.definition import did_you_mean
from nablac.frontend.model import Data, Images
from nablac.frontend.schema import DataSection, Spec
from nablac.frontend.table import categories, is_number, typical
from nablac.frontend.yaml_reader import Document, Path
from nablac.ir.declare import LARGEST
from nablac.ir.functions import Access
from nablac.ir.parse import parse_expression
from nablac.ir.tensor import Tensor

TABLES = (".csv", ".parquet")


class DataReader:
    """The walk over a spec's data section."""

    def __init__(self, document: Document, spec: Spec) -> None:
        self.document, self.inputs, self.reads_tables = document, spec.inputs, spec.module.tables
        self.folder = FilePath(document.file).parent

    def data(self, section: DataSection | None) -> Data | None:
        if section is None:
            return None
        if not self.inputs:
            raise SpecError("the model reads no data: it has no inputs", where=self.document.key(("data",)))
        for path, names in _named_inputs(section.model_dump()):
            for name in names:
                if name not in self.inputs:
                    raise NameError_(
                        f"there is no input '{name[:60]}'",
                        expected="one of " + ", ".join(self.inputs),
                        where=self.document.key((*path, name)),
                        remedy=did_you_mean(name, list(self.inputs)),
                    )
        self._check_sources(section)
        columns = {name: (c,) if isinstance(c, str) else tuple(c) for name, c in section.columns.items()}
        one_hot, index = self._categories(section, "one_hot"), self._categories(section, "index")
        index |= self._classes(section)
        self._check_columns(columns, one_hot, index)
        validation = section.validation
        return Data(
            train=_source(section.train) or {},
            validation=validation if isinstance(validation, float) else _source(validation),
            target=section.target,
            prepare={name: self._affine(name) for name in section.prepare},
            folder=str(self.folder),
            columns=columns,
            one_hot=one_hot,
            index=index,
            missing={name: self._stands_for(section, name, one_hot | index) for name in section.missing},
            images=Images(**section.images.model_dump()) if section.images else None,
            found=self._found(section),
        )

    # --- files --------------------------------------------------------------------------------------------------------

    def _files(self, section: DataSection) -> list[FilePath]:
        """The training files."""
        train = section.train
        return [self.folder / file for file in ([train] if isinstance(train, str) else dict.fromkeys(train.values()))]

    def _check_sources(self, section: DataSection) -> None:
        """A file for every input, columns only of tables, and formulas only for real inputs."""
        for key in ("train", "validation"):
            source = getattr(section, key)
            missing = [name for name in self.inputs if name not in source] if isinstance(source, Mapping) else []
            if missing:
                raise SpecError(
                    f"'data.{key}' has no file for input '{missing[0]}'",
                    expected=", ".join(self.inputs),
                    where=self.document.place(("data", key)),
                )
        names = [file.name.removesuffix(".gz") for file in self._files(section)]
        tables = any(name.endswith(TABLES) for name in names)
        for key in ("target", "columns", "one_hot", "index", "missing"):
            if getattr(section, key) and not tables:
                raise SpecError(
                    f"'data.{key}' is of a table's columns, and there is none",
                    found=", ".join(names)[:80],
                    expected="a .csv or .parquet file",
                    where=self.document.key(("data", key)),
                )
            if getattr(section, key) and not self.reads_tables:
                raise SpecError(
                    f"'data.{key}' is of a table's columns, and the module reads no tables",
                    found="module: {tables: false}",
                    where=self.document.key(("data", key)),
                )
        for name in section.prepare:
            if not self.inputs[name].strip().startswith("real"):
                raise SpecError(
                    f"input '{name}' is not real: it is read as it is",
                    found=self.inputs[name],
                    where=self.document.key(("data", "prepare", name)),
                )
        if section.target is not None and (last := list(self.inputs)[-1]) in section.columns:
            raise SpecError(
                f"'data.target' and 'data.columns' both say what '{last}' is",
                where=self.document.key(("data", "target")),
                remedy="leave one of them out",
            )

    def _found(self, section: DataSection) -> tuple[str, ...]:
        """The files that decided something of the model."""
        asked = isinstance(section.one_hot, list) or isinstance(section.index, list)
        asked |= any(value in ("mean", "median") for value in section.missing.values())
        files = [file for file in self._files(section) if os.path.isdir(file) or (asked and file.suffix == ".csv")]
        return tuple(os.path.realpath(file) for file in files)

    # --- columns ------------------------------------------------------------------------------------------------------

    def _categories(self, section: DataSection, key: str) -> dict[str, tuple[str, ...]]:
        """The categories of columns, as the spec lists them or as the training table has them."""
        given = getattr(section, key)
        if isinstance(given, Mapping):
            found = {column: tuple(map(str, listed)) for column, listed in given.items()}
            for column, listed in found.items():
                if twice := [text for text in listed if listed.count(text) > 1]:
                    raise SpecError(
                        f"column '{column}' has the category '{twice[0]}' twice",
                        where=self.document.key(("data", key, column)),
                    )
            return found
        tables = [file for file in self._files(section) if file.suffix == ".csv"]
        found = {}
        for number, column in enumerate(given):
            place = self.document.place(("data", key, number))
            if not tables:
                raise SpecError(
                    f"the categories of column '{column}' are not known",
                    found="no .csv file to train on, from which they could be read",
                    expected=f"{key}: {{{column}: [one, another]}}",
                    where=place,
                )
            try:
                found[column] = categories(tables, column)
            except DataError as error:
                raise error.at(place) from None
        return found

    def _classes(self, section: DataSection) -> dict[str, tuple[str, ...]]:
        """The classes of images are the folders that they lie in; they are kept under the target's name."""
        folders = [file for file in self._files(section) if os.path.isdir(file)]
        if not folders:
            return {}
        names = tuple(sorted(entry.name for entry in folders[0].iterdir() if entry.is_dir() and entry.name[0] != "."))
        if not names:
            raise SpecError(
                "the folder of images has no classes",
                found=f"no folders in {folders[0]}",
                expected="a folder for each class, with its images in it",
                where=self.document.place(("data", "train")),
            )
        return {list(self.inputs)[-1]: names}

    def _stands_for(self, section: DataSection, column: str, listed: Mapping[str, Sequence[str]]) -> str:
        """What stands for a missing value of a column."""
        value, place = section.missing[column], self.document.place(("data", "missing", column))
        if value not in ("mean", "median"):
            if column in listed and str(value) not in listed[column]:
                raise SpecError(
                    f"'{value}' is no category of column '{column}'",
                    expected="one of " + ", ".join(listed[column]),
                    where=place,
                )
            if column not in listed and not is_number(str(value)):
                raise SpecError(f"'{value}' stands for no number", expected="a number, mean or median", where=place)
            return str(value)
        if isinstance(section.validation, float):
            raise SpecError(
                f"the {value} of column '{column}' would know the rows that are held out",
                found=f"validation: {section.validation}",
                where=place,
                remedy="give a number, or validation in a file of its own",
            )
        tables = [file for file in self._files(section) if file.suffix == ".csv"]
        if not tables:
            raise SpecError(
                f"the {value} of column '{column}' is not known", expected="a number, or a .csv file", where=place
            )
        try:
            return repr(typical(tables, column, value))
        except DataError as error:
            raise error.at(place) from None

    def _check_columns(
        self,
        columns: Mapping[str, Sequence[str]],
        one_hot: Mapping[str, Sequence[str]],
        index: Mapping[str, Sequence[str]],
    ) -> None:
        """As many columns as the input has numbers, and no more categories than the label has classes."""
        if both := [column for column in one_hot if column in index]:
            raise SpecError(f"column '{both[0]}' has one number or a column for each category, not both",
                            where=self.document.key(("data", "index")))  # fmt: skip
        for name, chosen in columns.items():
            where, (kind, extents) = self.document.key(("data", "columns", name)), _declared(self.inputs[name])
            if twice := [column for column in chosen if chosen.count(column) > 1]:
                raise SpecError(f"input '{name}' has column '{twice[0]}' twice", where=where)
            if kind != "real" and (hot := [column for column in chosen if column in one_hot]):
                raise SpecError(
                    f"input '{name}' takes the number of a category",
                    found=f"one_hot: {hot[0]}",
                    where=where,
                    remedy=f"put {hot[0]} under 'index'",
                )
            counted = [f"{c} ({len(one_hot[c])})" if c in one_hot else c for c in chosen]
            width = sum(len(one_hot[c]) if c in one_hot else 1 for c in chosen)
            if None not in extents and width != math.prod(e for e in extents if e is not None):
                raise SpecError(
                    f"input '{name}' has another number of columns",
                    found=f"{width}: {', '.join(counted)}",
                    expected=f"{math.prod(e for e in extents if e is not None)}, for {self.inputs[name]}",
                    where=where,
                )

    def _affine(self, name: str) -> tuple[float, float]:
        """A formula such as ``(x/255 - 0.5)/0.5`` as its factor and offset."""
        line = self.document.line(("data", "prepare", name))
        body = parse_expression(line, "prepare", {name: Tensor(name)}).equations[-1].body
        x = sympy.Symbol("x")
        body = sympy.expand(body.xreplace({Access(name): x}))
        factor, offset = body.coeff(x, 1), body.coeff(x, 0)
        affine = sympy.expand(body - factor * x - offset) == 0 and factor.is_number and offset.is_number
        if not affine or factor == 0 or max(abs(factor), abs(offset)) > LARGEST:
            raise ParseError(
                f"'prepare' of '{name}' is no factor and offset",
                found=line.text[:80],
                expected=f"a formula such as ({name}/255 - 0.5)/0.5",
                where=line.where,
            )
        return float(factor), float(offset)


def _named_inputs(section: Mapping[str, Any]) -> Iterator[tuple[Path, list[str]]]:
    for key in ("train", "validation", "prepare", "columns"):
        value = section[key]
        if isinstance(value, Mapping):
            yield ("data", key), list(value)


def _source(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    return dict(given) if isinstance(given, Mapping) else {"": str(given)}


def _declared(text: str) -> tuple[str, list[int | None]]:
    """The kind of an input, and the extents behind its first; None for one that is only named.

    >>> _declared("real[n, 3, 4]"), _declared("label[n, 3]"), _declared("real[n, k]")
    (('real', [3, 4]), ('label', []), ('real', [None]))
    """
    kind, _, inside = text.partition("[")
    words = re.findall(r"\w+", inside)[1:]
    words = words[:-1] if kind.strip() == "label" else words
    return kind.strip(), [int(word) if word.isdecimal() else None for word in words]
