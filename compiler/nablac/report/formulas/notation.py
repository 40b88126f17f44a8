"""formulas/notation: short symbols for the tensors of a program, no two alike, as a textbook would choose them.

``linear_1.W`` is W with subscript 1, ``theta_next`` a theta with subscript next.  The adjoint of a sum that a bias was
added to, or of a product with a weight, is the textbook's local gradient delta; any other adjoint of A is dA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Mul

from nablac.ir.equation import Equation, Program
from nablac.ir.functions import Access
from nablac.ir.tensor import Kind, Role
from nablac.ir.tensor import Tensor as Declared
from nablac.report.formulas.boxes import Box, Call, Name, Number, Operator, Script, Tensor, joined, row
from nablac.report.formulas.plain import plain

LETTERS = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
        "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        strict=True,
    )
)
"""The words that are written as a Greek letter."""

KINDS = {Role.INPUT: "input", Role.PARAM: "param", Role.STATE: "state", Role.RESULT: "result"}


@dataclass(frozen=True)
class Stem:
    """A symbol in parts: its letter or word, and what stands below and above it."""

    letter: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()

    def box(self) -> Box:
        """The symbol."""
        below = joined(",", [_part(b) for b in self.below]) if self.below else None
        above = joined(",", [_part(a) for a in self.above]) if self.above else None
        base = Name(self.letter)
        return Script(base, below, above) if self.below or self.above else base


def _part(text: str) -> Box:
    return Number(text) if text.isdigit() else Name(text)


SUBSCRIPTS = 2
"""A name of more words than these and one is a phrase and no symbol with subscripts."""


def stem(identifier: str) -> Stem:
    """An identifier's letter or word and its subscripts: ``x0``, ``relu_1``, ``theta_next``; else as it is.

    >>> stem("theta_next")
    Stem(letter='θ', below=('next',), above=())
    >>> stem("rate_of_the_last_layer")
    Stem(letter='rate_of_the_last_layer', below=(), above=())
    """
    head, *rest = identifier.split("_")
    match = re.fullmatch(r"([A-Za-z]+)(\d*)", head)
    if match is None or not all(rest) or len(rest) > SUBSCRIPTS:
        return Stem(identifier)
    word, digits = match.groups()
    return Stem(LETTERS.get(word, word), (*([digits] if digits else []), *(LETTERS.get(r, r) for r in rest)))


@dataclass(frozen=True)
class Notation:
    """The symbols of a program's tensors.

    ``one_hots`` holds the matrix whose rows are the one-hot rows of a tensor of labels.  ``natural`` and ``logistic``
    tell whether e and sigma are free to mean the exponential and the sigmoid.
    """

    symbols: Mapping[str, Tensor]
    one_hots: Mapping[str, Box]
    natural: bool = True
    logistic: bool = True
    formed: dict[object, object] = field(default_factory=dict, compare=False, repr=False)  # what builders remember

    @staticmethod
    def of(program: Program, gradients: Mapping[str, str], *others: Program) -> Notation:
        """The notation of a program whose gradients are named, and of further programs that share its names."""
        return _Naming((program, *others), gradients).notation()

    @staticmethod
    def plainly(equations: Iterable[Equation]) -> Notation:
        """The notation of equations of which nothing more is known."""
        found = list(equations)
        targets = {e.target for e in found}
        read = {a.tensor: a for e in found for a in e.reads}
        given = {n: Role.PARAM if "." in n else Role.INPUT for n in read if n not in targets}
        tensors = tuple(Declared(n, tuple(read[n].indices), role=role) for n, role in given.items())
        made = tuple({e.target: Declared(e.target, e.shape) for e in found}.values())
        gradients = {n: f"d_{n}" for n in given if f"d_{n}" in targets}
        return Notation.of(Program("", tensors + made, tuple(found), ()), gradients)

    def symbol(self, name: str) -> Tensor:
        """A tensor's symbol; a name that the notation does not know stands for itself."""
        return self.symbols.get(name) or Tensor(name, Name(name), "result")

    def table(self) -> tuple[tuple[Tensor, str], ...]:
        """Each symbol with the program's name, where they are not spelled alike."""
        return tuple((symbol, name) for name, symbol in self.symbols.items() if plain(symbol) != name)


