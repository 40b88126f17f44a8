"""Puts into the README what the compiler gives now: the digits network's formulas and the kernel of its loss.

python docs/refresh.py          # make generate runs it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nablac

ROOT = Path(__file__).resolve().parents[1]
PARAMETER = "linear_2.W"


def filled(page: str, kind: str, texts: Iterator[str]) -> str:
    """The page with the blocks of one kind replaced, in order."""
    return re.sub(rf"```{kind}\n.*?```", lambda _: f"```{kind}\n{next(texts)}\n```", page, flags=re.DOTALL)


def main() -> None:
    """Compiles, picks, writes."""
    net = nablac.compile(ROOT / "examples" / "digits.yaml")
    loss = "\n".join(line for line in str(net.equations).splitlines() if ") loss" in line)
    parts = net.source.split("\n\n\n")
    kernel = next(part for part in parts if "@kernel" in part and ") loss = " in part and ") d_logits[" in part)
    path = ROOT / "README.md"
    page = filled(path.read_text(encoding="utf-8"), "inspect", iter((loss, str(net.gradient(PARAMETER)))))
    path.write_text(filled(page, "generated", iter((kernel,))), encoding="utf-8")


if __name__ == "__main__":
    main()
