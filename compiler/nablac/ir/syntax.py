"""ir/syntax: text -> statements; the first half of reading an equation, before any name is looked up.

The text is cut into tokens of the language's own, which bounds its length, nesting and numbers, and only then handed to
Python's ``ast``.  Nothing is ever evaluated: ``ir/elaborate`` walks the tree and knows the few nodes it accepts.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nablac.errors import ParseError, Place

MAX_LENGTH = 4000
MAX_TOKENS = 1500
MAX_BRACKETS = 40
MAX_OPERATORS = 8
MAX_DIGITS = 40
MAX_EXPONENT = 300

WORDS = frozenset({"and", "or", "not", "for", "in"})
"""Words with a meaning of their own inside an equation."""

REDUCERS = ("sum", "mean", "max", "min", "prod", "argmax", "argmin")
"""What may stand before a bracket of indices."""

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*)"
    r"|(?P<mark>\.\.\.|\*\*|==|!=|<=|>=|[-+*/<>=()\[\],])"
)
_REMEDIES = {
    "^": "a power is written x**2",
    ":": "an index has no slices: name the index, or give its extent with 'for i in 4'",
    "@": "a matrix product is written sum[k](A[i,k]*B[k,j])",
    "%": "there is no remainder",
    "&": "write 'and'",
    "|": "write 'or', or abs(x)",
    "!": "write 'not', or != between two numbers",
    "{": "brackets are ( ) and [ ]",
    "}": "brackets are ( ) and [ ]",
    '"': "an equation holds no strings",
    "'": "an equation holds no strings",
    ";": "one equation a line",
}


@dataclass(frozen=True)
class Line:
    """A piece of text and where its first character stands, ``margin`` being the columns before each further line.

    If it is not ``exact``, all of it is said to stand there: the library's equations, where the user named the layer.
    """

    text: str
    where: Place
    exact: bool = True
    margin: int = 0

    def place(self, offset: int) -> Place:
        """The place of one character of the text."""
        before = self.text[:offset]
        if self.where.line is None or not self.exact:
            return self.where
        if "\n" in before:
            column = self.margin + offset - before.rindex("\n")
            return Place(self.where.file, self.where.line + before.count("\n"), column)
        if self.where.column is None:
            return self.where
        return Place(self.where.file, self.where.line, self.where.column + offset)

    @cached_property
    def flat(self) -> str:
        """The text with its comments and line breaks blanked, every character at its old offset."""
        blanked = re.sub(r"#[^\n]*", lambda comment: " " * len(comment.group()), self.text)
        return re.sub(r"\s", " ", blanked)


def lines_of(text: str, where: Place) -> Iterator[Line]:
    """The equations of a text, one a line; a line goes on while a bracket is open.

    ``where`` is the place of the text's first character, and every line of it begins in that column.
    """
    margin = (where.column or 1) - 1
    held, start, row, depth = "", 0, where.line or 1, 0
    for number, line in enumerate(text.split("\n")):
        code = line.split("#", 1)[0]
        if not held:
            start = number
        held = f"{held}\n{line}" if held else line
        depth += sum(code.count(c) for c in "([") - sum(code.count(c) for c in ")]")
        if depth <= 0:
            if held.split("#", 1)[0].strip():
                indent = len(held) - len(held.lstrip())
                yield Line(held.strip(), Place(where.file, row + start, margin + indent + 1), margin=margin)
            held, depth = "", 0
    if held.strip():
        yield Line(held.strip(), Place(where.file, row + start, margin + 1), margin=margin)


@dataclass(frozen=True)
class Token:
    """A word of the text: a number, a name or a mark, with its offset and how many brackets are open before it."""

    kind: str
    text: str
    offset: int
    depth: int


@dataclass(frozen=True)
class Range:
    """``for p in 4``: the extent of an index, stated."""

    index: str
    extent: ast.expr
    offset: int


@dataclass(frozen=True)
class EquationText:
    """``target[i, ..., j] = body for p in 4``; an index that is None is the ellipsis."""

    line: Line
    target: str
    indices: tuple[str | None, ...]
    body: ast.expr
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True)
class FunctionText:
    """``name(z) = body``: a function of the user's own."""

    line: Line
    name: str
    parameters: tuple[str, ...]
    body: ast.expr


def tokens_of(line: Line) -> tuple[Token, ...]:
    """The words of a text; whatever is not in the language, or too much of it, is refused here."""
    text = line.flat
    if len(text) > MAX_LENGTH:
        raise ParseError(
            "an equation is too long",
            found=f"{len(text)} characters",
            expected=f"at most {MAX_LENGTH}",
            where=line.where,
            remedy="name its parts in equations of their own",
        )
    found: list[Token] = []
    open_brackets: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise _strange(line, offset)
        kind, word = str(match.lastgroup), match.group()
        if kind != "space":
            token = Token(kind, word, offset, len(open_brackets))
            _check_token(line, token, found)
            _track_brackets(line, token, open_brackets)
            found.append(token)
        offset = match.end()
    if open_brackets:
        bracket = open_brackets[-1]
        raise ParseError(f"'{bracket.text}' is never closed", where=line.place(bracket.offset))
    if len(found) > MAX_TOKENS:
        raise ParseError(
            "an equation is too long",
            found=f"{len(found)} words and marks",
            expected=f"at most {MAX_TOKENS}",
            where=line.where,
            remedy="name its parts in equations of their own",
        )
    return tuple(found)


