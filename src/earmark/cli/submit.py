"""``earmark submit``: write a submission for a competition."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import Beside
from earmark.errors import UsageError
from earmark.text import counted


class Written(StrEnum):
    """How labels are written."""

    midi = "midi"
    place = "place"


def submit(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of the files, or a feature table.")],
    sample: Annotated[Path, typer.Option("--sample", metavar="CSV", help="The sample submission.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="CSV", help="The file to write.")],
    fallback: Annotated[
        str | None,
        typer.Option(
            "--fallback",
            metavar="LABEL",
            help="Answer for silent or damaged files; without it, the command refuses them.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="What to write for each label: a table of label and value."),
    ] = None,
    numbers: Annotated[
        Written | None, typer.Option("--as", help="Write notes as MIDI numbers, or labels as their place from 0.")
    ] = None,
    id_pattern: Annotated[
        str, typer.Option("--id-pattern", metavar="NAME", help="The file of an id, such as 'clip_{id}.wav'.")
    ] = "{id}",
    table: Beside = None,
) -> None:
    """Write a submission for a competition.

    It has one answer for every id of the sample submission, in its order and columns. Nothing is written when an id is
    missing, unknown or repeated.
    """
    from earmark.recognizer import load
    from earmark.runs.submit import read_label_map
    from earmark.runs.submit import submit as write_submission

    if labels is not None and numbers is not None:
        raise UsageError("--labels and --as both say what to write for a label; give one of them")
    recognizer = load(model)
    written = read_label_map(labels) if labels is not None else _numbers(recognizer.card.labels, numbers)
    with progress_on_stderr() as progress:
        n_rows = write_submission(
            recognizer,
            data,
            sample=sample,
            out=out,
            fallback=fallback,
            written=written,
            id_pattern=id_pattern,
            table=table,
            progress=progress,
        )
    print(f"{out}: {counted(n_rows, 'row')}")


def _numbers(labels: tuple[str, ...], how: Written | None) -> dict[str, str] | None:
    """Return the number to write for each label; None for the labels themselves."""
    if how is None:
        return None
    if how is Written.place:
        return {label: str(place) for place, label in enumerate(labels)}
    from earmark.units import note_midi

    pitches = {label: note_midi(label) for label in labels}
    others = [label for label, midi in pitches.items() if midi is None]
    if others:
        raise UsageError(f"--as midi: {others[0]!r} is no note; it is for recognizers of notes, so leave it out")
    return {label: str(midi) for label, midi in pitches.items()}
