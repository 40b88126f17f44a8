"""The report of a model with chance, statistics and frozen parameters: every form, and what it says of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import nablac as nc
from nablac.errors import NablacError
from nablac.report.lines import numbers_in

SPEC = """
model: modes
dtype: float64
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network:
  - standardise
  - linear: {units: 5, frozen: true}
  - batch_norm
  - tanh
  - dropout: 0.4
  - linear: 3
loss: cross_entropy
"""


@cache
def network(folder: Path) -> nc.Network:
    (folder / "modes.yaml").write_text(SPEC)
    return nc.compile(folder / "modes.yaml")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> nc.Network:
    return network(tmp_path_factory.mktemp("modes"))


@pytest.mark.parametrize("form", ["text", "latex", "md", "html", "json", "dot", "svg"])
def test_every_form(net: nc.Network, form: str) -> None:
    text = net.report(at="random", differences=True, taylor=True).render(form)
    assert "random.seed" not in text and "random.step" not in text  # the counters are none of the reader's business


def test_what_it_says(net: nc.Network) -> None:
    text = net.report(at="random", differences=True).render("text")
    assert "dropout₁[i,j] = {0 if uniform_dropout₁(5·i + j) < 2/5; 5·tanh₁[i,j]/3 otherwise}" in text
    assert "running_mean" in text and "linear_1.W[" not in text.split("complex")[-1]
    table = {line.split("|")[2].strip(): line.split("|")[3].strip() for line in net.report().render("md").splitlines()
             if line.startswith("| $") and line.count("|") == 5}  # fmt: skip
    assert table["`linear_1.W`"] == table["`batch_norm_1.running_mean`"] == table["`standardise_1.mean`"] == "frozen"
    assert table["`linear_2.W`"] == "param"


def test_the_numbers_are_those_of_the_module(net: nc.Network) -> None:
    report = net.report().report
    lines = report.source.splitlines()
    for entry in report.entries:
        comments = [lines[at] for span in entry.spans for at in range(span.first - 1, span.last) if "#" in lines[at]]
        assert entry.number in {number for line in comments for number in numbers_in(line[line.index("#") :])}


def test_no_gradient_of_what_is_frozen(net: nc.Network) -> None:
    with pytest.raises(NablacError, match="no parameter is called"):
        net.gradient("linear_1.W")
    assert not net.findings
