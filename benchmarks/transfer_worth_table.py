"""Print what `benchmarks/transfer_worth.py` has measured so far, as Markdown tables.

python benchmarks/transfer_worth_table.py results.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

LEARNS = {
    "frozen": "the head alone",
    "last": "the head and the last two stages",
    "all": "everything",
    "nothing": "everything, from nothing",
}


def figure(row: dict[str, str] | None) -> str:
    """Return an accuracy with its interval, in percent, or a dash for what is not measured."""
    if row is None:
        return "–"
    accuracy, low, high = (100 * float(row[key]) for key in ("accuracy", "low", "high"))
    return f"{accuracy:.1f} % ({low:.1f}–{high:.1f}, n = {row['n_test']})"


def print_table(rows: dict[str, dict[str, str]]) -> None:
    """Print the two protocols side by side."""
    parts = [name.split("/") for name in rows if name.startswith("table/")]
    print("| task | backbone | what learns | random | honest | epochs | s |")
    print("|---|---|---|---|---|---|---|")
    for task, backbone in dict.fromkeys((part[1], part[2]) for part in parts):
        for learns, words in LEARNS.items():
            found = [rows.get(f"table/{task}/{backbone}/{learns}/{protocol}") for protocol in ("random", "honest")]
            if measured := next((row for row in found if row), None):
                ends = f"{measured['epochs']} | {measured['seconds']}"
                print(f"| {task} | {backbone} | {words} | {figure(found[0])} | {figure(found[1])} | {ends} |")


def print_curves(rows: dict[str, dict[str, str]]) -> None:
    """Print each learning curve as a row."""
    parts = [name.split("/") for name in rows if name.startswith("curve/")]
    sizes = sorted({int(part[3]) for part in parts})
    print(f"| task | recipe | {' | '.join(map(str, sizes))} |")
    print("|---|---|" + "---|" * len(sizes))
    for task, recipe in dict.fromkeys((part[1], part[2]) for part in parts):
        points = [figure(rows.get(f"curve/{task}/{recipe}/{size}")) for size in sizes]
        print(f"| {task} | `{recipe}` | {' | '.join(points)} |")


def main() -> int:
    """Print both."""
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as stream:
        rows = {row["cell"]: row for row in csv.DictReader(stream)}
    print_table(rows)
    print()
    print_curves(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
