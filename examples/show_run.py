"""Shows what a training run reached: its curves as text, its accuracy, its files.

    python examples/show_run.py runs/digits [least accuracy]

Of runs/digits, runs/digits-2 and so on the newest is shown.
The exit code is 1 where the validation accuracy of the last epoch is below the least one.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

BARS = " .:-=+*#%@"
WIDTH = 60


def sparkline(values: list[float]) -> str:
    """Numbers as characters of rising weight, at most WIDTH of them."""
    step = max(1, -(-len(values) // WIDTH))
    shown = values[::step]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in shown)


def main(folder: Path, least: float) -> int:
    """Reads history.csv, prints, judges."""
    with (folder / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print(f"\n{len(rows)} epochs")
    for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        if name in rows[0]:
            values = [float(row[name]) for row in rows]
            print(f"  {name:<15} |{sparkline(values)}|  {values[0]:.4f} -> {values[-1]:.4f}")
    accuracy = float(rows[-1]["val_accuracy"])
    curves = folder / "curves.png"
    print(f"\ncurves    {curves if curves.exists() else 'not drawn (matplotlib is missing)'}")
    print(f"history   {folder / 'history.csv'}")
    print(f"accuracy  {accuracy:.2%} on held-out samples")
    if accuracy < least:
        print(f"          expected at least {least:.0%}", file=sys.stderr)
        return 1
    return 0


def newest(folder: Path) -> Path:
    """Of a folder and those with its name and a number, the one that was written last."""
    others = folder.parent.glob(f"{folder.name}-*")
    numbered = [path for path in others if path.name.rpartition("-")[2].isdecimal()]
    written = [path for path in (folder, *numbered) if (path / "history.csv").exists()]
    return max(written, key=lambda path: (path / "history.csv").stat().st_mtime, default=folder)



if __name__ == "__main__":
    sys.exit(main(newest(Path(sys.argv[1])), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
