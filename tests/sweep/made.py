"""Results that no training gave: known numbers, names that would be markup, failures."""

from __future__ import annotations

from collections.abc import Sequence

from nablac.sweep.plan import Plan, Trial
from nablac.sweep.results import Results
from nablac.sweep.trial import Outcome, Task

HOSTILE = "<img src=x onerror=alert(1)>&\"'</script>"


def results(losses: Sequence[float | None], repeats: int = 1, largest: bool = False, name: str = "net") -> Results:
    """A setting for each ``repeats`` losses: lr goes by factors of ten, optimizers take turns; None has diverged."""
    trials, outcomes = [], {}
    for number, loss in enumerate(losses):
        setting, repeat = divmod(number, repeats)
        trial = Trial(setting + 1, Task(name, "", (), {"seed": repeat, "epochs": 1}), f"key{number}")
        trials.append(trial)
        measures = (
            {"val_loss": loss, "val_accuracy": 1 / (1 + loss), "train_loss": loss / 2} if loss is not None else {}
        )
        status = "done" if loss is not None else "diverged"
        outcomes[trial.key] = Outcome(status, "" if measures else f"the loss {HOSTILE}", 3, measures, 0.5)
    values = tuple((f"1e-{k}", ("sgd", HOSTILE)[k % 2]) for k in range(len(losses) // repeats))
    plan = Plan(name, ("lr", "optimizer"), values, tuple(trials), 2, 0, ("val_loss", "val_accuracy", "train_loss"))
    return Results(plan, outcomes, "val_accuracy" if largest else "val_loss", largest)
