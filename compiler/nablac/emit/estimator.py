"""emit/estimator: which of scikit-learn's estimators a model can be, and the pieces of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nablac.emit.tables import literal
from nablac.emit.view import EstimatorView
from nablac.frontend.model import Model
from nablac.ir.equation import Program
from nablac.ir.tensor import Kind, Role, Tensor
from nablac.lint.ranges import Ranges

NAMED = {"seed": "random_state"}
"""Options of the training that scikit-learn has another name for."""

GIVEN = ("epochs", "patience")
"""Options of the training that a part of it has of its own."""

UNUSED = ("checkpoint_every",)
"""Options of the training that are about its folder: an estimator has none."""


def estimator_view(
    model: Model, predict: Program, batched: Sequence[str], options: Mapping[str, object]
) -> EstimatorView | None:
    """A ``Classifier``, a ``Regressor``, or nothing: what fits is a table of real numbers in, and one target.

    The target is the label, or else the first input that the outputs do not need; one real number a row more is the
    samples' weight.
    """
    declared = model.program.declared
    inputs = model.program.having(Role.INPUT)
    read = {name for equation in predict.equations for name in equation.sources}
    tables = [t for t in inputs if t.name in read]
    rest = sorted((t for t in inputs if t.name not in read), key=lambda t: t.bound is None)
    if "epochs" not in options or {t.name for t in inputs} != set(batched):
        return None
    if len(tables) != 1 or not _is_table(tables[0]) or len(rest) not in (1, 2):
        return None
    target, weight = rest[0], rest[1] if len(rest) == 2 else None
    if weight is not None and (weight.kind is not Kind.REAL or len(weight.shape) != 1):
        return None
    output = next((declared[name] for name in model.outputs if _fits(declared[name], target)), None)
    if output is None:
        return None
    return EstimatorView(
        kind="Regressor" if target.bound is None else "Classifier",
        base="RegressorMixin" if target.bound is None else "ClassifierMixin",
        settings="\n".join(
            f"    {NAMED.get(name, name)}: object = TRAINING[{literal(name)}]" for name in options if name not in UNUSED
        ),
        given=", ".join(f"{name}=self.{name}" for name in options if name not in (*UNUSED, *NAMED, *GIVEN)),
        table=tables[0].name,
        target=target.name,
        weight=weight.name if weight else "",
        columns="yes" if len(target.shape) == 2 else "",
        output=output.name,
        scores=_scores(output, predict),
    )


def _is_table(tensor: Tensor) -> bool:
    return tensor.kind is Kind.REAL and len(tensor.shape) == 2 and bool(tensor.shape[1].is_Integer)


def _fits(output: Tensor, target: Tensor) -> bool:
    """Whether an output predicts the target: its numbers, a score for each class, or one score for two."""
    if output.kind is not Kind.REAL or target.kind is Kind.REAL or target.bound is None:
        return output.kind is target.kind is Kind.REAL and output.shape == target.shape and len(target.shape) <= 2
    one = target.bound == 2 and output.shape[1:] in ((), (1,))
    return len(target.shape) == 1 and output.shape[:1] == target.shape and (one or output.shape[1:] == (target.bound,))


def _scores(output: Tensor, predict: Program) -> str:
    """Logits of the classes, as an expression of the output z; what lies in 0 to 1 are probabilities."""
    found = Ranges(predict).tensors[output.name]
    shares = found.low >= 0 and found.high <= 1
    text = "z"
    if output.shape[1:] in ((), (1,)):
        text = f"np.stack([{'1 - z' if shares else '0 * z'}, z], axis=-1)"
        text = text.replace("z", "z[:, 0]") if output.shape[1:] else text
    return f"np.log(np.maximum({text}, np.finfo(DTYPE).tiny))" if shares else text
