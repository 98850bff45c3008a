"""Output of the commands: results on stdout, complaints and progress on stderr."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.text import counted, percent, printable

if TYPE_CHECKING:
    from earmark.types import Answer, Prediction


class Format(StrEnum):
    """How predictions are written."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def complain(sentence: str) -> None:
    """Print one sentence on stderr."""
    say(f"earmark: {printable(sentence)}")


def say(line: str) -> None:
    """Print a line on stderr; where it cannot be written, as on a full disk, the work goes on."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def print_json(values: Any) -> None:
    """Print `values` as indented JSON."""
    print(json.dumps(values, ensure_ascii=False, indent=2))


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Print names and values in two columns; an empty value is left out."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        if value:
            print(f"{name:<{width}}  {printable(value)}")


def print_table(rows: Iterable[Iterable[str]]) -> None:
    """Print rows of text in aligned columns; the first row is the heading."""
    table = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def formatted(predictions: Iterable[Prediction], *, form: Format, width: int, heading: list[str]) -> Iterator[str]:
    """Yield the text of `predictions`, each as soon as it is there.

    Parameters
    ----------
    predictions
        All by the same recognizer.
    form
        `Format.json` is one list; the others are one or more lines a prediction.
    width
        Of the longest input, so that the table is aligned before everything is known.
    heading
        The columns of CSV, from `earmark.recognizer.answers.columns_of`.
    """
    if form is Format.table:
        for prediction in predictions:
            yield from _table_lines(prediction, width)
    elif form is Format.csv:
        yield from _csv_lines(predictions, heading)
    elif form is Format.jsonl:
        yield from (json.dumps(_values(prediction), ensure_ascii=False) for prediction in predictions)
    else:
        values = [_values(prediction) for prediction in predictions]
        yield json.dumps(values, ensure_ascii=False, indent=2)


def _values(prediction: Prediction) -> dict[str, Any]:
    from earmark.recognizer import as_dict

    return as_dict(prediction)


def _table_lines(prediction: Prediction, width: int) -> Iterator[str]:
    from earmark.recognizer.answers import n_given

    reason = f" ({prediction.reason})" if prediction.reason else ""
    if prediction.notes:
        yield from _note_lines(prediction, width)
        return
    given = prediction.labels or prediction.top[: n_given(prediction)]
    named = {answer.label for answer in given}
    rivals = [answer for answer in prediction.top if answer.label not in named]
    if prediction.sounding:  # from the lowest key up, as chords are read
        given = tuple(sorted(given, key=lambda answer: int(answer.details["midi"])))
    chord = f"{prediction.chord.name}: " if prediction.chord else ""
    first = ", ".join(map(_answer_text, given)) or prediction.label
    rest = " · ".join(f"{answer.label} {percent(answer.confidence)}" for answer in rivals)
    yield printable(f"{prediction.input:<{width}}  {chord}{first}{reason}" + (f"   {rest}" if rest else ""))
    for start_s, end_s, answer in prediction.segments or ():
        yield f"  {start_s:8.2f} – {end_s:.2f} s  {_answer_text(answer)}"


def _note_lines(prediction: Prediction, width: int) -> Iterator[str]:
    """Yield how many notes a piece has, with its key and scale, and a line for each of them."""
    notes, found = prediction.notes or (), prediction.tonality
    n_keys = len({note.midi for note in notes})
    words = f"{counted(len(notes), 'note')} on {counted(n_keys, 'key')}"
    if found is not None:
        words += f"; {found.name} (scale {found.scale}: {' '.join(found.degrees)})"
    yield printable(f"{prediction.input:<{width}}  {words}")
    for note in notes:
        facts = f"MIDI {note.midi}, velocity {note.velocity}"
        yield f"  {note.start_s:8.2f} – {note.end_s:.2f} s  {note.name} ({facts}) {percent(note.confidence)}"


def _answer_text(answer: Answer) -> str:
    facts = [str(answer.details[name]) for name in ("character", "name") if name in answer.details]
    if "hz" in answer.details:
        facts = [f"MIDI {answer.details['midi']}", f"{answer.details['hz']} Hz"]
    label = f"{answer.label} ({', '.join(facts)})" if facts else answer.label
    return f"{label} {percent(answer.confidence)}"


def _csv_lines(predictions: Iterable[Prediction], heading: list[str]) -> Iterator[str]:
    from earmark.recognizer.answers import rows_of

    yield _csv_line(heading)
    for prediction in predictions:
        for row in rows_of(prediction):
            yield _csv_line([row.get(name, "") for name in heading])


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    # Only what is in the line's own end is quoted within cells.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n")
