"""``earmark read``: read a handwritten line, and print or engrave it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import Format, print_json, print_table
from earmark.errors import UsageError
from earmark.text import percent

if TYPE_CHECKING:
    from earmark.types import Image, Ink, Line

_COLUMNS = ("symbol", "label", "confidence", "strokes", "left", "top", "right", "bottom")


def read(
    line: Annotated[Path, typer.Argument(help="A line of symbols: .json or .txt of strokes, or an image.")],
    model: Annotated[
        str, typer.Option("--model", help="A recognizer of drawings: a built-in name, an .onnx file or a run.")
    ] = "symbols",
    form: Annotated[Format, typer.Option("--format", help="How the symbols are written to stdout.")] = Format.table,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Also write the line: .musicxml, .svg (in print) or .json."),
    ] = None,
    staff_space: Annotated[
        float | None,
        typer.Option("--staff-space", metavar="S", help="Distance of two staff lines in the unit of the strokes."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
) -> None:
    """Read a handwritten line of symbols.

    Each symbol has its label, its strokes and its box, in reading order. Strokes that are no symbol are 'unknown'.
    With a staff, -o FILE.musicxml gives notes their pitch.
    """
    from earmark.recognizer import load
    from earmark.recognizer.line.inputs import line_input

    if out is not None and out.suffix.lower() not in _WRITERS:
        raise UsageError(f"{out}: a line is written as {', '.join(_WRITERS)}; choose one of these endings")
    recognizer = load(model, n_threads=threads)
    found = recognizer.read(line, staff_space=staff_space)
    _print(found, form)
    if out is not None:
        content = line_input(line).content if out.suffix.lower() == ".json" else None
        _WRITERS[out.suffix.lower()](found, content, out)


def _print(line: Line, form: Format) -> None:
    from earmark.recognizer.line.output import line_as_dict

    if form is Format.json:
        print_json(line_as_dict(line))
    elif form is Format.jsonl:
        for symbol in line_as_dict(line)["symbols"]:
            print(json.dumps(symbol, ensure_ascii=False))
    elif form is Format.csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(_COLUMNS)
        for number, symbol in enumerate(line.symbols, start=1):
            box = (f"{side:.6g}" for side in symbol.box)
            strokes = ";".join(map(str, symbol.strokes))
            table.writerow((number, symbol.label, round(symbol.confidence, 6), strokes, *box))
    else:
        print_table([("LABEL", "CONFIDENCE", "STROKES", "OR"), *_rows(line)])


def _rows(line: Line) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for symbol in line.symbols:
        rivals = [answer for answer in symbol.top if answer.label != symbol.label][:2]
        other = symbol.reason or " · ".join(f"{answer.label} {percent(answer.confidence)}" for answer in rivals)
        rows.append((symbol.label, percent(symbol.confidence), _ranges(symbol.strokes), other))
    return rows


def _ranges(strokes: tuple[int, ...]) -> str:
    """Return indices shortly.

    >>> _ranges((0, 1, 2, 5))
    '0-2,5'
    """
    parts: list[list[int]] = []
    for stroke in strokes:
        if parts and stroke == parts[-1][-1] + 1:
            parts[-1].append(stroke)
        else:
            parts.append([stroke])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _write_musicxml(line: Line, _: Ink | Image | None, out: Path) -> None:
    from earmark.files import write_text
    from earmark.notation import write_musicxml

    write_text(out, write_musicxml(line))


def _write_svg(line: Line, _: Ink | Image | None, out: Path) -> None:
    from earmark.files import write_text
    from earmark.notation import engrave

    write_text(out, engrave(line))


def _write_json(line: Line, content: Ink | Image | None, out: Path) -> None:
    from earmark.files import write_text
    from earmark.recognizer.line.output import line_as_dict

    write_text(out, json.dumps(line_as_dict(line, content), ensure_ascii=False) + "\n")


_WRITERS = {".musicxml": _write_musicxml, ".svg": _write_svg, ".json": _write_json}
