"""Sweeps that run: one compile, the same results however many at once, interruptions, failures, crashes, files."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nablac.cli import main
from nablac.errors import CompileError, DataError
from nablac.sweep.plan import FIXED, GIVEN, Plan, Trial, make_plan
from nablac.sweep.results import Results
from nablac.sweep.run import run_plan
from nablac.sweep.settings import draws, grid, read_settings
from nablac.sweep.trial import Outcome, Task, run
from nablac.sweep.workers import Workers, cluster, processes

COMPILER = str(Path(__file__).resolve().parents[2] / "compiler")


class Here(Executor):
    """Runs at once what it is given."""

    def submit(self, function, /, *arguments, **named):  # type: ignore[no-untyped-def, override]
        future: Future[object] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


HERE = Workers(Here, 1)


def plan_of(line: Path, *texts: str, repeats: int = 1) -> Plan:
    settings = read_settings(texts)
    return make_plan(line, settings, list(grid(settings)), repeats)


def sweep(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_differs_only_when_it_trains_is_compiled_once(line: Path) -> None:
    many = plan_of(line, "lr=0.01,0.1", "train.batch_size=4,8", "epochs=1,2", "train.seed=0,1,2")
    assert (len(many.trials), many.modules) == (24, 1)
    assert len({trial.key for trial in many.trials}) == 24 and len({trial.task.text for trial in many.trials}) == 1
    again = plan_of(line, "lr=0.5")
    assert again.compiled == 0 and again.trials[0].task.text == many.trials[0].task.text
    assert plan_of(line, "lr=0.01,0.1", "optimizer.sgd.weight_decay=0,0.1", "optimizer={sgd: {lr: 1}}").modules == 2


def test_what_is_given_when_it_trains_is_what_fit_takes(line: Path) -> None:
    (trial,) = plan_of(line).trials
    taken = set(re.search(r"def fit\(([^)]*)\)", trial.task.text)[1].replace("=", " ").split())  # type: ignore[index]
    assert set(GIVEN) <= taken and not set(FIXED) & taken
    assert plan_of(line, "train.accumulate=1,2").modules == 2


def test_a_schedule_that_counts_the_epochs_needs_a_module_for_each_number(line: Path) -> None:
    assert plan_of(line, "epochs=2,3", "optimizer={sgd: 0.1}").modules == 1
    assert plan_of(line, "epochs=2,3", "optimizer={sgd: 0.1, schedule: cosine}").modules == 2


def test_a_run_is_the_modules_own_training(line: Path) -> None:
    import nablac

    (trial,) = plan_of(line, "lr=0.05", "epochs=4", "seed=7").trials
    found = run(trial.task)
    data = dict(np.load(line.with_name("line.npz")))
    module = nablac.compile(line).module
    wanted = module.fit(**data, validation=0.25, epochs=4, batch_size=8, seed=7, lr=0.05, progress=False).history[-1]
    assert (found.status, found.epochs) == ("done", 4)
    assert dict(found.measures) == {name: value for name, value in wanted.items() if name not in ("epoch", "lr")}


def test_the_same_files_however_many_at_once(line: Path, tmp_path: Path) -> None:
    settings = ("--set", "lr=0.01,0.1,100", "--set", "train.batch_size=4,8", "--set", "epochs=20")
    texts = []
    for jobs in (1, 3):
        result = sweep(line, *settings, "--jobs", jobs, "--out", tmp_path / str(jobs))
        assert result.exit_code == 0, result.output
        texts.append([(tmp_path / str(jobs) / name).read_bytes() for name in ("settings.csv", "runs.csv")])
        assert result.output.startswith("6 settings, 6 runs, 1 compiled module (")
    assert texts[0] == texts[1]
    rows = rows_of(tmp_path / "1" / "settings.csv")
    assert [row["status"] for row in rows] == ["done"] * 4 + ["diverged"] * 2
    losses = [float(row["val_loss"]) for row in rows[:4]]
    assert losses == sorted(losses) and losses[0] < 0.02
    assert "setting 5, seed 0: diverged\n  the loss is not finite in epoch" in result.output
    page = (tmp_path / "1" / "sweep.html").read_text()
    assert page.count("<path") == 6 and page.count('class="line lost"') == 2 and "What failed" in page
    assert not re.search(r"""(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)""", page)


def test_repeats_give_mean_and_deviation(line: Path, tmp_path: Path) -> None:
    result = sweep(line, "--set", "lr=0.01,0.1", "--repeats", 3, "--out", tmp_path, "--min", "val_mae", "--jobs", 1)
    assert result.exit_code == 0, result.output
    runs, rows = rows_of(tmp_path / "runs.csv"), rows_of(tmp_path / "settings.csv")
    assert [row["seed"] for row in runs] == ["0", "1", "2"] * 2
    for row in rows:
        found = [float(r["val_mae"]) for r in runs if r["setting"] == row["setting"]]
        assert float(row["val_mae"]) == pytest.approx(np.mean(found)) and len(set(found)) == 3
        assert float(row["val_mae_std"]) == pytest.approx(np.std(found, ddof=1))
        assert "±" in result.output
    assert float(rows[0]["val_mae"]) < float(rows[1]["val_mae"])


def test_an_interrupted_sweep_goes_on_where_it_stopped(line: Path, tmp_path: Path) -> None:
    plan = plan_of(line, "lr=0.01,0.02,0.03,0.04")
    heard: list[str] = []

    def stop(trial: Trial, outcome: Outcome) -> None:
        heard.append(trial.key)
        if len(heard) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, HERE, tmp_path, stop)
    (half := tmp_path / "runs" / plan.trials[2].key).mkdir()  # what a killed process leaves
    (half / "run.json").write_text('{"status": "do')
    times = {key: (tmp_path / "runs" / key / "run.json").stat().st_mtime_ns for key in heard}
    outcomes = run_plan(plan, HERE, tmp_path)
    assert times == {key: (tmp_path / "runs" / key / "run.json").stat().st_mtime_ns for key in times}
    assert outcomes.keys() == {trial.key for trial in plan.trials}
    fresh = run_plan(plan, HERE, tmp_path / "other")
    texts = [Results(plan, found, "val_loss", False).runs_csv() for found in (outcomes, fresh)]
    assert texts[0] == texts[1]
    more = plan_of(line, "lr=0.04,0.05")
    assert more.trials[0].key == plan.trials[3].key


def test_a_kept_run_can_be_used_and_made_again(line: Path, tmp_path: Path) -> None:
    import nablac

    plan = plan_of(line, "lr=0.05", "epochs=20")
    run_plan(plan, HERE, tmp_path)
    folder = tmp_path / "runs" / plan.trials[0].key
    assert {path.name for path in folder.iterdir()} == {"run.json", "checkpoint.npz", "history.csv"}
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"] == {"lr": "0.05", "epochs": "20"} and record["training"]["lr"] == 0.05
    module = nablac.compile(line).module
    learned = module.Run.load(folder)
    assert len(learned.history) == 20 and module.predict(learned.params, x=[0.5])["p"] == pytest.approx(2.5, abs=0.3)


FAKE = """# Generated by nablac for a test
import os, pathlib
class InputError(ValueError, TypeError): pass
class Run:
    history = [{"epoch": 1, "train_loss": 1.0, "val_loss": 2.0, "lr": 0.1}]
    def save(self, folder): pathlib.Path(folder, "checkpoint.npz").write_bytes(b"")
