"""``earmark predict``: recognise files, folders, or what comes in on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeVar

import typer

from earmark.cli.output import Format, complain, formatted
from earmark.cli.pictures import MidiFile, Pictures
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import Beside, OnCluster, on_cluster
from earmark.errors import DataError, UsageError
from earmark.listing import files_under
from earmark.storage import as_path, refuse_unreachable
from earmark.text import counted

if TYPE_CHECKING:
    from earmark.recognizer import Failure, Recognizer
    from earmark.recognizer.inputs import Input
    from earmark.types import Prediction

T = TypeVar("T")

STDIN = "-"
_MANY = 20
_CHUNK = 8  # inputs that travel together to a node
_MIDI = frozenset({".mid", ".midi"})


def predict(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    inputs: Annotated[
        list[str], typer.Argument(help="Files, folders, an .npz of pictures, or - for stdin.", show_default=False)
    ],
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
            parser=as_path,
            help="Where to write pictures and notes: a folder, or a .png or .mid file for one input; for --format "
            "parquet a folder.",
        ),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="SECONDS", help="Cut sounds into windows of another length."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Give the best label instead of 'unknown'.")] = False,
    table: Beside = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    cluster: OnCluster = None,
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
    batch = _Batch(recognizer, table=table, top=top, timeline=timeline or _is_midi(out), force=force)
    with on_cluster(cluster):
        if form is Format.parquet:
            batch.write_parquet(inputs, out=out, explain=explain)
            return
        _print_all(batch, inputs, form=form, out=out, explain=explain)


def _print_all(batch: _Batch, inputs: list[str], *, form: Format, out: Path | None, explain: bool) -> None:
    from earmark.recognizer.answers import columns_of

    recognizer, timeline = batch.recognizer, batch.how["timeline"]
    files = batch.joined(batch.files(inputs))
    if out is not None and _is_midi(out):
        batch.pictures = MidiFile(recognizer, explain=explain, out=out, files=files)
    elif explain or out is not None:
        shown = timeline and out is not None
        batch.pictures = Pictures(recognizer, explain=explain, timeline=shown, out=out, files=files)
    heading = columns_of(recognizer.card, top=batch.how["top"], timeline=timeline)
    width = min(max(map(len, files), default=0), _WIDEST)
    for text in formatted(batch.predictions(files), form=form, width=width, heading=heading):
        print(text, flush=True)
    if batch.n_bad:
        if batch.n_bad + batch.n_good > 1:
            complain(f"{batch.n_bad} of {batch.n_bad + batch.n_good} inputs could not be recognised; see above")
        raise typer.Exit(1)


_WIDEST = 120
"""Column of the inputs in characters: one very long name must not push all answers aside."""


class _Batch:
    """Goes through the inputs, complains about the bad ones, and counts both kinds."""

    def __init__(self, recognizer: Recognizer, *, table: Path | None, **how: Any) -> None:
        self.recognizer, self.table, self.how = recognizer, table, how
        self.pictures: Pictures | MidiFile | None = None
        self.contents: dict[str, Input] = {}
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
            name = f"{table}::{place}" if not given or given in self.contents else given
            self.contents[name] = Numbers(numbers.names, numbers.values[place])
            yield name

    def _pictures(self, file: Path) -> Iterator[str]:
        """Yield the names of the pictures in an .npz: those that it gives them, or their tracks."""
        from earmark.data.archive import read_pictures
        from earmark.data.readers.pictures import pictures_in
        from earmark.types import Picture

        arrays = read_pictures(file)
        names = arrays.get("name", arrays.get("track"))
        for place, values in enumerate(pictures_in(file, arrays)):
            given = "" if names is None or len(names) <= place else str(names[place])
            name = given if given and given not in self.contents else f"{given} ({file}::{place})".lstrip()
            self.contents[name] = Picture(values)
            yield name

    def files(self, inputs: Iterable[str]) -> Iterator[str]:
        """Yield the inputs with every folder replaced by the files in it that the recognizer can read."""
        from earmark.data.table import is_table

        for item in inputs:
            if item != STDIN and self._reads_tables and is_table(as_path(item)):
                yield from self._rows(as_path(item))
                continue
            try:
                if item != STDIN and _is_folder(item):
                    yield from self._within(as_path(item))
                elif item.lower().endswith(".npz") and "picture" in self.recognizer.card.features.reads:
                    yield from self._pictures(as_path(item))
                else:
                    yield item
            except DataError as error:
                self._refuse(str(error))

    def joined(self, files: Iterable[str]) -> list[str]:
        """Return the files, and keep what stands beside each of them in the table, if there is one."""
        from earmark.recognizer.beside import beside_rows, reads_both

        listed = list(files)
        if self.table is not None or reads_both(self.recognizer.card):
            inputs = beside_rows(self.recognizer.card, listed, self.table)
            pictures = ({"picture": self.contents.get(name, name)} for name in listed)
            self.contents = {
                name: {**beside, **picture} for name, beside, picture in zip(listed, inputs, pictures, strict=True)
            }
        return listed

    def predictions(self, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield what is recognised; silence too, but it counts as bad."""
        from earmark.parallel import in_order, map_processes
        from earmark.recognizer import Failure
        from earmark.recognizer.answers import complaint

        predict = partial(_recognised, recognizer=self.recognizer, **self.how)
        items = [(file, self.contents.get(file) or (self._stdin() if file == STDIN else file)) for file in files]
        results = map_processes(predict, items, workers=1, chunk=_CHUNK, survive_crashes=_crashed)
        for (_, item), result in zip(_with_progress(items), in_order(results), strict=True):
            if error := complaint(result):
                self._refuse(error)
            if isinstance(result, Failure):
                continue
            if not error and isinstance(self.pictures, MidiFile) and not result.notes:
                name = result.input
                self._refuse(f"{name}: no notes were found ({result.reason or result.label}); no MIDI file was written")
            elif not error:
                self.n_good += 1
                if self.pictures is not None:
                    self.pictures.draw(item, result)
            yield result

    def write_parquet(self, inputs: list[str], *, out: Path | None, explain: bool) -> None:
        """Write what is recognised as a table in parts."""
        from earmark.distributed.predict import predict_table

        if out is None or explain:
            raise UsageError("--format parquet writes a table in a folder; name it with -o, and leave --explain out")
        if self.table is not None:
            raise UsageError("--format parquet reads no --table; leave one of them out")
        if STDIN in inputs:
            raise UsageError("--format parquet reads files, folders and lists of files, not stdin; save that first")
        with progress_on_stderr() as progress:
            table = predict_table(self.recognizer, inputs, out=out, progress=progress, **self.how)
        print(f"{out}: {counted(table.n_rows, 'row')} of {counted(table.n_inputs, 'input')}")
        for failure in table.failures:
            complain(failure)
        if table.failures:
            complain(f"{len(table.failures)} of {table.n_inputs} inputs could not be recognised; see above")
            raise typer.Exit(1)

    def _stdin(self) -> bytes | BinaryIO:
        """Return what comes in; its content when it is needed more than once."""
        from earmark.parallel import stays_here

        once = self.pictures is None and stays_here(1, 1)
        return sys.stdin.buffer if once else sys.stdin.buffer.read()

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


def _recognised(named: tuple[str, Input], *, recognizer: Recognizer, **how: Any) -> Prediction | Failure:
    """Recognise an input, given with its name."""
    name, item = named
    return recognizer.try_predict(item, name=name, **how)


def _crashed(named: tuple[str, Input]) -> Failure:
    from earmark.recognizer import Failure

    name, _ = named
    return Failure(name, DataError(f"{name}: ends the process that decodes it; replace or remove it"))


def _is_midi(out: Path | None) -> bool:
    return out is not None and out.suffix.lower() in _MIDI and not out.is_dir()


def _is_folder(item: str) -> bool:
    path = as_path(item)
    refuse_unreachable(path)
    return path.is_dir()


def _with_progress(items: list[T]) -> Iterable[T]:
    """Show a bar on stderr when there is somebody to see it and something to wait for."""
    if len(items) < _MANY or not sys.stderr.isatty() or sys.stdout.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, description="recognising", console=Console(stderr=True))
