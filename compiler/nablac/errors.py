"""Errors a user can meet: one class a stage, and one form (subject, found, expected, where, remedy)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A position in the user's own source: file, 1-based line, 1-based column."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


class NablacError(Exception):
    """A mistake of the user's, told so that it can be mended.

    The text is the subject, then one aligned line for each of found, expected, where and remedy that is known.
    """

    def __init__(
        self,
        subject: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        where: Place | str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.subject, self.found, self.expected = subject, found, expected
        self.where, self.remedy = where, remedy
        super().__init__(subject)

    def at(self, where: Place | str | None) -> NablacError:
        """The same error with its place filled in where it had none."""
        if self.where is None:
            self.where = where
        return self

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}: {self.subject}"]
        rows = {"found": self.found, "expected": self.expected, "where": self.where, "remedy": self.remedy}
        lines += [f"  {name + ':':<9} {value}" for name, value in rows.items() if value is not None]
        return "\n".join(lines)


class SpecError(NablacError):
    """A spec file that cannot be read or does not follow the schema."""


class ParseError(NablacError):
    """An equation or expression outside the grammar."""


class NameError_(NablacError):
    """A name that is unknown, taken or not allowed."""


NameError_.__name__ = "NameError"


class ShapeError(NablacError):
    """Extents or index counts that do not fit together."""


class TraceError(NablacError):
    """Something in a traced Python function that tracing cannot follow."""


class DerivativeError(NablacError):
    """A derivative that does not exist or that SymPy could not form."""


class CompileError(NablacError):
    """A program that a later stage cannot turn into code."""


class DataError(NablacError):
    """Input data that is missing, unreadable or does not fit the model."""


class OptionError(NablacError):
    """An option that a command does not have, or a value that it does not take."""


class InternalError(Exception):
    """A pass broke an invariant: a defect of nablac's, never of the user's."""
