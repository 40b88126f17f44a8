"""frontend/spec_measures: a spec's outputs, loss and metrics; by their names alone they find what they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nablac.errors import NameError_, Place, SpecError
from nablac.frontend.definition import Option, Request, Value, did_you_mean
from nablac.frontend.library import LOSS_NAMES, PENALTY_NAMES
from nablac.frontend.schema import Item
from nablac.frontend.spec_network import NetworkReader
from nablac.frontend.yaml_reader import Path
from nablac.ir.declare import check_plain_name
from nablac.ir.tensor import Role
from nablac.ir.tokens import Line

WEIGHT = Option("weight", float, 1.0, low=0, high=1e9, help="by what a loss is multiplied where there are several")


class MeasureReader(NetworkReader):
    """The walk over what a spec computes and measures."""

    def read_measures(self) -> tuple[str, list[str], list[tuple[str, str]]]:
        """The loss, the outputs and the metrics."""
        outputs = self._outputs()
        loss = self._loss(outputs)
        if not outputs:
            outputs = self._default_outputs(loss)
        return loss, outputs, self._metrics(outputs)

    def _outputs(self) -> list[str]:
        """The outputs that are named, or a network's last node."""
        given = self.spec.outputs
        if given is None:
            return [self.current] if self.current is not None else []
        if isinstance(given, Mapping):
            pairs: list[tuple[str, str, Path]] = [(name, source, ("outputs", name)) for name, source in given.items()]
        elif isinstance(given, str):
            pairs = [(given, given, ("outputs",))]
        else:
            pairs = [(name, name, ("outputs", number)) for number, name in enumerate(given)]
        if not pairs:
            raise SpecError("a model has an output", found="none", where=self.document.place(("outputs",)))
        kept: list[str] = []
        for name, source, path in pairs:
            where = self.document.place(path)
            actual = self.builder.tensor(source, where).name
            kept.append(self.builder.output(name, actual, kept, self.document.key(path)))
        if len(set(kept)) < len(kept):
            raise SpecError("an output is named twice", found=", ".join(kept), where=self.document.place(("outputs",)))
        return kept

    def _default_outputs(self, loss: str) -> list[str]:
        """Without a network: what can be computed from less than the loss needs, furthest down; else the loss."""
        needs = self._needs()
        targets = [e.target for e in self.builder.equations if "." not in e.target and e.target != loss]
        early = [t for t in targets if needs[t] < needs[loss]]
        readers = {name for t in early for name in self._below(t)}
        return [t for t in early if t not in readers] or [loss]

    def _below(self, target: str) -> set[str]:
        """All that a target reads, directly or not."""
        defined = {e.target: e for e in self.builder.equations}
        found: set[str] = set()
        waiting = [target]
        while waiting:
            equation = defined.get(waiting.pop())
            new = [name for name in (equation.sources if equation else ()) if name not in found]
            found.update(new)
            waiting += new
        return found

    def _needs(self) -> dict[str, frozenset[str]]:
        """The inputs that each tensor depends on."""
        roles = self.builder.tensors
        needs = {n: frozenset([n]) if t.role is Role.INPUT else frozenset() for n, t in roles.items()}
        for equation in self.builder.equations:
            needs[equation.target] = frozenset().union(*(needs[name] for name in equation.sources))
        return needs

    def _loss(self, outputs: Sequence[str]) -> str:
        given, path = self.spec.loss, ("loss",)
        if given is None:
            if "loss" in self.builder.tensors:
                return "loss"
            raise SpecError(
                "the spec needs a loss",
                expected="loss: a name such as cross_entropy, an expression, or an equation named loss",
                where=self.document.place(()),
            )
        if isinstance(given, list):
            return self._sum_of_losses(given, outputs, path)
        if isinstance(given, dict) and "weight" in given:
            return self._sum_of_losses([given], outputs, path)
        return self._one_loss(given, "loss", outputs, path)

    def _sum_of_losses(self, items: Sequence[Item], outputs: Sequence[str], path: Path) -> str:
        """Several losses, each times its weight, which is 1 unless one stands beside its name."""
        if not items:
            raise SpecError("the spec needs a loss", found="an empty list", where=self.document.place(path))
        terms = []
        for number, item in enumerate(items):
            at = (*path, number) if isinstance(self.spec.loss, list) else path
            weight: Value = 1
            if isinstance(item, dict) and "weight" in item:
                given = item["weight"]
                item = {key: value for key, value in item.items() if key != "weight"}
                weight = WEIGHT.check(given, "the loss", self.document.place((*at, "weight")))
            terms.append(f"{weight}*{self._one_loss(item, 'term', outputs, at)}")
        return self.builder.expression(Line(" + ".join(terms), self.document.place(path), exact=False), "loss")

    def _one_loss(self, given: Item, name: str, outputs: Sequence[str], path: Path) -> str:
        """A loss by its name, by a tensor's, by its name with what it compares, or by an expression."""
        if isinstance(given, str):
            if given in self.builder.known():
                return self.builder.tensor(given, None).name
            if given not in self.measures:
                self._check_word(given, path, [*LOSS_NAMES, *self.builder.tensors])
                return self.builder.expression(self.document.line(path), name)
            return self._measure(given, None, name, outputs, path)
        if len(given) != 1:
            raise SpecError(
                "a loss has one name",
                found=", ".join(given) or "none",
                where=self.document.place(path),
                remedy="several losses are a list, each with its weight: - {mae: [p, y], weight: 0.5}",
            )
        ((kind, value),) = given.items()
        return self._measure(kind, value, name, outputs, (*path, kind))

    def _check_word(self, text: str, path: Path, known: Sequence[str]) -> None:
        """A text that is one word is a name; an unknown one gets a better error than as an expression."""
        if text.isidentifier():
            raise NameError_(
                f"there is no loss, metric or tensor '{text[:60]}'",
                expected="one of " + ", ".join(dict.fromkeys(n for n in known if "." not in n)),
                where=self.document.place(path),
                remedy=did_you_mean(text, known),
            )

    def _measure(self, kind: str, value: Any, name: str, outputs: Sequence[str], path: Path) -> str:
        """Apply a loss or metric; by its name alone it reads the prediction and the input left to compare it with."""
        where = self.document.key(path)
        rows = self.measures.get(kind)
        if rows is None:
            raise NameError_(
                f"there is no loss or metric '{kind[:60]}'",
                expected="one of " + ", ".join(self.measures),
                where=where,
                remedy=did_you_mean(kind, list(self.measures)),
            )
        given = dict(value) if isinstance(value, Mapping) else {}
        places: dict[str, Place | None] = {key: self.document.key((*path, key)) for key in given}
        places[""] = where
        sources = given.pop("from", None)
        if isinstance(value, (str, list)):
            sources = value
        elif isinstance(value, (int, float)):
            first = next((row.options[0].name for row in reversed(rows) if row.options), None)
            if first is None:
                raise SpecError(f"'{kind}' has no options", found=str(value), where=self.document.place(path))
            given[first] = value
        penalty = kind in PENALTY_NAMES and rows[0].where is None
        if sources is None and penalty:
            sources = self._all_weights(kind, where)
        if sources is None:
            inputs = self._prediction_and_target(kind, len(rows[0].reads), outputs, where)
        else:
            inputs = self._sources(sources, places.get("from") or where, where)
            inputs = [self.builder.tensor(source, where).name for source in inputs]
        if not penalty or len(inputs) == 1:
            return self.builder.apply(rows, inputs, Request(given, places, self.builder.fresh(name)))
        of = f"{name}_of" if name != "loss" else "term"
        parts = [self.builder.apply(rows, [w], Request(given, places, self.builder.fresh(of))) for w in inputs]
        return self.builder.expression(Line(" + ".join(parts), where, exact=False), name)

    def _all_weights(self, kind: str, where: Place) -> list[str]:
        """The learned parameters of two axes and more: matrices, and no offsets."""
        learned = [t for t in self.builder.tensors.values() if t.role is Role.PARAM and not t.frozen]
        found = [t.name for t in learned if len(t.shape) > 1]
        if not found:
            raise SpecError(
                f"'{kind}' finds no weights",
                found="no parameter of two axes or more",
                where=where,
                remedy=f"name what it is applied to: {kind}: w",
            )
        return found

    def _prediction_and_target(self, kind: str, count: int, outputs: Sequence[str], where: Place) -> list[str]:
        prediction = self.current or (outputs[0] if outputs else None)
        if prediction is not None:
            prediction = self.builder.tensor(prediction, where).name
            if count == 1:
                return [prediction]
            needed = self._needs()[prediction]
            left = [t.name for t in self.builder.tensors.values() if t.role is Role.INPUT and t.name not in needed]
            if count == 2 and len(left) == 1:
                return [prediction, left[0]]
        raise SpecError(
            f"'{kind}' does not know what to compare",
            found="no prediction" if prediction is None else f"{len(left)} inputs besides what '{prediction}' needs",
            where=where,
            remedy=f"name both: {kind}: [prediction, target]",
        )

    def _metrics(self, outputs: Sequence[str]) -> list[tuple[str, str]]:
        given = self.spec.metrics
        found: list[tuple[str, str]] = []
        if isinstance(given, Mapping):
            items: list[tuple[str, Any, Path]] = [(k, v, ("metrics", k)) for k, v in given.items()]
        else:
            items = []
            for number, item in enumerate(given):
                if isinstance(item, str):
                    items.append((item, None, ("metrics", number)))
                else:
                    items += [(k, v, ("metrics", number, k)) for k, v in item.items()]
        for name, value, path in items:
            if name == "loss":
                remedy = "the loss is measured anyway: name the metric otherwise"
                raise SpecError("no metric can be called 'loss'", where=self.document.key(path), remedy=remedy)
            if name in (shown for shown, _ in found):
                raise SpecError(f"metric '{name}' is given twice", where=self.document.key(path))
            found.append((name, self._metric(name, value, outputs, path)))
        return found

    def _metric(self, name: str, value: Any, outputs: Sequence[str], path: Path) -> str:
        """A metric by its name, by a measure's name with what it reads, or by an expression."""
        if value is None or (name in self.measures and not isinstance(value, str)):
            if value is None and name in self.builder.known() and name not in self.measures:
                return self.builder.tensor(name, None).name
            if value is None and name not in self.measures:
                self._check_word(name, path, [*self.measures, *self.builder.tensors])
                raise SpecError(
                    "a metric needs a name",
                    found=name[:60],
                    where=self.document.place(path),
                    remedy=f'- {{worst: "{name[:60]}"}}',
                )
            return self._measure(name, value, name, outputs, path)
        check_plain_name(name, self.document.key(path))
        if isinstance(value, Mapping) and len(value) == 1:
            ((kind, inner),) = value.items()
            return self._measure(kind, inner, name, outputs, (*path, kind))
        if not isinstance(value, str):
            raise SpecError(
                f"metric '{name}' cannot be {value!r}"[:120],
                expected="an expression, a tensor's name, or a metric with what it reads",
                where=self.document.place(path),
            )
        if value in self.builder.known():
            return self.builder.tensor(value, None).name
        if value in self.measures:
            return self._measure(value, None, name, outputs, path)
        self._check_word(value, path, [*self.measures, *self.builder.tensors])
        return self.builder.expression(self.document.line(path), name)
