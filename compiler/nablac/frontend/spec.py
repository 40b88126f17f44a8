"""frontend/spec: a YAML spec -> a model.  Nothing in a spec is ever run; every mistake is told with its place."""

from __future__ import annotations

from pathlib import Path

from nablac.errors import SpecError
from nablac.frontend.model import Model
from nablac.frontend.schema import validate
from nablac.frontend.spec_measures import MeasureReader
from nablac.frontend.spec_training import TrainingReader
from nablac.frontend.yaml_reader import MAX_BYTES, read_yaml, text_place


def load_spec(path: str | Path) -> Model:
    """The model of a spec file."""
    return model_of_spec(_text(Path(path)), str(path))


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
    document = read_yaml(text, file)
    spec = validate(document)
    reader = MeasureReader(document, spec)
    reader.read_network()
    loss, outputs, metrics = reader.read_measures()
    training = TrainingReader(document, spec, reader.builder.functions)
    return reader.builder.finish(
        loss,
        outputs,
        metrics,
        training.optimizer(),
        training.training(),
        training.data(),
        spec.title,
    )