BATCHED, READS, TARGET, DATA, INPUTS = [], {"forward": []}, None, {}, {}
def load(*files, target=None): return {}
def fit(*, seed, validation=None, progress=True, out=None, epochs=1):
    FATE
    return Run()
"""


def fake(plan: Plan, fate: str) -> Plan:
    """A plan of five runs whose module does something else."""
    text = FAKE.replace("FATE", fate)
    tasks = [Task("fake", text, (), {"epochs": 5, "seed": seed}) for seed in range(5)]
    trials = tuple(Trial(1, task, f"key{seed}") for seed, task in enumerate(tasks))
    return replace(plan, trials=trials, values=((),), keys=())


def statuses(outcomes: dict[str, Outcome]) -> list[str]:
    return [outcomes[f"key{seed}"].status for seed in range(5)]


def test_a_worker_that_dies_takes_only_its_own_run_along(line: Path, tmp_path: Path) -> None:
    plan = fake(plan_of(line), "if seed == 1 and epochs == 5: os._exit(9)")
    with processes(2) as workers:
        outcomes = run_plan(plan, workers, tmp_path)
    assert statuses(outcomes) == ["done", "crashed", "done", "done", "done"]
    assert outcomes["key1"].reason.startswith("twice: ")
    with processes(2) as workers:  # a crash is tried again, and what is done is not
        again = run_plan(fake(plan, "os._exit(9) if epochs == 5 and seed != 1 else None"), workers, tmp_path)
    assert statuses(again) == ["done"] * 5


def test_a_run_that_crashed_once_is_made_again(line: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fate = f"p = pathlib.Path({str(mark)!r}); done = p.exists(); p.touch(); assert done or seed != 0 or epochs == 1"
    plan = fake(plan_of(line), f"if seed == 0 and epochs == 5:\n        {fate}")
    assert statuses(run_plan(plan, HERE, tmp_path)) == ["done"] * 5


def test_a_mistake_in_the_data_is_told_before_the_first_run(line: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run_plan(plan_of(line, "data.train=nowhere.npz"), HERE, tmp_path)
    assert "nowhere.npz cannot be used" in str(error.value) and "found:" in str(error.value)


def test_a_worker_loads_no_compiler() -> None:
    code = "import nablac.sweep.trial, sys; print({'sympy', 'jinja2', 'pydantic', 'rich'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": COMPILER}, capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr


def test_a_circuit_is_swept_over_steps(tmp_path: Path) -> None:
    spec = tmp_path / "bowl.yaml"
    spec.write_text("model: bowl\nparams: {x: real ~ constant(4)}\nloss: x**2\noptimizer: {sgd: 0.1}\n")
    plan = plan_of(spec, "lr=0.1,0.4", "epochs=3")
    outcomes = run_plan(plan, HERE, tmp_path)
    found = [outcomes[trial.key].measures["train_loss"] for trial in plan.trials]
    assert plan.measures == ("train_loss",) and found == pytest.approx([16 * 0.8**6, 16 * 0.2**6], rel=1e-5)


def test_random_draws_by_the_command(line: Path, tmp_path: Path) -> None:
    command = (line, "--set", "lr=1e-3..1 log", "--set", "epochs=1..3", "--random", 5, "--out", tmp_path, "--dry-run")
    shown = sweep(*command).output.splitlines()
    assert shown[0].startswith("5 settings, 5 runs, 1 compiled module") and len(shown) == 6
    assert sweep(*command).output.splitlines()[1:] == shown[1:]
    assert sweep(*command, "--seed", 1).output.splitlines()[1:] != shown[1:]
    assert not list(tmp_path.iterdir())
    settings = read_settings(["epochs=1..2"])
    assert len(make_plan(line, settings, list(draws(settings, 9, 0)), 1).trials) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "lr=-1"], "SpecError: optimizer 'sgd': 'lr' cannot be -1\n"),
        (["--max", "val_acc"], "NameError: no run measures 'val_acc'\n  expected: val_loss, val_mae, train_loss, "),
        (["--max", "val_mae", "--min", "val_mae"], "SpecError: the best is either smallest or largest\n"),
        (["--jobs", "2", "--dask", "here"], "SpecError: a cluster decides itself"),
        (["--set", "seed=0,1", "--repeats", "2"], "SpecError: the seed is set, and repeats set it too\n"
                                                  "  where:    --set seed=0,1\n"),
    ],
)  # fmt: skip
def test_mistakes_are_told_and_end_with_2(line: Path, tmp_path: Path, arguments: Sequence[str], message: str) -> None:
    result = sweep(line, *arguments, "--out", tmp_path / "sweep")
    assert result.exit_code == 2 and result.output.startswith(message)
    assert not (tmp_path / "sweep").exists()


def test_only_specs_are_swept(tmp_path: Path) -> None:
    assert "a sweep sets the keys of a spec" in sweep("model.py:mlp").output
    (tmp_path / "bare.yaml").write_text(
        'model: bare\ninputs: {x: "real[n]"}\nparams: {a: real}\nloss: mean[i](a*x[i])\n'
    )
    result = sweep(tmp_path / "bare.yaml")
    assert result.exit_code == 2 and "it names none" in result.output


def test_a_folder_that_cannot_be_is_told(line: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CompileError, match="is no folder for a sweep"):
        run_plan(plan_of(line), HERE, tmp_path / "file")


def test_files_of_the_users_own_are_not_written_over(line: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "settings.csv").write_text("mine")
    result = sweep(line, "--set", "lr=0.1", "--out", tmp_path, "--jobs", 1)
    assert result.exit_code == 2 and (tmp_path / "settings.csv").read_text() == "mine"
    assert result.output.splitlines()[1:] == [
        f"CompileError: {tmp_path} holds files that the sweep would write, and no sweep",
        "  found:    settings.csv",
        "  expected: a new folder, or one of a sweep",
        "  remedy:   choose another --out",
    ]
    for _ in range(2):
        assert sweep(line, "--set", "lr=0.1", "--out", tmp_path / "new", "--jobs", 1).exit_code == 0
    result = sweep(line, "--out", "")
    assert result.exit_code == 2 and "--out" in result.output and "it names nothing" in result.output


class Nowhere(Executor):
    """Nobody does what it is given."""

    def submit(self, function, /, *arguments, **named):  # type: ignore[no-untyped-def, override]
        return Future()


def test_a_sweep_whose_workers_are_gone_ends(line: Path, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no worker is left"):
        run_plan(plan_of(line), Workers(Nowhere, 1, lambda: False, 0.01), tmp_path)
    asked = iter([True, True, False])
    with pytest.raises(CompileError, match="no worker is left"):
        run_plan(plan_of(line), Workers(Nowhere, 1, lambda: next(asked), 0.01), tmp_path)
    assert not list(asked)


@pytest.fixture
def address() -> Iterator[str]:
    """A cluster of two workers on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made.scheduler_address


@pytest.mark.extras
@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same_and_survives_a_dead_worker(line: Path, tmp_path: Path, address: str) -> None:
    plan = plan_of(line, "lr=0.01,0.1,100", "epochs=20")
    with cluster(address) as workers:
        assert workers.width == 2
        found = run_plan(plan, workers, tmp_path / "cluster")
        crashed = run_plan(fake(plan, "if seed == 1 and epochs == 5: os._exit(9)"), workers, tmp_path / "crashed")
    here = run_plan(plan, HERE, tmp_path / "here")
    tables = [Results(plan, outcomes, "val_loss", False).runs_csv() for outcomes in (found, here)]
    assert tables[0] == tables[1]
    assert statuses(crashed) == ["done", "crashed", "done", "done", "done"]


@pytest.mark.extras
def test_a_cluster_that_is_not_there_is_told(line: Path, tmp_path: Path) -> None:
    result = sweep(line, "--set", "lr=0.1", "--dask", "nonsense://x", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.output.splitlines()[1].startswith("CompileError: no Dask scheduler answers at nonsense://x")
