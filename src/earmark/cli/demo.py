"""``earmark demo``: run the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark import extras
from earmark.cli.output import print_table
from earmark.cli.progress import progress_on_stderr
from earmark.text import percent


def demo(
    data: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="Train on this data instead of synthesised keys.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Folder for all results.")] = Path(
        "earmark-demo"
    ),
) -> None:
    """Recognise, train and score in a few minutes, offline."""
    extras.require("the demo", "train", "torch", "sklearn", "matplotlib")
    with progress_on_stderr() as progress:
        from earmark.demo.run import run_demo

        result = run_demo(out, data=data, progress=progress)
    rows = [
        (each.sample.name, each.sample.expected, f"{each.prediction.label} {percent(each.prediction.confidence)}")
        for each in result.recognitions
    ]
    print_table([("INPUT", "EXPECTED", "RECOGNISED AS"), *rows])
    print(f"\ntrained on {result.learned}:")
    print(result.run.scores.sentence)
    print(f"\nrecognizer: {result.run.model}\nreport:     {result.page.resolve()}")
