"""frontend/spec: a YAML spec -> a model.  Nothing in a spec is ever run; every mistake is told with its place."""

from __future__ import annotations

from pathlib import Path

from nablac.errors import SpecError
from nablac.frontend.model import Model, Training
from nablac.frontend.schema import validate
from nablac.frontend.spec_measures import MeasureReader
from nablac.frontend.spec_training import TrainingReader
from nablac.frontend.yaml_reader import MAX_BYTES, read_yaml


def load_spec(path: str | Path) -> Model:
    """The model of a spec file."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError("the spec is too long", expected=f"at most {MAX_BYTES} bytes", where=str(path))
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SpecError("the spec cannot be read", found=error.strerror or "no file", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise SpecError("the spec is not UTF-8 text", found=f"byte {error.start}", where=str(path)) from None
    return model_of_spec(text, str(path))


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
        Training(**spec.train.model_dump()),
        training.data(),
        spec.title,
    )
