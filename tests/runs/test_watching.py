"""What watches a training: speed, time left, curves in a line, the live view, plain lines, JSON lines, event files."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import nablac.runs as nt
from nablac.errors import CompileError, DataError
from nablac.runs.pace import Pace
from nablac.runs.sparkline import ASCII, sparkline
from tests.runs.stand_ins import history, run


class Clock:
    """A clock that is told the time."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_epoch_which_also_compiles_does_not_count() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    assert pace.left is None and pace.samples_a_second(50) is None
    clock.now += 30
    pace.epoch_ended(1)
    assert pace.left == pytest.approx(9 * 30)
    for done in (2, 3, 4):
        clock.now += 2
        pace.epoch_ended(done)
    assert pace.samples_a_second(50) == pytest.approx(25)
    assert pace.left == pytest.approx(6 * 2) and pace.elapsed == pytest.approx(36)
    clock.now += 1
    assert pace.left == pytest.approx(5.5 * 2)
    clock.now += 100
    assert pace.left == pytest.approx(5 * 2), "an epoch that takes long is not counted twice"


def test_the_speed_goes_by_the_last_epochs() -> None:
    clock = Clock()
    pace = Pace(1000, clock)
    for done in range(1, 101):
        clock.now += 1 if done < 60 else 3
        pace.epoch_ended(done)
    assert pace.seconds_an_epoch == pytest.approx(3)


def test_a_curve_never_leaves_its_width_and_shares_its_scale() -> None:
    falling = [10 * 0.9**k for k in range(200)]
    line = sparkline(falling, 40, [1000.0])
    assert len(line) == 40 and sorted(line, reverse=True) == list(line) and line[0] < "█"
    assert sparkline([5.0] * 3, 10, ramp=ASCII) == "___"
    assert sparkline([math.inf, 1.0, math.nan], 10) == " ▁ "
    assert sparkline([], 10) == "" and sparkline([math.nan], 10) == " "
    assert sparkline([-1.0, 0.0, 1.0], 3) == "▁▅█"


