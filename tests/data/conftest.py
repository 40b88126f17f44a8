"""Modules that read data: of a table with texts, and of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nablac.emit.write import import_file
from nablac.frontend.spec import model_of_spec
from nablac.network import compile as compile_network

PASSENGERS = """\
name,age,fare,sex,port,survived,weight
Allen,22,7.25,male,S,no,1
Brown,38,71.5,female,C,yes,2
Clark,,7.75,female,S,yes,1
"Davis, J.",35,53,female,S,yes,1
Evans,35,8,male,Q,no,1
Foster,54,51.75,male,S,no,1.5
Green,2,21,male,S,no,1
Hill,27,11.25,female,,yes,1
"""

TITANIC = """\
model: titanic
inputs: {x: "real[n, 6]", y: "label[n, 2]", w: "real[n]"}
network: [{linear: 2}]
loss: {cross_entropy: [linear_1, y, w]}
metrics: [{accuracy: [linear_1, y]}]
data:
  train: passengers.csv
  columns: {x: [age, fare, sex, port], y: survived, w: weight}
  one_hot: [port]
  index: {sex: [male, female], survived: ["no", "yes"]}
  missing: {age: mean, port: S}
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModuleType]:
    """Compiles a spec whose files lie in one folder."""
    folder = tmp_path_factory.mktemp("specs")
    (folder / "passengers.csv").write_text(PASSENGERS)

    def make(text: str) -> ModuleType:
        model = model_of_spec(text, str(folder / "spec.yaml"))
        return import_file(compile_network(model).write(folder / f"{model.name}.py"))

    return make


@pytest.fixture(scope="session")
def titanic(made: Callable[[str], ModuleType]) -> ModuleType:
    return made(TITANIC)


@pytest.fixture
def passengers(tmp_path: Path) -> Path:
    path = tmp_path / "passengers.csv"
    path.write_text(PASSENGERS)
    return path
