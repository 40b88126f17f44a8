"""sklearn: a model as an estimator of scikit-learn, whose sizes are those of the data that it is fitted to.

A model may name the extents of its inputs (``real[n, d]``, ``label[n, C]``); they become numbers at ``fit``.  For each
choice of them one module is compiled, and kept in this process and in the store; the ``Classifier`` or ``Regressor``
that the module itself offers does the work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np

from nablac import network, store
from nablac.emit.write import import_file
from nablac.errors import DataError
from nablac.extras import extra
from nablac.frontend.definition import Pattern
from nablac.frontend.load import Source, declared_inputs, load_model
from nablac.frontend.model import Model, Module
from nablac.frontend.trace import ModelFunction

with extra("sklearn", "an estimator"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["Classifier", "Regressor", "WeightedClassifier", "WeightedRegressor", "estimator"]


def estimator(spec: Source, **settings: Any) -> Classifier | Regressor:
    """The estimator of a spec's path, of ``FILE.py:NAME``, of a traced function or of a model.

    A model with a label is a classifier, any other a regressor; ``settings`` are those of its training.
    """
    roles = _Roles.of(spec)
    if roles.target.kind == "label":
        return (WeightedClassifier if roles.weighted else Classifier)(spec, **settings)
    return (WeightedRegressor if roles.weighted else Regressor)(spec, **settings)


class _Estimator(BaseEstimator):
    """Settings that are None are the model's own."""

    sizes_: dict[str, int]
    fitted_: Any

    def __init__(
        self,
        spec: Source,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        patience: int | None = None,
        validation: float | None = None,
        random_state: Any = None,
        warm_start: bool = False,
    ) -> None:
        self.spec = spec
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.validation = validation
        self.random_state = random_state
        self.warm_start = warm_start

    def _learn(self, method: str, X: Any, y: Any, further: bool, **more: Any) -> Self:
        """Have the module's estimator learn: the one that has learned before, or one for the data's sizes."""
        further = further and hasattr(self, "fitted_")
        roles, columns = _Roles.of(self.spec), not isinstance(self, Classifier)
        X, y = validate_data(
            self, X, y, reset=not further, y_numeric=columns, multi_output=columns and len(roles.target.axes) == 2
        )
        if not further:
            self.sizes_ = roles.sizes(X, y, more.get("classes"))
        made = self._made()
        if further:
            made.__setstate__(self.fitted_.__getstate__() | made.get_params())
        self.fitted_ = getattr(made, method)(X, y, **more)
        return self

    def _made(self) -> Any:
        """The module's estimator, not fitted yet."""
        given = {name: value for name, value in self.get_params(deep=False).items() if value is not None}
        given.pop("spec")
        module = _module(self.spec, self.sizes_)
        kind = "Classifier" if isinstance(self, Classifier) else "Regressor"
        if not hasattr(module, kind):
            raise DataError(
                f"the model '{module.NAME}' is no {kind.lower()}",
                found=f"outputs {module.OUTPUTS} of {', '.join(module.READS['predict'])}",
                expected="an output of the target's shape, or with a score for each class, that reads the table alone",
            )
        return getattr(module, kind)(**given)

    def _asked(self, method: str, X: Any) -> Any:
        check_is_fitted(self)
        return getattr(self.fitted_, method)(validate_data(self, X, reset=False))

    def predict(self, X: Any) -> Any:
        """The likeliest classes, or the targets."""
        return self._asked("predict", X)

    @property
    def history_(self) -> list[dict[str, float]]:
        """A row for each epoch: losses, metrics and the learning rate."""
        return self.fitted_.history_

    def __getstate__(self) -> dict[str, Any]:
        """Settings and arrays; the module is found, or compiled, again."""
        state = dict(self.__dict__)
        return state | ({"fitted_": self.fitted_.__getstate__()} if "fitted_" in state else {})

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """What was learned, on the module that learned it."""
        self.__dict__.update(state)
        if "fitted_" in state:
            self.fitted_ = self._made()
            self.fitted_.__setstate__(dict(state["fitted_"]))


