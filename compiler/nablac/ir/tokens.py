"""ir/tokens: an equation's text -> its words, each with its place; what is not in the language, or too much, ends here.

The tokens are of the language's own: they bound a text's length, nesting and numbers before anything else reads it.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
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
    remedy, told = _REMEDIES.get(character), repr(character)
    if ord(character) > 127:
        told += f" ({unicodedata.name(character, 'unnamed')})"  # many look like a letter of a-z
        remedy = "names are of the letters a-z, A-Z, digits and _: write theta for a Greek letter"
    where = line.place(offset)
    return ParseError(f"{told} is not part of the language", found=excerpt(line), where=where, remedy=remedy)


def excerpt(line: Line) -> str:
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
            remedy=None if token.text.startswith("_") else f"for a product write {last.text}*{token.text}",
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
        remedy: str | None = f"for a name of one's own: {token.text}_"
        if token.text in ("if", "else"):
            remedy = "write where(condition, a, b)"
        elif token.text in ("True", "False", "None"):
            remedy = None
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
            raise ParseError(f"'{token.text}' closes nothing", found=excerpt(line), where=line.place(token.offset))
        open_brackets.pop()
