"""``earmark compare``: compare finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.output import AsJson, print_json, print_table
from earmark.text import percent


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs, two or more.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with a plot.")] = None,
    curve: Annotated[
        Path | None,
        typer.Option("--curve", metavar="SVG", help="Also draw accuracy against training examples a label."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs: scores, significance, cost."""
    from earmark.runs.compare import compare_runs, write_comparison, write_learning_curves

    entries = compare_runs(runs)
    if html is not None:
        write_comparison(html, entries)
    if curve is not None:
        write_learning_curves(curve, entries)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    heading = ("RUN", "ACCURACY", "95 % INTERVAL", "MACRO F1", "N", "WEIGHTS", "MB", "TRAINED", "MS/CLIP", "PROTOCOL")
    rows = [heading]
    for entry in entries:
        scores = entry.scores
        low, high = map(percent, scores.accuracy_interval)
        rows.append(
            (
                *(entry.name, percent(scores.accuracy), f"{low} to {high}", f"{scores.macro_f1:.3f}", f"{scores.n:,}"),
                *(f"{entry.n_parameters:,}", f"{entry.size_bytes / 1e6:.2f}", f"{entry.training_s:,.0f} s"),
                *(f"{entry.clip_ms:.1f}", scores.protocol),
            )
        )
    print_table(rows)
    for entry in entries[1:]:
        if entry.against_rival:
            print(f"{entry.name} against {entry.rival}: {entry.against_rival.sentence}")
        else:
            print(f"{entry.name}: no better run answered to the same examples, so it cannot be paired.")
