"""frontend/spec: a YAML spec -> a model.  Nothing in a spec is ever run; every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nablac.errors import SpecError
from nablac.frontend.definition import Pattern, read_pattern
from nablac.frontend.model import Model, Module
from nablac.frontend.schema import validate
from nablac.frontend.spec_data import DataReader
from nablac.frontend.spec_measures import MeasureReader
from nablac.frontend.spec_training import TrainingReader
from nablac.frontend.yaml_reader import MAX_BYTES, Document, read_yaml, text_place


def load_spec(path: str | Path, sizes: Mapping[str, int] | None = None) -> Model:
    """The model of a spec file; ``sizes`` are numbers for extents that it only names."""
    return model_of_document(read_spec(path), sizes)


def _text(path: Path) -> str:
    """The file's text; what has no end (a device) is not read to it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise SpecError("the spec cannot be read", found=found, where=str(path)[:200]) from None
    if len(data) > MAX_BYTES:
        raise SpecError("the spec is too long", expected=f"at most {MAX_BYTES} bytes", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise SpecError(
            "the spec is not UTF-8 text",
            found=f"the byte {data[error.start]:#04x}",
            where=text_place(before, len(before), str(path)),
            remedy="save it as UTF-8",
        ) from None


def model_of_spec(text: str, file: str = "<spec>") -> Model:
    """The model of a spec's text.

    >>> model = model_of_spec('''
    ... model: line
    ... inputs: {x: "real[n]", y: "real[n]"}
    ... params: {a: real, b: real}
    ... equations: ["p[i] = a*x[i] + b"]
    ... loss: mean[i]((p[i] - y[i])**2)
    ... ''')
    >>> model.outputs, model.loss
    (('p',), 'loss')
    """
    return model_of_document(read_yaml(text, file))


def read_spec(path: str | Path) -> Document:
    """A spec file as plain data, with the places of its keys and values."""
    return read_yaml(_text(Path(path)), str(path))


def inputs_of_spec(path: str | Path) -> dict[str, Pattern]:
    """How a spec file declares its inputs."""
    document = read_spec(path)
    found = {name: document.line(("inputs", name)) for name in validate(document).inputs}
    return {name: read_pattern(line.text, line.where) for name, line in found.items()}


def model_of_document(document: Document, sizes: Mapping[str, int] | None = None) -> Model:
    """The model of a spec that has been read; some of its values may have been set since."""
    spec = validate(document)
    reader = MeasureReader(document, spec, sizes)
    reader.read_network()
    loss, outputs, metrics = reader.read_measures()
    training = TrainingReader(document, spec, reader.builder.functions)
    return reader.builder.finish(
        loss,
        outputs,
        metrics,
        training.optimizer(),
        training.training(),
        DataReader(document, spec).data(spec.data),
        spec.title,
        Module(**spec.module.model_dump()),
    )
