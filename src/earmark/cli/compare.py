"""``earmark compare``: compare finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import AsJson, print_json, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.text import percent

if TYPE_CHECKING:
    from earmark.runs.compare import Entry


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
    with progress_on_stderr() as progress:
        from earmark.runs.compare import compare_runs, differing_settings, write_comparison, write_learning_curves

        entries = compare_runs(runs, progress=progress)
        progress("drawing", 0, 1, "")
        if html is not None:
            write_comparison(html, entries)
        if curve is not None:
            write_learning_curves(curve, entries)
    if as_json:
        print_json([entry.to_dict() for entry in entries])
        return
    measure = "mAP" if any(entry.scores.multi_label for entry in entries) else "ACCURACY"
    heading = ("RUN", measure, "95 % INTERVAL", "MACRO F1", "N", "WEIGHTS", "MB", "TRAINED", "MS/CLIP", "PROTOCOL")
    rows = [heading]
    for entry in entries:
        scores = entry.scores
        _, share, interval = scores.headline
        low, high = map(percent, interval)
        rows.append(
            (
                *(entry.name, percent(share), f"{low} to {high}", f"{scores.macro_f1:.3f}", f"{scores.n:,}"),
                *(f"{entry.n_parameters:,}", f"{entry.size_bytes / 1e6:.2f}", f"{entry.training_s:,.0f} s"),
                *(f"{entry.clip_ms:.1f}", scores.protocol),
            )
        )
    print_table(rows)
    print()
    print_table([("RUN", "PRECISION", "RECALL", "VALIDATION LOSS", "TRAINED WEIGHTS"), *map(_more, entries)])
    settings = differing_settings(entries)
    if settings:
        print()
        names = (entry.name for entry in entries)
        print_table([("SETTING", *names), *((field, *values) for field, values in settings.items())])
        print()
    for entry in entries[1:]:
        if entry.against_rival:
            print(f"{entry.name} against {entry.rival}: {entry.against_rival.sentence}")
        else:
            print(f"{entry.name}: no better run answered to the same examples, at least two, so it cannot be paired.")


def _more(entry: Entry) -> tuple[str, ...]:
    scores = entry.scores
    loss = f"{min(entry.valid_losses):.3f}" if entry.valid_losses else ""
    return entry.name, percent(scores.macro_precision), percent(scores.macro_recall), loss, f"{entry.n_trainable:,}"
