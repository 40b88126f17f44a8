"""frontend/spec_training: a spec's optimizer, schedule and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sympy import Expr

from nablac.errors import NameError_, Place, SpecError
from nablac.frontend.definition import did_you_mean
from nablac.frontend.model import Optimizer, Training
from nablac.frontend.optimizers import make_optimizer, own_rule
from nablac.frontend.schedules import SCHEDULES, formula_schedule, named_schedule, one_after_another
from nablac.frontend.schema import Spec
from nablac.frontend.spec_network import check_text, lines
from nablac.frontend.update_rules import AROUND, RULES
from nablac.frontend.yaml_reader import Document, Path
from nablac.ir.declare import check_plain_name
from nablac.ir.syntax import FunctionText


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
        return self._rule(name, options, self._schedule(schedule, at, _rate(name, options)), places)

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
        options = ("lr", *(option.name for option in AROUND))
        known = ("equations", "state", "schedule", "name", *options)
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
        asked = {key: given[key] for key in options if key in given}
        places = {key: self.document.place((*path, key)) for key in (*asked, "state")}
        places[""] = self.document.place(path)
        schedule = self._schedule(given.get("schedule"), (*path, "schedule"), given.get("lr"))
        return make_optimizer(
            rule, asked, schedule=schedule, dtype=self.spec.dtype, functions=self.functions, where=places
        )

    def _schedule(self, given: Any, path: Path, lr: object) -> Expr | None:
        """A formula, a name, a name with options, or a list of these, each of which changes what the last one gave."""
        where: dict[str, Place | None] = {"": self.document.place(path)}
        epochs = self.spec.train.epochs
        if given is None:
            return None
        if isinstance(given, list):
            known = None if any(isinstance(item, str) and item not in SCHEDULES for item in given) else lr
            made = [self._schedule(item, (*path, number), known) for number, item in enumerate(given)]
            return one_after_another([schedule for schedule in made if schedule is not None], where[""])
        if isinstance(given, str) and given not in SCHEDULES:
            return formula_schedule(self.document.line(path), epochs)
        if isinstance(given, str):
            return named_schedule(given, {}, where, epochs, lr)
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
        return named_schedule(name, options, where, epochs, lr)

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
        for key in ("batch_size", "accumulate"):
            if key in section.model_fields_set and self._searches:
                raise SpecError(
                    f"the optimizer takes all samples in each step: '{key}' has no effect",
                    found=self._searches,
                    where=self.document.key(("train", key)),
                    remedy="leave it out, or choose another optimizer",
                )
        for key in ("patience", "checkpoint_every"):
            if getattr(section, key) and not self.spec.module.runs:
                raise SpecError(
                    f"the module has no part for runs, which '{key}' asks for",
                    found="module: {runs: false}",
                    where=self.document.key(("train", key)),
                    remedy="leave out one of the two",
                )
        return Training(**section.model_dump())

    @property
    def _searches(self) -> str:
        """The optimizer's name, if it has a line search."""
        names = (name for name, rule in RULES.items() if rule.search and name in self.spec.optimizer)
        return next(names, "")


def _rate(name: str, options: Mapping[str, Any]) -> object:
    """The learning rate of an optimizer with these options, if there is such an optimizer."""
    known = RULES[name].options if name in RULES else ()
    return options.get("lr", next((option.default for option in known if option.name == "lr"), None))
