"""frontend/schema: the keys of a spec, as pydantic models: the one source of the JSON Schema and of the errors' places.

It says which keys there are and of what kind.  What the texts in them mean is for ``frontend/spec``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nablac.errors import SpecError
from nablac.frontend.definition import did_you_mean
from nablac.frontend.library import LOSS_NAMES, MEASURES, NODES
from nablac.frontend.model import TRAINING
from nablac.frontend.schedules import SCHEDULES
from nablac.frontend.update_rules import RULES
from nablac.frontend.yaml_reader import Document, Path

Text = Annotated[str, Field(max_length=4000)]
Lines = list[Text] | Annotated[str, Field(max_length=100_000)]
Item = Text | dict[str, Any]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_STATISTICS = "frozen parameters, each with the equation whose result replaces it after a step"
_FITTED = "frozen parameters, each with the equation whose mean over the training rows it becomes before the first step"


class LayerSection(_Section):
    """A layer, loss or metric of the user's own."""

    reads: dict[str, Text] = Field(description='what it is applied to, e.g. {x: "real[..., k]"}')
    equations: Lines = Field(description="its equations")
    gives: Text | None = Field(None, description="the equation that is its result; the last one unless given")
    params: dict[str, Text] = Field({}, description='what it learns, e.g. {W: "real[units, k] ~ he_normal"}')
    options: dict[str, Literal["int", "real"] | int | Finite] = Field(
        {}, description="its options: a kind (int, real) if they must be given, or a default"
    )
    statistics: dict[str, Text] = Field({}, description=_STATISTICS)
    fitted: dict[str, Text] = Field({}, description=_FITTED)


def _training(name: str) -> Any:
    """A key of the trainer with its bounds."""
    option = TRAINING[name]
    return Field(option.default, ge=option.low, le=option.high, description=option.help)


class TrainSection(_Section):
    """Defaults of the trainer."""

    epochs: int = _training("epochs")
    batch_size: int = _training("batch_size")
    seed: int = _training("seed")
    patience: int = _training("patience")
    checkpoint_every: int = _training("checkpoint_every")
    accumulate: int = _training("accumulate")


File = Annotated[str, Field(min_length=1, max_length=1000)]
Located = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^\P{Cc}*$")]
Source = Located | dict[str, Located]
"""Where files are: no path holds a null byte."""


Categories = list[File] | dict[File, list[File | int]]


class ImagesSection(_Section):
    """How images in folders are read."""

    size: list[Annotated[int, Field(ge=1, le=100_000)]] | None = Field(
        None, min_length=2, max_length=2, description="height and width that all are scaled to"
    )
    mode: Literal["gray", "rgb"] | None = Field(None, description="gray or rgb; of the input's shape unless given")


class DataSection(_Section):
    """Where the samples are; paths are relative to the spec."""

    train: Source = Field(description="one .npz, .csv or .parquet file, a folder of images, or a file for each input")
    validation: Source | Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="as for train, or the fraction of the training samples that is held out"
    )
    target: File | None = Field(None, description="the column of a table that is to be predicted")
    prepare: dict[str, Text] = Field({}, description='formulas applied to inputs as they are read, e.g. {x: "x/255"}')
    columns: dict[str, File | list[File]] = Field({}, description="the columns of a table that an input takes")
    one_hot: Categories = Field([], description="columns of texts that become a column for each category")
    index: Categories = Field([], description="columns of texts that become the number of the category, from 0")
    missing: dict[File, File | int | Finite] = Field(
        {}, description="what stands for missing values of a column: a number, a category, mean or median"
    )
    images: ImagesSection | None = Field(None, description="how images are read")


class ModuleSection(_Section):
    """Which parts the generated module has; one that does not fit the model is left out anyway."""

    estimator: bool = Field(True, description="a Classifier or Regressor for scikit-learn")
    mpi: bool = Field(True, description="training by many processes, with mpirun")
    maps: bool = Field(True, description="arrays in .npy files that are larger than memory, read by rows")
    tables: bool = Field(True, description="reading .csv files")
    runs: bool = Field(True, description="early stopping, kept checkpoints, record.json, numbered folders")


class Spec(_Section):
    """A model, its loss and how it is trained."""

    model: Text = Field(description="the model's name; the generated module is NAME.py")
    title: Annotated[str, Field(max_length=200, pattern=r"^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]*$")] = Field(
        "", description="a line for reports and for the module's header"
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="the width of all real numbers")
    inputs: dict[str, Text] = Field({}, description='data, e.g. {x: "real[n, 784]", y: "label[n, 10]"}')
    params: dict[str, Text] = Field({}, description='what is learned, e.g. {w: "real[13] ~ normal(0, 0.1)"}')
    functions: Lines = Field([], description="functions of one line, e.g. swish(z) = z*sigmoid(z)")
    layers: dict[str, LayerSection] = Field({}, description="layers, losses and metrics of one's own")
    network: list[Item] = Field([], description="a chain of layers, each reading the one above it unless 'from' says")
    equations: Lines = Field([], description="equations in index notation")
    freeze: list[Text] | Text = Field([], description="layers and parameters that no gradient changes")
    statistics: dict[str, Text] = Field({}, description=_STATISTICS)
    fitted: dict[str, Text] = Field({}, description=_FITTED)
    loss: Item | list[Item] | None = Field(
        None, description="what is minimised: a loss's name, a tensor, an expression, or a list of these with weights"
    )
    outputs: Text | list[Text] | dict[str, Text] | None = Field(None, description="what predict answers")
    metrics: list[Item] | dict[str, Item] = Field([], description="what is reported beside the loss")
    optimizer: Item = Field("adam", description="the update rule")
    train: TrainSection = Field(TrainSection.model_construct(), description="defaults of the trainer")
    data: DataSection | None = Field(None, description="where the samples are")
    module: ModuleSection = Field(ModuleSection.model_construct(), description="parts of the generated module")