def _strange(line: Line, offset: int) -> ParseError:
    character = line.flat[offset]
    remedy = _REMEDIES.get(character)
    if character.isalpha() or ord(character) > 127:
        remedy = "names are of the letters a-z, A-Z, digits and _: write theta for a Greek letter"
    return ParseError(
        f"{character!r} is not part of the language", found=_excerpt(line), where=line.place(offset), remedy=remedy
    )


def _excerpt(line: Line) -> str:
    text = " ".join(line.flat.split())
    return text if len(text) <= 80 else text[:77] + "..."


def _check_token(line: Line, token: Token, before: list[Token]) -> None:
    where = line.place(token.offset)
    last = before[-1] if before else None
    touching = last is not None and last.kind == "number" and last.offset + len(last.text) == token.offset
    if last is not None and touching and token.kind in ("name", "number"):
        raise ParseError(
            f"'{last.text}{token.text}' is neither a number nor a name",
            where=line.place(last.offset),
            remedy=f"for a product write {last.text}*{token.text}",
        )
    if token.kind == "number":
        digits, _, power = token.text.lower().partition("e")
        if len(digits) > MAX_DIGITS or (power and (len(power) > 5 or abs(int(power)) > MAX_EXPONENT)):
            raise ParseError(
                "a number is too long",
                found=token.text if len(token.text) <= 60 else f"{token.text[:57]}...",
                expected=f"at most {MAX_DIGITS} digits and an exponent of at most {MAX_EXPONENT}",
                where=where,
            )
    if token.kind == "name" and keyword.iskeyword(token.text) and token.text not in WORDS:
        remedy = "write where(condition, a, b)" if token.text in ("if", "else") else f"write {token.text.lower()}_"
        raise ParseError(f"'{token.text}' is not part of the language", where=where, remedy=remedy)
    run = before[-MAX_OPERATORS:]
    if len(run) == MAX_OPERATORS and all(_is_operator(t) for t in (*run, token)):
        raise ParseError("too many operators in a row", where=where)


def _is_operator(token: Token) -> bool:
    return token.text == "not" or (token.kind == "mark" and token.text not in "()[],...")


def _track_brackets(line: Line, token: Token, open_brackets: list[Token]) -> None:
    if token.text in ("(", "["):
        open_brackets.append(token)
        if len(open_brackets) > MAX_BRACKETS:
            raise ParseError(
                "brackets are nested too deeply",
                expected=f"at most {MAX_BRACKETS} open at once",
                where=line.place(token.offset),
                remedy="name the inner part in an equation of its own",
            )
    elif token.text in (")", "]"):
        if not open_brackets or open_brackets[-1].text != {")": "(", "]": "["}[token.text]:
            raise ParseError(f"'{token.text}' closes nothing", found=_excerpt(line), where=line.place(token.offset))
        open_brackets.pop()


def read_statement(line: Line) -> EquationText | FunctionText:
    """An equation or a function's definition.

    >>> statement = read_statement(Line("h[i,j] = sum[k](W[j,k]*x[i,k])", Place("example")))
    >>> statement.target, statement.indices
    ('h', ('i', 'j'))
    """
    tokens = tokens_of(line)
    equals = [t for t in tokens if t.text == "=" and t.depth == 0]
    stray = [t for t in tokens if t.text == "=" and t.depth > 0] + equals[1:]
    if stray:
        raise ParseError(
            "an equation has one '='",
            found=_excerpt(line),
            where=line.place(stray[0].offset),
            remedy="a comparison is written ==",
        )
    if not equals:
        raise ParseError(
            "this is not an equation",
            found=_excerpt(line) or "nothing",
            expected="name[indices] = expression",
            where=line.where,
        )
    split = equals[0].offset
    head = _tree(line, 0, split, "the left side")
    body, ranges = _body_and_ranges(line, tokens, split + 1)
    if isinstance(head, ast.Call):
        if ranges:
            raise ParseError("a function has no 'for'", where=line.place(ranges[0].offset))
        return FunctionText(line, *_function_head(line, head), body)
    return EquationText(line, *_target(line, head), body, ranges)


def read_expression(line: Line, target: str) -> EquationText:
    """A bare expression, as the equation of a scalar named ``target``."""
    tokens = tokens_of(line)
    equals = [t for t in tokens if t.text == "="]
    if equals:
        raise ParseError(
            "an expression has no '='",
            found=_excerpt(line),
            where=line.place(equals[0].offset),
            remedy="a comparison is written ==; an equation belongs under 'equations'",
        )
    body, ranges = _body_and_ranges(line, tokens, 0)
    return EquationText(line, target, (), body, ranges)