class Classifier(ClassifierMixin, _Estimator):
    """A model with a label as a classifier; classes are numbers, texts, whatever can be told apart."""

    def fit(self, X: Any, y: Any, **unknown: Any) -> Self:
        """Learn anew; with ``warm_start`` from what was learned before."""
        return self._learn("fit", X, y, self.warm_start, **unknown)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, **unknown: Any) -> Self:
        """Learn for one epoch more; the first call names all classes, unless its y has them."""
        return self._learn("partial_fit", X, y, True, classes=classes, **unknown)

    @property
    def classes_(self) -> Any:
        """The classes, sorted."""
        return self.fitted_.classes_

    def predict_proba(self, X: Any) -> Any:
        """The classes' probabilities: what softmax makes of their scores."""
        return self._asked("predict_proba", X)

    def decision_function(self, X: Any) -> Any:
        """The classes' scores; of two classes by how much the second's is larger."""
        return self._asked("decision_function", X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = _Roles.of(self.spec).target.axes[-1] != "2"
        return tags


class Regressor(RegressorMixin, _Estimator):
    """A model with a real target as a regressor."""

    def fit(self, X: Any, y: Any, **unknown: Any) -> Self:
        """Learn anew; with ``warm_start`` from what was learned before."""
        return self._learn("fit", X, y, self.warm_start, **unknown)

    def partial_fit(self, X: Any, y: Any, **unknown: Any) -> Self:
        """Learn for one epoch more."""
        return self._learn("partial_fit", X, y, True, **unknown)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = len(_Roles.of(self.spec).target.axes) == 2
        return tags


class WeightedClassifier(Classifier):
    """A classifier whose model has an input for the samples' weight."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any) -> Self:
        """Learn anew; with ``warm_start`` from what was learned before."""
        return self._learn("fit", X, y, self.warm_start, sample_weight=sample_weight, **unknown)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, **unknown: Any) -> Self:
        """Learn for one epoch more; the first call names all classes, unless its y has them."""
        return self._learn("partial_fit", X, y, True, classes=classes, sample_weight=sample_weight, **unknown)


class WeightedRegressor(Regressor):
    """A regressor whose model has an input for the samples' weight."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any) -> Self:
        """Learn anew; with ``warm_start`` from what was learned before."""
        return self._learn("fit", X, y, self.warm_start, sample_weight=sample_weight, **unknown)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, **unknown: Any) -> Self:
        """Learn for one epoch more."""
        return self._learn("partial_fit", X, y, True, sample_weight=sample_weight, **unknown)


class TargetError(DataError, ValueError):
    """Targets that no classifier can learn; a ValueError, as scikit-learn expects."""


@dataclass(frozen=True)
class _Roles:
    """What a model's inputs are to an estimator: the table first; then the label, or else what stands next."""

    table: Pattern
    target: Pattern
    weighted: bool

    @classmethod
    def of(cls, spec: Source) -> _Roles:
        """Those of a source's inputs."""
        key = _identity(spec)
        if key not in _ROLES:
            _ROLES[key] = cls._read(spec)
        return _ROLES[key]

    @classmethod
    def _read(cls, spec: Source) -> _Roles:
        table, *rest = declared_inputs(spec).values()
        rest.sort(key=lambda pattern: pattern.kind != "label")
        if table.kind != "real" or len(table.axes) != 2 or len(rest) not in (1, 2):
            raise DataError(
                "the model cannot be an estimator",
                found=", ".join(map(str, (table, *rest))),
                expected="a table real[n, d], then a target label[n, C], real[n] or real[n, k], then a weight real[n]",
            )
        return cls(table, rest[0], len(rest) == 2)

    def sizes(self, X: Any, y: Any, classes: Any) -> dict[str, int]:
        """The numbers that the data give to the extents that have names."""
        if self.target.kind == "label":
            check_classification_targets(y)
            count = len(np.unique(y if classes is None else classes))
            if count < 2:
                raise TargetError("y cannot be learned", found="1 class", expected="at least 2 classes")
        else:
            count = y.shape[1] if y.ndim == 2 else 1
        found = {self.table.axes[1]: X.shape[1]}
        if self.target.kind == "label" or len(self.target.axes) == 2:
            found.setdefault(self.target.axes[-1], count)
        return {name: int(size) for name, size in found.items() if not name.isdigit()}


_ROLES: dict[object, _Roles] = {}
_MODULES: dict[object, ModuleType] = {}
"""What this process has read and compiled: by source; by source and sizes, and by the model's digest."""


def _module(spec: Source, sizes: Mapping[str, int]) -> ModuleType:
    """The module of a source whose named extents have these sizes."""
    key = (_identity(spec), tuple(sorted(sizes.items())))
    if key not in _MODULES:
        model = replace(load_model(spec, sizes=sizes), module=Module(estimator=True, mpi=False))
        if model.digest not in _MODULES:
            stored = store.kept([b"estimator", model.digest.encode()], lambda folder: _write(model, folder))
            _MODULES[model.digest] = import_file(stored.path)
        _MODULES[key] = _MODULES[model.digest]
    return _MODULES[key]


def _write(model: Model, folder: Path) -> store.Stored:
    return store.Stored(network.compile(model).write(folder / f"{model.name}.py"), ())


def _identity(spec: Source) -> object:
    """What tells sources apart: a file's name and time, or the object itself."""
    if isinstance(spec, Model):
        return spec.digest
    if isinstance(spec, ModelFunction):
        return spec.function
    if not isinstance(spec, (str, Path)):
        return spec
    path = Path(str(spec).rpartition(":")[0] if ".py:" in str(spec) else spec)
    return (str(spec), os.path.abspath(path), os.stat(path).st_mtime_ns if os.path.exists(path) else None)
