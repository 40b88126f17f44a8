"""frontend/spec_training: a spec's optimizer, schedule and data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

import sympy
from sympy import Expr

from nablac.errors import NameError_, ParseError, Place, SpecError
from nablac.frontend.definition import did_you_mean
from nablac.frontend.model import Data, Optimizer, Training
from nablac.frontend.optimizers import make_optimizer, own_rule
from nablac.frontend.schedules import SCHEDULES, formula_schedule, named_schedule, one_after_another
from nablac.frontend.schema import DataSection, Spec
from nablac.frontend.spec_network import check_text, lines
from nablac.frontend.update_rules import RULES
from nablac.frontend.yaml_reader import Document, Path
from nablac.ir.declare import LARGEST, check_plain_name
from nablac.ir.functions import Access
from nablac.ir.parse import parse_expression
from nablac.ir.syntax import FunctionText
from nablac.ir.tensor import Tensor


class TrainingReader:
    """The walk over how a spec is trained."""

    def __init__(self, document: Document, spec: Spec, functions: Mapping[str, FunctionText]) -> None:
        self.document, self.spec, self.functions = document, spec, functions

    def optimizer(self) -> Optimizer:
        given, path = self.spec.optimizer, ("optimizer",)
        places: dict[str, Place | None] = {"": self.document.place(path)}
        if isinstance(given, str):
            return self._rule(given, {}, None, places)
        if "equations" in given:
            return self._own_optimizer(given)
        names = [key for key in given if key != "schedule"]
        if len(names) != 1:
            others = [key for key in names if key not in RULES]
            raise SpecError(
                "an optimizer has one name",
                found=", ".join(names)[:80] or "none",
                expected="adam: {lr: 0.001}, or equations of your own",
                where=self.document.key((*path, others[0])) if others else places[""],
                remedy=did_you_mean(others[0], ["schedule", *RULES]) if others else None,
            )
        (name,) = names
        value = given[name]
        options = dict(value) if isinstance(value, Mapping) else {} if value is None else {"lr": value}
        inner: Path = ("optimizer", name)
        places |= {key: self.document.key((*inner, key)) for key in options}
        places[""] = self.document.key(inner)
        schedule = given.get("schedule")
        at: Path = ("optimizer", "schedule")
        if "schedule" in options:
            schedule, at = options.pop("schedule"), (*inner, "schedule")
        return self._rule(name, options, self._schedule(schedule, at), places)

    def _rule(
        self, name: str, options: dict[str, Any], schedule: Expr | None, places: dict[str, Place | None]
    ) -> Optimizer:
        if name not in RULES:
            raise NameError_(
                f"there is no optimizer '{name[:60]}'",
                expected="one of " + ", ".join(RULES) + ", or equations of your own",
                where=places[""],
                remedy=did_you_mean(name, list(RULES)),
            )
        return make_optimizer(RULES[name], options, schedule=schedule, dtype=self.spec.dtype, where=places)

    def _own_optimizer(self, given: Mapping[str, Any]) -> Optimizer:
        path: Path = ("optimizer",)
        known = ("equations", "state", "lr", "schedule", "name")
        for key in given:
            if key not in known:
                raise SpecError(
                    f"an optimizer of your own has no '{key[:60]}'",
                    expected="one of " + ", ".join(known),
                    where=self.document.key((*path, key)),
                    remedy=did_you_mean(key, known),
                )
        equations, state = given["equations"], given.get("state", [])
        state = [state] if isinstance(state, str) else state
        for key, value in (("equations", equations), ("state", state)):
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in texts):
                raise SpecError(
                    f"'optimizer.{key}' cannot be {value!r}"[:120],
                    expected="a list of texts",
                    where=self.document.place((*path, key)),
                )
        name = given.get("name", "own")
        check_text(name, "an optimizer's name", self.document.place((*path, "name")))
        check_plain_name(name, self.document.place((*path, "name")))
        rule = own_rule(list(lines(self.document, (*path, "equations"), equations)), state, name)
        options = {"lr": given["lr"]} if "lr" in given else {}
        places = {key: self.document.place((*path, key)) for key in ("lr", "state")} | {"": self.document.place(path)}
        schedule = self._schedule(given.get("schedule"), (*path, "schedule"))
        return make_optimizer(
            rule, options, schedule=schedule, dtype=self.spec.dtype, functions=self.functions, where=places
        )

    def _schedule(self, given: Any, path: Path) -> Expr | None:
        """A formula, a name, a name with options, or a list of these, each of which changes what the last one gave."""
        where: dict[str, Place | None] = {"": self.document.place(path)}
        epochs = self.spec.train.epochs
        if given is None:
            return None
        if isinstance(given, list):
            made = [self._schedule(item, (*path, number)) for number, item in enumerate(given)]
            return one_after_another([schedule for schedule in made if schedule is not None])
        if isinstance(given, str) and given not in SCHEDULES:
            return formula_schedule(self.document.line(path), epochs)
        if isinstance(given, str):
            return named_schedule(given, {}, where, epochs)
        if not isinstance(given, Mapping) or len(given) != 1:
            raise SpecError(
                "a schedule has one name",
                expected="step: {every: 10, gamma: 0.5}, or a formula of lr0, epoch and epochs",
                where=where[""],
            )
        ((name, value),) = given.items()
        first = next((option.name for option in SCHEDULES[name].options), "") if name in SCHEDULES else ""
        options = dict(value) if isinstance(value, Mapping) else {} if value is None else {first: value}
        where |= {key: self.document.key((*path, name, key)) for key in options}
        where[""] = self.document.key((*path, name))
        return named_schedule(name, options, where, epochs)

    def training(self) -> Training:
        """The trainer's numbers; a size of batches is refused where there are none."""
        section = self.spec.train
        batched = any(re.match(r"\s*\w+\s*\[\s*[A-Za-z_]", text) for text in self.spec.inputs.values())
        if "batch_size" in section.model_fields_set and not batched:
            raise SpecError(
                "no input is taken in batches: 'batch_size' has no effect",
                found="no input whose first axis is a name",
                expected='such as x: "real[n, 4]"',
                where=self.document.key(("train", "batch_size")),
                remedy="leave it out",
            )
        return Training(**section.model_dump())

    def data(self) -> Data | None:
        section = self.spec.data
        if section is None:
            return None
        inputs = self.spec.inputs
        if not inputs:
            raise SpecError("the model reads no data: it has no inputs", where=self.document.key(("data",)))
        for path, names in self._named_inputs(section.model_dump()):
            for name in names:
                if name not in inputs:
                    raise NameError_(
                        f"there is no input '{name[:60]}'",
                        expected="one of " + ", ".join(inputs),
                        where=self.document.key((*path, name)),
                        remedy=did_you_mean(name, list(inputs)),
                    )
        self._check_sources(section)
        validation = section.validation
        return Data(
            train=_source(section.train) or {},
            validation=validation if isinstance(validation, float) else _source(validation),
            target=section.target,
            prepare={name: self._affine(name) for name in section.prepare},
            folder=str(FilePath(self.document.file).parent),
        )

    def _check_sources(self, section: DataSection) -> None:
        """A file for every input, and formulas only for real ones."""
        for key in ("train", "validation"):
            source = getattr(section, key)
            missing = [name for name in self.spec.inputs if name not in source] if isinstance(source, Mapping) else []
            if missing:
                raise SpecError(
                    f"'data.{key}' has no file for input '{missing[0]}'",
                    expected=", ".join(self.spec.inputs),
                    where=self.document.place(("data", key)),
                )
        files = [section.train] if isinstance(section.train, str) else list(section.train.values())
        if section.target is not None and not any(file.removesuffix(".gz").endswith(".csv") for file in files):
            raise SpecError(
                "'data.target' is a column of a .csv file, and there is none",
                found=", ".join(files)[:80],
                where=self.document.key(("data", "target")),
            )
        for name in section.prepare:
            if not self.spec.inputs[name].strip().startswith("real"):
                raise SpecError(
                    f"input '{name}' is not real: it is read as it is",
                    found=self.spec.inputs[name],
                    where=self.document.key(("data", "prepare", name)),
                )

    @staticmethod
    def _named_inputs(section: Mapping[str, Any]) -> Iterator[tuple[Path, list[str]]]:
        for key in ("train", "validation", "prepare"):
            value = section[key]
            if isinstance(value, Mapping):
                yield ("data", key), list(value)

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


def _source(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    return dict(given) if isinstance(given, Mapping) else {"": str(given)}
