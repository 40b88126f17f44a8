"""cli/sweep: the command that trains one spec under many settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nablac.cli.shared import Named, told

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nablac.sweep.plan import Plan, Trial
    from nablac.sweep.results import Results

SHOWN = 30
"""Rows in the terminal; the files have all."""


@click.command()
@click.argument("spec")
@click.option(
    "--set",
    "texts",
    metavar="KEY=VALUES",
    multiple=True,
    help="A key of the spec and its values: A,B,C, "
    "or for random draws LOW..HIGH, with ' log' behind it where it goes by the logarithm.",
)
@click.option(
    "--random", "count", metavar="N", type=click.IntRange(1, 10_000), help="N random draws, not all combinations."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the draws.")
@click.option(
    "--repeats",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Runs of each setting, with seeds one after the other: mean and deviation.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 1024),
    help="Runs at once; as many as there are processors unless it is said.",
)
@click.option("--dask", "address", metavar="ADDRESS", help="The scheduler of a Dask cluster that runs them.")
@click.option("--min", "smallest", metavar="MEASURE", help="What the smallest is best of: val_loss unless it is said.")
@click.option("--max", "largest", metavar="MEASURE", help="What the largest is best of, such as val_accuracy.")
@click.option("--out", type=Named(file_okay=False), help="The sweep's folder (default: runs/NAME-sweep).")
@click.option("--dry-run", is_flag=True, help="Read and compile all settings, and train none.")
@told
def sweep(
    spec: str,
    texts: tuple[str, ...],
    count: int | None,
    seed: int,
    repeats: int,
    jobs: int | None,
    address: str | None,
    smallest: str | None,
    largest: str | None,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Train SPEC under many settings, several at once, and compare what comes out.

    Settings that differ only in what is given when training starts (such as the learning rate and the epochs) share one
    compiled module.  Results are kept as they come: the same command goes on where it was stopped.

    \b
      nablac sweep SPEC --set lr=1e-3,1e-2 --set train.batch_size=32,64 --jobs 2
      nablac sweep SPEC --set "lr=1e-4..1e-1 log" --set network.0.linear=16..128 --random 20 --repeats 3
      nablac sweep SPEC --set optimizer=sgd,adam --max val_accuracy
      nablac sweep SPEC --set lr=1e-3,1e-2 --dask tcp://scheduler:8786
    """
    from rich.console import Console

    from nablac.errors import SpecError
    from nablac.sweep.plan import check_measure, make_plan
    from nablac.sweep.settings import draws, grid, read_settings

    if smallest and largest:
        raise SpecError("the best is either smallest or largest", remedy="give --min or --max")
    if jobs and address:
        raise SpecError("a cluster decides itself how much it runs at once", remedy="leave out --jobs or --dask")
    settings = read_settings(texts)
    plan = make_plan(spec, settings, list(draws(settings, count, seed) if count else grid(settings)), repeats)
    by = check_measure(largest or smallest or plan.measures[0], plan)
    if not (largest or smallest) and plan.maximize is None:
        remedy = "say what the best has: --max MEASURE or --min MEASURE"
        raise SpecError("some settings make the loss large, others small", remedy=remedy)
    upward = bool(largest or (plan.maximize and not smallest))
    click.echo(f"{plan.described} ({plan.compiled} compiled now)")
    if dry_run:
        for number, values in enumerate(plan.values, 1):
            click.echo(f"{number:>5}  " + "  ".join(f"{k}={v}" for k, v in zip(plan.keys, values, strict=True)))
        return
    folder = out or Path("runs", f"{plan.name}-sweep")
    results, stopped = _run(plan, folder, by, upward, jobs, address)
    if results.outcomes:
        results.write(folder)
        console = Console()
        console.print(_table(results, console))
        _tell(results, folder, console)
    if stopped:
        click.echo(
            f"stopped after {len(results.outcomes)} of {len(plan.trials)} runs; the same command goes on", err=True
        )
        sys.exit(130)


def _run(
    plan: Plan, folder: Path, by: str, largest: bool, jobs: int | None, address: str | None
) -> tuple[Results, bool]:
    """What came out, and whether it was stopped by Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nablac.sweep.results import Results, shown_number
    from nablac.sweep.run import run_plan
    from nablac.sweep.trial import Outcome
    from nablac.sweep.workers import cluster, processes

    outcomes: dict[str, Outcome] = {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(plan.name, total=len(plan.trials))

        def hear(trial: Trial, outcome: Outcome) -> None:
            outcomes[trial.key] = outcome
            best = Results(plan, outcomes, by, largest).best
            shown = f"{plan.name}  best {by} {shown_number(best[0].measures[by][0])}" if best else plan.name
            progress.update(bar, advance=1, description=shown)

        try:
            with cluster(address) if address else processes(jobs) as workers:
                run_plan(plan, workers, folder, hear)
        except KeyboardInterrupt:
            return Results(plan, outcomes, by, largest), True
    return Results(plan, outcomes, by, largest), False


def _table(results: Results, console: Console) -> Table:
    """The rows, with as many measures as there is room for."""
    part = results.by.split("_")[0]
    measures = [name for name in results.shown if name.startswith(part) or name == "train_loss"]
    if not console.is_terminal:
        console.width = 200
    table = _columns(results, measures)
    while len(measures) > 1 and console.measure(table).maximum > console.width:
        measures.pop()
        table = _columns(results, measures)
    return table


def _columns(results: Results, measures: Sequence[str]) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    from nablac.sweep.results import shown_number

    keys, values = results.plan.keys, results.plan.values
    varied = [k for k in range(len(keys)) if len({row[k] for row in values}) > 1]
    ends = [keys[k].rpartition(".")[2] for k in varied]
    table = Table(box=SIMPLE)
    titles = [end if ends.count(end) == 1 else keys[k] for k, end in zip(varied, ends, strict=True)]
    for title in ("", *titles, *measures):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", style="red")
    for row in results.rows[:SHOWN]:
        cells = []
        for name in measures:
            mean, deviation = row.measures.get(name, (float("nan"), float("nan")))
            cells.append(shown_number(mean) + (f" ± {deviation:.2g}" if deviation == deviation else ""))
        status = "" if set(row.ends) == {"done"} else row.status
        table.add_row(str(row.setting), *(row.values[k] for k in varied), *cells, status)
    return table


def _tell(results: Results, folder: Path, console: Console) -> None:
    """The best setting, what failed, where the files are."""
    if len(results.rows) > SHOWN:
        click.echo(f"... and {len(results.rows) - SHOWN} more")
    for trial, outcome in results.failures[:3]:
        click.echo(f"setting {trial.setting}, seed {trial.task.training['seed']}: {outcome.status}\n  {outcome.reason}")
    if len(results.failures) > 3:
        click.echo(f"... and {len(results.failures) - 3} more that are not done: see runs.csv")
    best = results.best
    if best is not None:
        values = "  ".join(f"{k}={v}" for k, v in zip(results.plan.keys, best[0].values, strict=True))
        click.echo(f"best: setting {best[0].setting}  {values}".rstrip())
        click.echo(f"  its best run: {folder / 'runs' / best[1].key}")
    click.echo(f"wrote settings.csv, runs.csv and sweep.html in {folder}")
