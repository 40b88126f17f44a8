"""python -m bench [--rounds N] [--only steps|compile]: prints its tables as Markdown."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import machine


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="paired rounds of each case (15)")
    parser.add_argument("--only", choices=("steps", "compile"), help="one part alone")
    options = parser.parse_args()
    machine.start_over_if_needed()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        if options.only != "compile":
            from bench import cases, steps

            lines += [*steps.report(cases.CASES, options.rounds, Path(directory)), ""]
        if options.only != "steps":
            from bench import compiling

            lines += [*compiling.report(), ""]
    print("\n".join([*machine.description(), "", *lines]))


if __name__ == "__main__":
    main()