def validate(document: Document) -> Spec:
    """The spec a document holds; the first thing that is wrong with it is told with its place."""
    if not isinstance(document.data, Mapping):
        raise SpecError(
            "a spec is a mapping",
            found="nothing" if document.data is None else f"a {_KINDS.get(type(document.data), 'value')}",
            expected="model: name, and what it is made of",
            where=document.place(()),
        )
    try:
        return Spec.model_validate(document.data)
    except ValidationError as error:
        raise _told(error, document) from None


_KINDS: dict[type, str] = {list: "list", dict: "mapping", str: "text", int: "number", float: "number", bool: "boolean"}


def _told(error: ValidationError, document: Document) -> SpecError:
    """The error at the deepest place, which for a choice of kinds is the branch that came furthest."""
    details = error.errors(include_url=False, include_context=False)
    first = details[0]
    root = _path(first["loc"], document)[0]
    rivals = [d for d in details if _path(d["loc"], document)[0][:1] == root[:1]]
    detail = max(rivals, key=lambda d: len(_path(d["loc"], document)[0]))
    path, section = _path(detail["loc"], document)
    name = ".".join(str(p) for p in path)
    if detail["type"] == "missing":
        key = str(detail["loc"][-1])
        return SpecError(
            f"{_subject(path)} needs '{key}'",
            expected=_description(section, key),
            where=document.key(path),
        )
    if detail["type"] == "extra_forbidden":
        keys = list(section.model_fields)
        return SpecError(
            f"{_subject(path[:-1])} has no key '{str(path[-1])[:60]}'",
            expected="one of " + ", ".join(keys),
            where=document.key(path),
            remedy=did_you_mean(str(path[-1]), keys),
        )
    wanted = dict.fromkeys(_wanted(d["msg"]) for d in rivals if _path(d["loc"], document)[0] == path)
    value = detail["input"]
    found = "nothing" if value is None else repr(value) if len(repr(value)) <= 60 else _large(value)
    return SpecError(f"'{name}' cannot be {found}", expected=" or ".join(wanted), where=document.place(path))


def _large(value: object) -> str:
    """What a value is that is too long to be shown."""
    sizes = {str: "characters", list: "items", dict: "keys"}
    kind = _KINDS.get(type(value), "value")
    return f"a {kind} of {len(value)} {sizes[type(value)]}" if isinstance(value, (str, list, dict)) else f"this {kind}"


def _wanted(message: str) -> str:
    words = message.removeprefix("Input should be ").removeprefix("a valid ")
    if words.startswith(("String should match", "string, unable")):
        return "a line of plain text"
    if words.startswith("dictionary"):
        return "a mapping"
    if words.lower().startswith(("string should have", "list should have")):
        return words.split(" should have ")[1].replace("at least 1 character", "a text that is not empty")
    limits = {"greater than or equal to": "at least", "less than or equal to": "at most", "greater than": "above"}
    for long, short in (*limits.items(), ("less than", "a number below")):
        if words.startswith(long):
            return words.replace(long, short, 1)
    words = {"string": "a text", "integer": "a whole number", "dictionary": "a mapping", "list": "a list",
             "number": "a number", "boolean": "true or false"}.get(words, words)
    return words[:1].lower() + words[1:]


def _path(location: tuple[int | str, ...], document: Document) -> tuple[Path, type[BaseModel]]:
    """The part of a pydantic location that is a path of the document, and the section that holds its last key."""
    path: Path = ()
    section: type[BaseModel] = Spec
    sections: dict[str, type[BaseModel]] = {
        "train": TrainSection, "data": DataSection, "module": ModuleSection
    }
    for part in location:
        longer = (*path, part)
        if longer not in document.values:
            continue
        if len(path) == 1 and path[0] == "layers":
            section = LayerSection
        if len(path) == 0 and part in sections and len(location) > 1:
            section = sections[str(part)]
        path = longer
    return path, section


def _subject(path: Path) -> str:
    return f"'{'.'.join(str(p) for p in path)}'" if path else "the spec"


def _description(section: type[BaseModel], key: str) -> str | None:
    field = section.model_fields.get(key)
    return field.description if field else None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec, for editors: the models above, and the library's names."""
    schema = Spec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "nablac spec"
    properties = schema["properties"]
    properties["network"]["items"] = _named(NODES)
    properties["loss"]["examples"] = list(LOSS_NAMES)
    properties["metrics"]["examples"] = [[name] for name in MEASURES]
    properties["optimizer"]["examples"] = list(RULES)
    properties["optimizer"]["description"] += f"; schedules are {', '.join(SCHEDULES)}, or a formula"
    return schema


def _named(rows: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a network: a layer's name, or a mapping whose key is one; other names are the user's own layers."""
    keys = {
        name: {"description": versions[0].help}
        for name, versions in rows.items()
    }
    keys["activation"] = {"description": "a formula of x, e.g. x*tanh(log(1 + exp(x)))"}
    keys["share"] = {"description": "the name of a layer whose weights are used again", "type": "string"}
    keys["frozen"] = {"description": "whether no gradient changes its weights", "type": "boolean"}
    keys["tie"] = {"description": "weights that are another layer's: {W: code.W}, or transposed {W: code.W.T}"}
    keys["from"] = {"description": "what it reads instead of the node above it"}
    keys["name"] = {"description": "the node's name", "type": "string"}
    return {"anyOf": [{"type": "string", "examples": list(rows)}, {"type": "object", "properties": keys}]}