def screen(width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def shown(console: Console, view: nt.LiveView) -> list[str]:
    with console.capture() as captured:
        console.print(view.picture())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_the_picture() -> None:
    console = screen()
    view = nt.LiveView(20, "digits: 4,810 parameters", console)
    assert "the first may also compile the kernels" in shown(console, view)[1]
    view.on_epoch_end(run(*history(5)))
    title, progress, _, train, val, accuracy, lr = shown(console, view)
    assert title == "digits: 4,810 parameters"
    assert progress.startswith("epoch 5/20") and " samples/s, " in progress and progress.endswith(" left")
    assert train.split() == ["train", "loss", "▇▃▂▁▁", "0.4,", "lowest", "0.4", "at", "5"]
    assert val.split()[:2] == ["val", "loss"] and val.endswith("0.55, lowest 0.55 at 5")
    assert (accuracy.split(), lr.split()) == (["accuracy", "train", "0.9", "val", "0.88"], ["lr", "0.1"])


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_the_picture_fits_the_terminal(width: int) -> None:
    console = screen(width)
    view = nt.LiveView(500, "a title", console)
    view.on_epoch_end(run(*history(300)))
    assert max(map(len, shown(console, view))) <= width


def test_a_model_of_parameters_alone_has_steps_and_no_samples() -> None:
    console = screen()
    view = nt.LiveView(1000, "", console)
    view.on_epoch_end(run({"step": 1, "train_loss": 2.0, "lr": 0.1}, {"step": 2, "train_loss": 1.0, "lr": 0.1}))
    progress, _, train, *_ = shown(console, view)
    assert progress.startswith("step 2/1,000") and "samples" not in progress
    assert train.split()[:3] == ["train", "loss", "█▁"]


def test_a_terminal_without_these_characters_gets_plain_ones() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"), force_terminal=True, width=100, color_system=None)
    view = nt.LiveView(3, "", console)
    view.on_epoch_end(run(*history(3)))
    console.print(view.picture())


def test_many_short_epochs_are_drawn_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    view, drawn = nt.LiveView(10_000, "", screen()), []
    monkeypatch.setattr(view.live, "refresh", lambda: drawn.append(1))
    rows = run(*history(3))
    for _ in range(3000):
        view.on_epoch_end(rows)
    assert len(drawn) <= 3


def test_the_cursor_comes_back_however_it_ends() -> None:
    console = screen()
    with pytest.raises(KeyboardInterrupt), nt.LiveView(3, "", console) as view:
        view.on_epoch_end(run(*history(1)))
        raise KeyboardInterrupt
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_plain_lines() -> None:
    file = io.StringIO()
    lines = nt.PlainLines(2, file)
    for done in (1, 2):
        lines.on_epoch_end(run(*history(done)))
    assert file.getvalue().splitlines()[1] == (
        "epoch 2  train_loss 1  train_accuracy 0.75  val_loss 1.27  val_accuracy 0.7  lr 0.1"
    )


def test_of_very_many_epochs_some_are_told_and_the_last() -> None:
    file = io.StringIO()
    lines = nt.PlainLines(2500, file)
    rows = history(2500)
    for done in range(1, 2501):
        lines.on_epoch_end(run(*rows[:done]))
    told = [int(line.split()[1]) for line in file.getvalue().splitlines()]
    assert told[:2] == [3, 6] and told[-1] == 2500 and len(told) <= 1000


def test_json_lines(tmp_path: Path) -> None:
    keeper = nt.JsonLines(tmp_path / "new" / "folder")
    for done in (1, 2, 3):
        keeper.on_epoch_end(run(*history(done)))
        lines = (tmp_path / "new" / "folder" / "history.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == history(done)


def test_json_lines_of_a_resumed_run_are_those_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    def keep(folder: Path, *parts: range) -> bytes:
        for part in parts:
            keeper = nt.JsonLines(folder)
            for done in part:
                keeper.on_epoch_end(run(*history(done)))
        return (folder / "history.jsonl").read_bytes()

    whole = keep(tmp_path / "a", range(1, 8))
    # it was killed after 5 epochs, of which the checkpoint had 3
    assert keep(tmp_path / "b", range(1, 6), range(4, 8)) == whole


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    nt.JsonLines(tmp_path / "log.jsonl").on_epoch_end(run({"epoch": 1, "train_loss": math.inf, "val_r2": math.nan}))
    assert (tmp_path / "log.jsonl").read_text() == '{"epoch": 1, "train_loss": null, "val_r2": null}\n'


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot be written"):
        nt.JsonLines(tmp_path / "file").on_epoch_end(run(*history(1)))
    assert (tmp_path / "file").read_text() == "mine"


def test_without_tensorboard_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    monkeypatch.delitem(__import__("sys").modules, "tensorboard.compat.proto", raising=False)
    with pytest.raises(CompileError) as caught:
        nt.TensorBoard(tmp_path)
    assert str(caught.value).startswith("CompileError: writing event files needs a package that is not installed\n")
    assert str(caught.value).endswith("  remedy:   pip install 'nablac[tensorboard]'")


def read_back(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard itself finds in event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: Any = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(e.step, round(e.value, 6)) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


@pytest.mark.extras
def test_tensorboard_reads_the_event_files_back(tmp_path: Path) -> None:
    with nt.TensorBoard(tmp_path) as board:
        for done in range(1, 6):
            board.on_epoch_end(run(*history(done)))
    rows = history(5)
    train, val = read_back(tmp_path / "train"), read_back(tmp_path / "val")
    assert (sorted(train), sorted(val)) == (["accuracy", "loss", "lr"], ["accuracy", "loss"])
    assert train["loss"] == [(k + 1, round(row["train_loss"], 6)) for k, row in enumerate(rows)]
    assert val["accuracy"] == [(k + 1, round(row["val_accuracy"], 6)) for k, row in enumerate(rows)]


@pytest.mark.extras
def test_a_resumed_run_leaves_no_epoch_twice(tmp_path: Path) -> None:
    for part in (range(1, 6), range(4, 8)):
        with nt.TensorBoard(tmp_path) as board:
            for done in part:
                board.on_epoch_end(run(*history(done)))
    assert [step for step, _ in read_back(tmp_path / "train")["loss"]] == list(range(1, 8))


@pytest.mark.extras
def test_a_run_that_goes_on_in_another_folder_has_its_whole_history_there(tmp_path: Path) -> None:
    with nt.TensorBoard(tmp_path) as board:
        board.on_epoch_end(run(*history(4)))
    assert [step for step, _ in read_back(tmp_path / "train")["loss"]] == [1, 2, 3, 4]
