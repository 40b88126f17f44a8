"""sweep/plan: a spec and the settings of a sweep -> the runs, and the modules they need.

Every setting is read as a whole spec before anything runs, so that what is wrong is told at once.  Settings that differ
only in what a module is given when it trains (the learning rate, and the numbers under ``train``) share a module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from nablac import __version__
from nablac.errors import NameError_, SpecError
from nablac.frontend.definition import did_you_mean
from nablac.frontend.load import train_arguments
from nablac.frontend.model import Model, Training
from nablac.frontend.spec import model_of_document, read_spec
from nablac.ir.tensor import Role
from nablac.network import compile as compile_network
from nablac.store import Stored, kept
from nablac.sweep.overlay import overlay
from nablac.sweep.settings import MOST, Setting, Value
from nablac.sweep.trial import Task

GIVEN = ("epochs", "batch_size", "seed", "patience", "checkpoint_every")
"""Of the trainer's numbers those that ``fit`` takes."""

FIXED = [field.name for field in fields(Training) if field.name not in GIVEN]
"""What of the trainer's numbers is part of the module."""


@dataclass(frozen=True)
class Trial:
    """One run: the number of its setting, from 1, and a key that is a function of all that decides what comes out."""

    setting: int
    task: Task
    key: str


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep.  ``values`` are the texts of each setting; ``measures`` what a run will tell.

    ``maximize`` says whether the loss is made large; None, if only some of the settings do.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    trials: tuple[Trial, ...]
    modules: int
    compiled: int
    measures: tuple[str, ...]
    maximize: bool | None = False

    @property
    def described(self) -> str:
        """How much there is to do."""
        counts = ((len(self.values), "setting"), (len(self.trials), "run"), (self.modules, "compiled module"))
        return ", ".join(f"{number} {what}" + ("" if number == 1 else "s") for number, what in counts)


def make_plan(spec: str | Path, settings: Sequence[Setting], chosen: Sequence[Sequence[Value]], repeats: int) -> Plan:
    """The plan of a spec under each choice of values, ``repeats`` runs each, with seeds one after the other.

    Raises the error that ``nablac compile`` would for a spec with these values.
    """
    chosen = _unique(chosen)
    if repeats * len(chosen) > MOST:
        raise SpecError("the sweep is too large", found=f"{repeats * len(chosen):,} runs", expected=f"at most {MOST:,}")
    models = _models(spec, settings, chosen)
    if repeats > 1 and len({model.training.seed for model in models}) > 1:
        raise SpecError(
            "the seed is set, and repeats set it too",
            where=next(s.where for s in settings if s.key in ("seed", "train.seed")),
            remedy="leave one of them out",
        )
    neutral = [_neutral(model) for model in models]
    made: list[str] = []
    texts = {digest: _text(model, made) for digest, model in {model.digest: model for model in neutral}.items()}
    trials = []
    for number, (model, plain) in enumerate(zip(models, neutral, strict=True), 1):
        text, arguments = texts[plain.digest], tuple(train_arguments(_located(model)))
        training = {**asdict(model.training), "lr": float(model.optimizer.lr)}
        for repeat in range(repeats):
            task = Task(model.name, text, arguments, {**training, "seed": training["seed"] + repeat})
            trials.append(Trial(number, task, _key(task)))
    values = tuple(tuple(value.text for value in row) for row in chosen)
    keys = tuple(setting.key for setting in settings)
    ways = {model.optimizer.maximize for model in models}
    maximize = ways.pop() if len(ways) == 1 else None
    return Plan(models[0].name, keys, values, tuple(trials), len(texts), len(made), _measures(models), maximize)


def _unique(chosen: Sequence[Sequence[Value]]) -> list[Sequence[Value]]:
    """What was drawn twice is run once."""
    return list({tuple(value.text for value in values): values for values in chosen}.values())


def _models(spec: str | Path, settings: Sequence[Setting], chosen: Sequence[Sequence[Value]]) -> list[Model]:
    if ".py:" in str(spec) or str(spec).endswith(".py"):
        raise SpecError("a sweep sets the keys of a spec", found=str(spec)[:80], expected="a .yaml file")
    document = read_spec(spec)
    models = [model_of_document(overlay(document, settings, values)) for values in chosen]
    for model in models:
        if model.data is None and model.program.having(Role.INPUT):
            raise SpecError(
                "a sweep trains on the data that the spec names, and it names none",
                where=document.place(()),
                remedy="add data: {train: FILE}, or --set data.train=FILE",
            )
    return models


def _neutral(model: Model) -> Model:
    """The model without what its module is given anew for each run, and without parts that no run needs."""
    training = replace(Training(), **{name: getattr(model.training, name) for name in FIXED})
    optimizer = replace(model.optimizer, lr=model.optimizer.lr**0)  # SymPy's 1
    return replace(
        model, training=training, optimizer=optimizer, module=replace(model.module, estimator=False, mpi=False)
    )


def _located(model: Model) -> Model:
    """Its data by full paths: a run may take place in another folder."""
    data = model.data
    return model if data is None else replace(model, data=replace(data, folder=str(Path(data.folder).resolve())))


def _text(model: Model, made: list[str]) -> str:
    """The module's text, from the cache or compiled now, of which ``made`` keeps count."""

    def make(folder: Path) -> Stored:
        made.append(model.name)
        return Stored(compile_network(model).write(folder / f"{model.name}.py"), ())

    return kept([b"sweep", model.source.encode()], make).path.read_text(encoding="utf-8")


def _key(task: Task) -> str:
    """Of the task and of the files it reads, by size and time."""
    files = [Path(argument) for argument in task.arguments]
    stamps = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists()]
    facts = [__version__, task.text, task.arguments, dict(task.training), stamps]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _measures(models: Sequence[Model]) -> tuple[str, ...]:
    """What every run will tell."""
    found: list[str] = []
    for part in ("val", "train"):
        if part == "train" or all(model.data is not None and model.data.validation for model in models):
            names = ["loss", *(name for name, _ in models[0].metrics)]
            found += [f"{part}_{name}" for name in names if all(name in ("loss", *dict(m.metrics)) for m in models)]
    return tuple(found)


def check_measure(name: str, plan: Plan) -> str:
    """The name, if a run tells it."""
    if name not in plan.measures:
        raise NameError_(
            f"no run measures '{name[:60]}'",
            expected=", ".join(plan.measures),
            remedy=did_you_mean(name, list(plan.measures)),
        )
    return name


def facts_of(trial: Trial, plan: Plan) -> Mapping[str, Any]:
    """What a kept run says of itself, so that it can be made again."""
    return {
        "settings": dict(zip(plan.keys, plan.values[trial.setting - 1], strict=True)),
        "training": dict(trial.task.training),
        "arguments": list(trial.task.arguments),
        "module": hashlib.sha256(trial.task.text.encode()).hexdigest(),
        "nablac": __version__,
    }
