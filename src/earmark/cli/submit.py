"""``earmark submit``: write a submission for a competition."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.progress import progress_on_stderr
from earmark.text import counted


def submit(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the files to recognise.")],
    sample: Annotated[Path, typer.Option("--sample", metavar="CSV", help="The sample submission.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="CSV", help="The file to write.")],
    fallback: Annotated[
        str | None,
        typer.Option(
            "--fallback", metavar="LABEL", help="For files that are silent or damaged; else they are refused."
        ),
    ] = None,
) -> None:
    """Write a submission for a competition.

    It has one answer for every id of the sample submission, in its order and columns. Nothing is written when an id is
    missing, unknown or repeated.
    """
    from earmark.runs.submit import submit as write_submission

    with progress_on_stderr() as progress:
        n_rows = write_submission(model, data, sample=sample, out=out, fallback=fallback, progress=progress)
    print(f"{out}: {counted(n_rows, 'row')}")