class _Naming:
    """Gives out symbols: what the user named first, then parameters, then what the compiler made, then adjoints."""

    def __init__(self, programs: Sequence[Program], gradients: Mapping[str, str]) -> None:
        self.tensors: dict[str, Declared] = {}
        self.equations: dict[str, Equation] = {}
        for program in programs:
            for tensor in program.tensors:
                if tensor.role is not Role.COUNTER:
                    self.tensors.setdefault(tensor.name, tensor)
            for equation in program.equations:
                self.equations.setdefault(equation.target, equation)
        self.gradients = gradients
        self.boxes: dict[str, Box] = {}
        self.one_hots: dict[str, Box] = {}
        letters = {s.name for e in self.equations.values() for s, _ in e.extents}
        letters |= {s.name for t in self.tensors.values() for axis in t.shape for s in axis.free_symbols}
        self.taken = {plain(stem(letter).box()) for letter in letters}
        self.raw = set(self.tensors)

    def notation(self) -> Notation:
        """The symbols of all tensors, in the programs' order."""
        adjoints = [n for n in self.tensors if self._is_adjoint(n)]
        own = [n for n in self.tensors if n not in adjoints]
        for name in own:
            if "." not in name:
                self._give([name], [lambda n: stem(n).box()])
        for name in own:
            if self.tensors[name].kind is Kind.INT and self.tensors[name].role is not Role.RESULT:
                self._one_hot(name)
        dotted = [n for n in own if "." in n]
        learned = [n for n in dotted if self.tensors[n].role is not Role.RESULT]
        for group in _by_last_word(learned):
            self._give(group, [self._numbered, self._of_layer])
        for group in _by_last_word(n for n in dotted if self.tensors[n].role is Role.RESULT):
            self._give(group, [self._initial, self._other_initial, self._initial_of_layer, self._of_layer])
        self._name_adjoints(adjoints)
        symbols = {n: Tensor(n, self.boxes[n], self._kind(n)) for n in self.tensors}
        spelled = {plain(b) for b in self.boxes.values()}
        return Notation(symbols, self.one_hots, "e" not in spelled, "σ" not in spelled)

    def _kind(self, name: str) -> str:
        return "adjoint" if self._is_adjoint(name) else KINDS[self.tensors[name].role]

    def _is_adjoint(self, name: str) -> bool:
        equation = self.equations.get(name)
        derived = equation is not None and (equation.origin.of is not None or equation.origin.rule == "reverse")
        return name in self.gradients.values() or (derived and name.startswith("d_"))

    def _give(self, names: Sequence[str], levels: Sequence[Callable[[str], Box | None]]) -> None:
        """Give all the names the first kind of symbol that tells them apart from each other and from all else."""
        for level in levels:
            found = [box if (box := level(n)) and not _is_power_of_e(box) else None for n in names]
            keys = [plain(b) if b is not None else "" for b in found]
            if "" not in keys and len(set(keys)) == len(keys) and all(map(self._is_free, keys, names)):
                break
        else:
            found, keys = [Name(n) for n in names], list(names)
        self.taken.update(keys)
        self.boxes.update((n, b) for n, b in zip(names, found, strict=True) if b is not None)

    def _is_free(self, key: str, name: str) -> bool:
        return key not in self.taken and (key == name or key not in self.raw)

    # --- the kinds of symbols -----------------------------------------------------------------------------------------

    def _layer_number(self, name: str) -> tuple[str, ...]:
        """The number at the end of the layer's name; failing that, of the one layer whose parameters it reads.

        A parameter without a layer may be numbered itself.
        """
        layer = name.rpartition(".")[0]
        found = re.search(r"(\d+)$", layer or name)
        if found:
            return (found[1],)
        equation = self.equations.get(name)
        sources = equation.sources if equation else ()
        layers = [s.rpartition(".")[0] for s in sources if self.tensors[s].role is Role.PARAM]
        numbers = {m[1] for m in (re.search(r"(\d+)$", text) for text in layers) if m}
        return tuple(numbers) if len(numbers) == 1 else ()

    def _numbered(self, name: str) -> Box:
        own = stem(name.rpartition(".")[2])
        return Stem(own.letter, own.below + self._layer_number(name)).box()

    def _of_layer(self, name: str) -> Box:
        own = stem(name.rpartition(".")[2])
        return Stem(own.letter, own.below, (name.rpartition(".")[0],)).box()

    def _initial(self, name: str, other: bool = False) -> Box | None:
        """The first letter of what the compiler lifted out, a capital for a matrix: e and d have a meaning already."""
        own = stem(name.rpartition(".")[2])
        if len(own.letter) == 1:
            return None if other else self._numbered(name)
        capital = (len(self.tensors[name].shape) > 1) != other
        letter = own.letter[0].upper() if capital else own.letter[0].lower()
        return None if letter in "ed" else Stem(letter, own.below + self._layer_number(name)).box()

    def _other_initial(self, name: str) -> Box | None:
        return self._initial(name, other=True)

    def _initial_of_layer(self, name: str) -> Box:
        own = stem(name.rpartition(".")[2])
        capital = len(self.tensors[name].shape) > 1 or own.letter[0] in "ed"
        letter = own.letter[0].upper() if capital else own.letter[0]
        return Stem(letter, own.below, (name.partition(".")[0],)).box()

    def _one_hot(self, name: str) -> None:
        """Y for the labels y."""
        own = stem(name)
        box = Stem(own.letter.upper(), own.below).box()
        key = plain(box)
        if len(own.letter) > 1 or not self._is_free(key, name) or key == name:
            box = Call(Name("onehot"), (self.boxes[name],))
        self.taken.add(plain(box))
        self.one_hots[name] = box

    # --- adjoints -----------------------------------------------------------------------------------------------------

    def _name_adjoints(self, adjoints: Sequence[str]) -> None:
        local = self._local_gradients(adjoints)
        if local:
            self._give(list(local), [lambda n: Stem("δ", local[n]).box(), self._delta_of, self._differential])
        for name in adjoints:
            if name not in self.boxes:
                self._give([name], [self._last, self._first, self._differential])

    def _local_gradients(self, adjoints: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The adjoints whose sums are the gradients of biases, or whose products those of weights, and their layers.

        d_b[j] = sum[i](A[i, j]) says that b was added to the tensor whose adjoint A is;
        d_W[j, k] = sum[i](A[i, j]*x[i, k]) that W was multiplied by x to make it.
        """
        found: dict[str, set[tuple[str, ...]]] = {}
        known = set(adjoints)
        for parameter, gradient in self.gradients.items():
            for equation in self._summands(gradient):
                factors = Mul.make_args(equation.body)
                if not all(isinstance(f, Access) for f in factors) or len(factors) > 2:
                    continue
                derived = [f.tensor for f in factors if f.tensor in known and not self._primal(f.tensor)[1]]
                learned = any(self.tensors[f.tensor].role is Role.PARAM for f in factors)
                if len(derived) == 1 and not learned:
                    found.setdefault(derived[0], set()).add(self._layer_number(parameter))
        return {n: next(iter(numbers)) if len(numbers) == 1 else () for n, numbers in found.items()}

    def _summands(self, gradient: str) -> list[Equation]:
        """The sums that a gradient is or that stand in it as terms of its own."""
        own = [self.equations[n] for n in (gradient,) if n in self.equations]
        terms = [self.equations[s] for e in own for s in e.sources if s.startswith(f"{gradient}.")]
        return [e for e in (*own, *terms) if e.reduction is not None and e.reduction.kind == "sum"]

    def _delta_of(self, name: str) -> Box:
        return Script(Name("δ"), self._primal(name)[0])

    def _last(self, name: str) -> Box:
        """dA for the adjoint of A; the last word of what the compiler added stands above."""
        return self._differential(name, -1)

    def _first(self, name: str) -> Box:
        return self._differential(name, 0)

    def _differential(self, name: str, word_number: int | None = None) -> Box:
        box, rest = self._primal(name)
        if rest and word_number is not None:
            rest = rest.split(".")[word_number]
        bare = box.base if isinstance(box, Script) else box
        word = not isinstance(bare, Name) or len(bare.text) > 1
        whole = row(Operator("d "), box) if word else row(Operator("d"), box)
        return Script(whole, None, Name(rest)) if rest else whole

    def _primal(self, name: str) -> tuple[Box, str]:
        """The symbol of the tensor whose adjoint this is, and what the compiler added to the adjoint's name."""
        words = name.removeprefix("d_").split(".")
        for length in range(len(words), 0, -1):
            known = self.boxes.get(".".join(words[:length]))
            if known is not None:
                return known, ".".join(words[length:])
        return stem(words[0]).box(), ".".join(words[1:])


def _is_power_of_e(box: Box) -> bool:
    """Whether a symbol would read as an exponential."""
    return isinstance(box, Script) and box.base == Name("e") and box.above is not None


def _by_last_word(names: Iterable[str]) -> Iterator[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(stem(name.rpartition(".")[2]).letter, []).append(name)
    yield from groups.values()
