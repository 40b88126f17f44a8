"""sweep/results: the outcomes of a plan -> a table: a row for each setting, the best first."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nablac.emit.write import replace
from nablac.sweep.plan import Plan, Trial
from nablac.sweep.trial import Outcome


@dataclass(frozen=True)
class Row:
    """A setting: values, how its runs ended, and the mean and deviation of measures over those that are done."""

    setting: int
    values: tuple[str, ...]
    ends: Mapping[str, int]
    measures: Mapping[str, tuple[float, float]]
    seconds: float

    @property
    def status(self) -> str:
        """In words, the same for all or how many of each."""
        if len(self.ends) == 1:
            return next(iter(self.ends))
        return ", ".join(f"{count} {end}" for end, count in self.ends.items())


@dataclass(frozen=True)
class Results:
    """The table.  ``by`` is the measure that the rows are sorted by; with ``largest``, down from the largest.

    A setting of which a run failed stands below those that are whole: the mean of what is left would flatter it.
    """

    plan: Plan
    outcomes: Mapping[str, Outcome]
    by: str
    largest: bool

    @property
    def rows(self) -> list[Row]:
        """The settings of which a run has ended, the best first."""
        ended: dict[int, list[Outcome]] = {}
        for trial in self.plan.trials:
            if trial.key in self.outcomes:
                ended.setdefault(trial.setting, []).append(self.outcomes[trial.key])
        return sorted((self._row(number, outcomes) for number, outcomes in ended.items()), key=self._rank)

    @property
    def whole(self) -> bool:
        """Whether every run has ended."""
        return all(trial.key in self.outcomes for trial in self.plan.trials)

    @property
    def shown(self) -> list[str]:
        """The measures in the order of the table: what it is sorted by, then the others."""
        return [self.by, *(name for name in self.plan.measures if name != self.by)]

    @property
    def repeats(self) -> int:
        """Runs of each setting."""
        return len(self.plan.trials) // len(self.plan.values)

    @property
    def best(self) -> tuple[Row, Trial] | None:
        """The best setting, and its best run."""
        rows = self.rows
        if not rows or not self._good(rows[0]):
            return None
        sign = -1 if self.largest else 1
        runs = [t for t in self.plan.trials if t.setting == rows[0].setting and t.key in self.outcomes]
        return rows[0], min(runs, key=lambda t: sign * self.outcomes[t.key].measures[self.by])

    @property
    def failures(self) -> list[tuple[Trial, Outcome]]:
        """The runs that are not done, and why."""
        ended = [(trial, self.outcomes[trial.key]) for trial in self.plan.trials if trial.key in self.outcomes]
        return [(trial, outcome) for trial, outcome in ended if outcome.status != "done"]

    def _row(self, number: int, outcomes: Sequence[Outcome]) -> Row:
        done = [outcome for outcome in outcomes if outcome.status == "done"]
        measures = {
            name: _spread([outcome.measures[name] for outcome in done])
            for name in self.plan.measures
            if done and all(name in outcome.measures for outcome in done)
        }
        ends, seconds = Counter(o.status for o in outcomes), sum(o.seconds for o in outcomes)
        return Row(number, self.plan.values[number - 1], ends, measures, seconds)

    def _good(self, row: Row) -> bool:
        return set(row.ends) == {"done"} and math.isfinite(row.measures.get(self.by, (math.nan, 0.0))[0])

    def _rank(self, row: Row) -> tuple[bool, float, int]:
        value = row.measures.get(self.by, (math.nan, 0.0))[0]
        return not self._good(row), (-value if self.largest else value) if math.isfinite(value) else 0.0, row.setting

    def settings_csv(self) -> str:
        """A line for each setting, the best first: the same bytes, however many runs took place at once."""
        header = ["setting", *self.plan.keys, "status", "runs"]
        header += [title for name in self.shown for title in ((name, f"{name}_std") if self.repeats > 1 else (name,))]
        lines: list[Sequence[object]] = []
        for row in self.rows:
            numbers = [row.measures.get(name) for name in self.shown]
            cells = [repr(n) for pair in numbers for n in (pair or (math.nan, math.nan))[: 1 + (self.repeats > 1)]]
            lines.append([row.setting, *row.values, row.status, sum(row.ends.values()), *cells])
        return _csv(header, lines)

    def runs_csv(self) -> str:
        """A line for each run, in the order of the plan."""
        lines: list[Sequence[object]] = []
        for trial in self.plan.trials:
            outcome = self.outcomes.get(trial.key)
            if outcome is not None:
                values, seed = self.plan.values[trial.setting - 1], trial.task.training["seed"]
                numbers = [repr(outcome.measures.get(name, math.nan)) for name in self.shown]
                lines.append([trial.setting, *values, seed, outcome.status, outcome.epochs, *numbers, trial.key])
        return _csv(["setting", *self.plan.keys, "seed", "status", "epochs", *self.shown, "run"], lines)

    def write(self, folder: Path) -> list[Path]:
        """``settings.csv``, ``runs.csv`` and ``sweep.html``, each whole or not at all."""
        from nablac.sweep.page import page
        from nablac.sweep.run import TABLES

        texts = dict(zip(TABLES, (self.settings_csv(), self.runs_csv(), page(self)), strict=True))
        for name, text in texts.items():
            replace(folder / name, text.encode())
        return [folder / name for name in texts]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and the deviation of the sample, which one value has not."""
    finite = all(map(math.isfinite, values))
    mean = statistics.fmean(values) if finite else math.nan
    return mean, statistics.stdev(values) if finite and len(values) > 1 else math.nan


def _csv(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *lines])
    return text.getvalue()


def shown_number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}" if math.isfinite(value) else "–"
