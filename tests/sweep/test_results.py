"""The table and the page of outcomes that are known: who is best, what is drawn, what is escaped."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace

import pytest

from nablac.sweep.chart import axes, chart
from nablac.sweep.page import page

from .made import HOSTILE, results


def test_the_best_is_first_and_what_failed_is_last() -> None:
    found = results([0.5, None, 0.1, math.nan, 0.3])
    assert [row.setting for row in found.rows] == [3, 5, 1, 2, 4]
    assert found.best is not None and found.best[0].setting == 3 and found.best[1].key == "key2"
    assert [row.setting for row in results([0.5, 0.1, 0.3], largest=True).rows] == [2, 3, 1]
    assert results([None, None]).best is None


def test_a_setting_of_which_a_run_failed_stands_below_those_that_are_whole() -> None:
    found = results([0.1, None, 0.5, 0.7, 0.2, 0.4], repeats=2)
    assert [(row.setting, row.status) for row in found.rows] == [(3, "done"), (2, "done"), (1, "1 done, 1 diverged")]
    assert found.best is not None and found.best[1].key == "key4"
    mean, deviation = found.rows[0].measures["val_loss"]
    assert (mean, deviation) == (pytest.approx(0.3), pytest.approx(math.sqrt(0.02)))


def test_the_tables_hold_every_number_to_the_last_digit() -> None:
    found = results([0.1 + 0.2, 1 / 3])
    rows = list(csv.DictReader(io.StringIO(found.settings_csv())))
    assert [float(row["val_loss"]) for row in rows] == [0.1 + 0.2, 1 / 3]
    assert rows[1]["optimizer"] == HOSTILE and list(rows[0])[:2] == ["setting", "lr"]
    runs = list(csv.DictReader(io.StringIO(found.runs_csv())))
    assert [(row["run"], row["status"], row["epochs"]) for row in runs] == [
        ("key0", "done", "3"),
        ("key1", "done", "3"),
    ]


def test_axes_have_their_scales_and_marks() -> None:
    lr, optimizer, accuracy, loss = axes(results([0.001, 0.01, 0.1, 1.0]))
    assert (lr.name, lr.scale, optimizer.scale, loss.name, loss.scale) == ("lr", "log", "", "val_loss", "log")
    assert [text for _, text in lr.marks] == ["0.001", "0.01", "0.1", "1"]
    assert [at for at, _ in lr.marks] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [text for _, text in optimizer.marks] == sorted([HOSTILE, "sgd"]) and accuracy.scale == ""
    assert len(axes(replace(results([0.5]), by="val_loss"))) == 2


def test_a_line_goes_where_its_values_are() -> None:
    drawn = re.findall(r'class="line (\w+)" data-setting="(\d)" data-at="([^"]*)"', chart(results([0.1, 0.4, None])))
    found = {setting: (shade, [float(y) for y in at.split()]) for shade, setting, at in drawn}
    assert [setting for _, setting, _ in drawn] == ["3", "2", "1"]
    top, foot = 46, 346
    assert found["1"][0] == "shade0" and found["3"][0] == "lost"
    assert found["1"][1][0] == top and found["3"][1][0] == foot and found["1"][1][-1] == foot
    assert found["2"][1][-1] == top and found["3"][1][-1] > foot


def test_nothing_on_the_page_is_markup_of_the_users() -> None:
    text = page(results([0.1, None, 0.3], name=HOSTILE))
    assert "<img" not in text and text.count("<script>") == 1 and "&lt;img src=x" in text
    assert "What failed" in text and "What failed" not in page(results([0.1, 0.3]))
    assert "<svg" not in page(results([None]))
