"""``earmark predict``: recognise files, folders, or what comes in on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from earmark.cli.output import Format, complain, csv_heading, formatted
from earmark.cli.pictures import MidiFile, Pictures
from earmark.errors import DataError, UsageError
from earmark.files import files_under

if TYPE_CHECKING:
    from earmark.recognizer import Recognizer
    from earmark.types import Numbers, Prediction

STDIN = "-"
_MANY = 20
_MIDI = frozenset({".mid", ".midi"})


def predict(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, or - for stdin.", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="How results are written to stdout.")] = Format.table,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of answers for each input.")] = 5,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Also answer for each part of a sound, or list its notes; -o draws them.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Draw which parts of the input decided, and cut out those seconds of a sound."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="PLACE",
            help="Where to write pictures and notes: a folder, or a .png or .mid file for one input.",
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="SECONDS", help="Cut sounds into windows of another length."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Give the best label instead of 'unknown'.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
) -> None:
    """Recognise sounds or drawings.

    The answer is 'unknown', with the reason, when the input is unlike the training data or the recognizer is too
    uncertain. An input that cannot be read is named on stderr; the others are still recognised, and the exit code is 1.
    """
    from earmark.recognizer import load

    recognizer = load(model, n_threads=threads)
    if timeline and recognizer.card.window is None:
        things = "drawings" if recognizer.card.features.domain == "ink" else "images"
        raise UsageError(f"{model} reads {things}, which have no timeline; leave --timeline out")
    if window is not None:
        recognizer = recognizer.with_window(window)
    to_midi = out is not None and out.suffix.lower() in _MIDI and not out.is_dir()
    timeline = timeline or to_midi
    batch = _Batch(recognizer, top=top, timeline=timeline, force=force)
    files = list(batch.files(inputs))
    if out is not None and to_midi:
        batch.pictures = MidiFile(recognizer, explain=explain, out=out, files=files)
    elif explain or out is not None:
        shown = timeline and out is not None
        batch.pictures = Pictures(recognizer, explain=explain, timeline=shown, out=out, files=files)
    heading = csv_heading(recognizer.card, top=top, timeline=timeline)
    width = min(max(map(len, files), default=0), _WIDEST)
    for text in formatted(batch.predictions(_with_progress(files)), form=form, width=width, heading=heading):
        print(text, flush=True)
    if batch.n_bad:
        if batch.n_bad + batch.n_good > 1:
            complain(f"{batch.n_bad} of {batch.n_bad + batch.n_good} inputs could not be recognised; see above")
        raise typer.Exit(1)


_WIDEST = 120
"""Column of the inputs in characters: one very long name must not push all answers aside."""


class _Batch:
    """Goes through the inputs, complains about the bad ones, and counts both kinds."""

    def __init__(self, recognizer: Recognizer, *, top: int, timeline: bool, force: bool) -> None:
        self.recognizer, self.top, self.timeline, self.force = recognizer, top, timeline, force
        self.pictures: Pictures | MidiFile | None = None
        self.rows: dict[str, Numbers] = {}
        self.n_good = self.n_bad = 0

    @property
    def _reads_tables(self) -> bool:
        return "table" in self.recognizer.card.features.reads

    def _rows(self, table: Path) -> Iterator[str]:
        """Yield the names of the rows of a feature table: its file names where it has them, else their numbers."""
        from earmark.data.table import read_rows, read_table
        from earmark.types import Numbers

        try:
            numbers, cells = read_table(table), read_rows(table)
        except DataError as error:
            self._refuse(str(error))
            return
        for place, row in enumerate(cells):
            given = row.get("filename", "").strip()
            name = f"{table}::{place}" if not given or given in self.rows else given
            self.rows[name] = Numbers(numbers.names, numbers.values[place])
            yield name

    def files(self, inputs: Iterable[str]) -> Iterator[str]:
        """Yield the inputs with every folder replaced by the files in it that the recognizer can read."""
        from earmark.data.table import is_table

        for item in inputs:
            if item != STDIN and self._reads_tables and is_table(Path(item)):
                yield from self._rows(Path(item))
                continue
            if item == STDIN or not Path(item).is_dir():
                yield item
                continue
            try:
                yield from self._within(Path(item))
            except DataError as error:
                self._refuse(str(error))

    def predictions(self, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield what is recognised; silence too, but it counts as bad."""
        from earmark.recognizer import Failure

        for file in files:
            item = self.rows.get(file) or (self._stdin() if file == STDIN else file)
            result = self.recognizer.try_predict(
                item, top=self.top, timeline=self.timeline, force=self.force, name=file
            )
            if isinstance(result, Failure):
                self._refuse(str(result.error))
                continue
            if not result.top:
                self._refuse(f"{file}: {result.reason}; give a sound that can be heard")
            elif isinstance(self.pictures, MidiFile) and not result.notes:
                self._refuse(f"{file}: no notes were found ({result.reason or result.label}); no MIDI file was written")
            else:
                self.n_good += 1
                if self.pictures is not None:
                    self.pictures.draw(item, result)
            yield result

    def _stdin(self) -> bytes | BinaryIO:
        """Return what comes in; its content when it is needed more than once."""
        return sys.stdin.buffer if self.pictures is None else sys.stdin.buffer.read()

    def _within(self, folder: Path) -> Iterator[str]:
        from earmark.recognizer import readable_extensions

        allowed = readable_extensions(self.recognizer.card)
        found = sorted(files_under(folder, allowed))
        if not found:
            raise DataError(
                f"{folder}: a folder without files that this recognizer reads ({' '.join(sorted(allowed))})"
            )
        yield from map(str, found)

    def _refuse(self, sentence: str) -> None:
        self.n_bad += 1
        complain(sentence)


def _with_progress(files: list[str]) -> Iterable[str]:
    """Show a bar on stderr when there is somebody to see it and something to wait for."""
    if len(files) < _MANY or not sys.stderr.isatty() or sys.stdout.isatty():
        return files
    from rich.console import Console
    from rich.progress import track

    return track(files, description="recognising", console=Console(stderr=True))
