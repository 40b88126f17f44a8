"""The page of a sweep in a browser: ranges on axes, lines and rows, sorting; nothing sticks out."""

from __future__ import annotations

from pathlib import Path

import pytest

from nablac.sweep.page import page

from ..sweep.made import HOSTILE, results
from .conftest import Opened

pytestmark = pytest.mark.browser


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.html"
    path.write_text(page(results([0.8, None, 0.1, 0.4, 0.6, 0.2], name=HOSTILE)), encoding="utf-8")
    return path


def test_a_range_on_an_axis_keeps_what_passes_there(opened: Opened, file: Path) -> None:
    shown = opened(file)
    rows = shown.locator("tbody tr:visible")
    assert rows.count() == 6
    box = shown.locator(".reach").last.bounding_box()
    x, foot = box["x"] + box["width"] / 2, box["y"] + box["height"]
    shown.mouse.move(x, foot - 2)
    shown.mouse.down()
    shown.mouse.move(x, foot - box["height"] * 0.25, steps=4)
    shown.mouse.up()
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["3", "6"]
    shown.mouse.click(x, foot - 20)
    assert rows.count() == 6


def test_a_row_lights_its_line_and_a_heading_sorts(opened: Opened, file: Path) -> None:
    shown = opened(file)
    first = shown.locator("tbody tr").first
    assert first.get_attribute("data-setting") == "3"
    first.hover()
    assert shown.locator("path.here").get_attribute("data-setting") == "3"
    heading = shown.locator("th button").nth(3)
    heading.click()
    heading.click()
    order = [row.get_attribute("data-setting") for row in shown.locator("tbody tr").all()]
    assert order == ["2", "1", "5", "4", "6", "3"]


@pytest.mark.parametrize("width", [320, 800, 1400])
def test_nothing_sticks_out_of_the_page(opened: Opened, file: Path, width: int) -> None:
    shown = opened(file, width=width)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_all_is_there(opened: Opened, file: Path) -> None:
    shown = opened(file, java_script_enabled=False)
    assert shown.locator("path.line").count() == 6 and shown.locator("tbody tr").count() == 6
    assert not shown.locator(".hint").is_visible()
