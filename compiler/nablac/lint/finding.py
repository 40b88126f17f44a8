"""lint/finding: what a rule answers."""

from __future__ import annotations

from dataclasses import dataclass

from nablac.errors import Place


@dataclass(frozen=True)
class Finding:
    """Something that is likely a mistake: the rule that found it, what it is, where, and what to do.

    >>> print(Finding("unused", "nothing needs 'q'", Place("a.yaml", 6, 5), "leave it out"))
    warning: nothing needs 'q' [unused]
      where:    a.yaml:6:5
      remedy:   leave it out
    """

    rule: str
    subject: str
    where: Place | None
    remedy: str

    def __str__(self) -> str:
        rows = {"where": self.where, "remedy": self.remedy}
        lines = [f"  {name + ':':<9} {value}" for name, value in rows.items() if value is not None]
        return "\n".join([f"warning: {self.subject} [{self.rule}]", *lines])
