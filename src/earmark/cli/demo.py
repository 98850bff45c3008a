"""``earmark demo``: the whole story in a few minutes, offline."""

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
        str | None, typer.Option("--data", metavar="SOURCE", help="Learn from this instead of synthesised keys.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="Where everything is written.")] = Path(
        "earmark-demo"
    ),
) -> None:
    """Recognise with the built-in recognizers, train a new one, score it, and write a report."""
    extras.require("the demo", "train", "torch", "sklearn", "matplotlib")
    from earmark.demo import tell

    with progress_on_stderr() as progress:
        story = tell(out, data=data, progress=progress)
    rows = [
        (show.specimen.name, show.specimen.meant, f"{show.prediction.label} {percent(show.prediction.confidence)}")
        for show in story.showings
    ]
    print_table([("GIVEN", "MEANT", "RECOGNISED AS"), *rows])
    print(f"\nlearned {story.learned}:")
    print(story.run.scores.sentence)
    print(f"\nrecognizer: {story.run.model}\nreport:     {story.page.resolve()}")