def _body_and_ranges(line: Line, tokens: tuple[Token, ...], start: int) -> tuple[ast.expr, tuple[Range, ...]]:
    loops = [t for t in tokens if t.text == "for" and t.offset >= start]
    nested = [t for t in loops if t.depth]
    if nested:
        raise ParseError(
            "'for' stands at the end of an equation",
            where=line.place(nested[0].offset),
            remedy="write it after the last bracket: h[p] = x[2*p] for p in 4",
        )
    if not loops:
        return _tree(line, start, len(line.flat), "the right side"), ()
    body = _tree(line, start, loops[0].offset, "the right side")
    ends = [t.offset for t in loops[1:]] + [len(line.flat)]
    return body, tuple(r for t, end in zip(loops, ends, strict=True) for r in _ranges(line, tokens, t.offset + 3, end))


def _ranges(line: Line, tokens: tuple[Token, ...], start: int, end: int) -> Iterator[Range]:
    inside = [t for t in tokens if start <= t.offset < end]
    commas = [t.offset for t in inside if t.text == "," and t.depth == 0]
    for begin, stop in zip([start, *(c + 1 for c in commas)], [*commas, end], strict=True):
        part = [t for t in inside if begin <= t.offset < stop]
        if len(part) < 3 or part[0].kind != "name" or part[1].text != "in":
            raise ParseError(
                "a 'for' gives an index its extent",
                found=line.flat[begin:stop].strip() or "nothing",
                expected="for p in 4",
                where=line.place(part[0].offset if part else min(begin, len(line.flat) - 1)),
            )
        yield Range(part[0].text, _tree(line, part[1].offset + 2, stop, "an extent"), part[0].offset)


def _tree(line: Line, start: int, end: int, what: str) -> ast.expr:
    """The tree of one part of the text, its offsets those of the whole."""
    text = line.flat[start:end]
    if not text.strip():
        raise ParseError(f"{what} is empty", found=_excerpt(line), where=line.place(min(start, len(line.flat) - 1)))
    padded = "(" + " " * max(start - 1, 0) + text + "\n)"
    shift = 1 if start == 0 else 0
    try:
        tree = ast.parse(padded, mode="eval").body
    except SyntaxError as error:
        offset = min((error.offset or 1) - 1 - shift, len(line.flat) - 1) if error.lineno == 1 else end - 1
        raise ParseError(f"{what} cannot be read", found=_excerpt(line), where=line.place(max(offset, start))) from None
    except (RecursionError, MemoryError, ValueError):
        raise ParseError(f"{what} is nested too deeply", where=line.place(start)) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset -= shift
            if node.end_col_offset is not None:
                node.end_col_offset -= shift
    return tree


def dotted(node: ast.AST) -> str | None:
    """The name a node spells, dots and all (``linear_1.W``); None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def index_nodes(node: ast.Subscript) -> list[ast.expr]:
    """The expressions between a subscript's brackets."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def is_ellipsis(node: ast.AST) -> bool:
    """Whether a node is ``...``."""
    return isinstance(node, ast.Constant) and node.value is ...


def _target(line: Line, head: ast.expr) -> tuple[str, tuple[str | None, ...]]:
    if isinstance(head, ast.Subscript):
        name, nodes = dotted(head.value), index_nodes(head)
    else:
        name, nodes = dotted(head), []
    if name is None or isinstance(head, ast.Subscript) and not nodes:
        raise ParseError(
            "the left side is not a target",
            found=ast.unparse(head),
            expected="a name with its indices, such as h[i, j]",
            where=line.place(head.col_offset),
        )
    return name, index_names(line, nodes, "a target's indices")


def index_names(line: Line, nodes: list[ast.expr], what: str) -> tuple[str | None, ...]:
    """The names of a list of plain indices, None for the ellipsis; repeated or composed ones are refused."""
    names: list[str | None] = []
    for node in nodes:
        name = None if is_ellipsis(node) else node.id if isinstance(node, ast.Name) else ""
        if name == "" or name in names:
            raise ParseError(
                f"{what} are plain names, each once",
                found=ast.unparse(node),
                where=line.place(node.col_offset),
                remedy="name the index, and give its extent with 'for i in 4' if nothing else does",
            )
        names.append(name)
    return tuple(names)


def _function_head(line: Line, head: ast.Call) -> tuple[str, tuple[str, ...]]:
    names = tuple(a.id for a in head.args if isinstance(a, ast.Name))
    if not isinstance(head.func, ast.Name) or head.keywords or len(names) != len(head.args) or not names:
        raise ParseError(
            "a function is defined by its name and its arguments' names",
            found=ast.unparse(head),
            expected="f(z) = ...",
            where=line.place(head.col_offset),
        )
    if len(set(names)) != len(names):
        raise ParseError(f"function '{head.func.id}' names an argument twice", where=line.place(head.col_offset))
    return head.func.id, names
