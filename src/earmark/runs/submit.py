"""Submission file of a competition: one answer for every id of its sample submission, in its order and columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from earmark.data.manifest import LABEL_SEPARATOR
from earmark.data.table import is_table, read_rows, read_table
from earmark.errors import DataError, UsageError
from earmark.files import write_text
from earmark.listing import files_under
from earmark.recognizer import Card, Failure, Recognizer, load, readable_extensions
from earmark.recognizer.beside import beside_rows
from earmark.recognizer.inputs import Input
from earmark.runs.sample import Sample, read_sample, spellings
from earmark.storage import as_path
from earmark.text import some_quoted
from earmark.types import FloatArray, Numbers, Progress, no_progress

_ID_COLUMNS = frozenset({"filename", "id", "track", "name"})


def submit(  # noqa: PLR0913 - what a competition file consists of
    model: Recognizer | str | Path,
    data: str | Path,
    *,
    sample: str | Path,
    out: str | Path,
    fallback: str | None = None,
    written: Mapping[str, str] | None = None,
    id_pattern: str = "{id}",
    table: str | Path | None = None,
    progress: Progress = no_progress,
) -> int:
    """Write a competition file and return its number of rows.

    Parameters
    ----------
    model
        A recognizer, or what `load` takes.
    data
        Folder of the files to recognise. An id is a path in it, a file name, or one without its extension. Or a feature
        table: then an id is what its column filename or id says, or else the number of the row.
    sample
        The sample submission: ids in the first column, perhaps paths in another, then one column for the label, or one
        for each label, whose probability is then written.
    out
        The file to write.
    fallback
        Label to answer with for files that are silent or cannot be read; without it, they are refused.
    written
        What to write for each label, such as ``{"A4": "69"}``; the labels themselves by default.
    id_pattern
        How the name of a file is made of an id, such as ``"clip_{id}.wav"``.
    table
        The numbers beside pictures, for a recognizer that reads both.

    Raises
    ------
    DataError
        When ids are missing, superfluous or double, or a file cannot be recognised.
    UsageError
        When the columns or the fallback do not fit the labels.
    """
    recognizer = model if isinstance(model, Recognizer) else load(model)
    wanted = read_sample(sample)
    texts = _texts(recognizer.card, written)
    _check_columns(wanted, recognizer.card, texts, fallback, where=sample)
    if "{id}" not in id_pattern:
        raise UsageError(f"the id pattern {id_pattern!r} has no {{id}}; write 'clip_{{id}}.wav', say")
    names = [id_pattern.replace("{id}", name.strip()) if id_pattern != "{id}" else name for name in wanted.wanted]
    beside = None if table is None else as_path(table)
    inputs = _inputs(recognizer.card, names, Path(data), table=beside, where=str(sample))
    rows = _answers(recognizer, wanted, inputs, texts=texts, fallback=fallback, progress=progress)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=wanted.line_end, delimiter=wanted.separator)
    paths = [[path] for path in wanted.paths] or [[] for _ in rows]
    writer.writerow((wanted.id_column, *([wanted.path_column] if wanted.paths else []), *wanted.columns))
    writer.writerows([name, *path, *cells] for (name, *cells), path in zip(rows, paths, strict=True))
    write_text(out, text.getvalue())
    return len(rows)


def _texts(card: Card, written: Mapping[str, str] | None) -> dict[str, str]:
    """Return what is written for each label of a card.

    Raises
    ------
    UsageError
        When a label is not known, or has nothing to be written.
    """
    if written is None:
        return {label: label for label in card.labels}
    unknown, missing = sorted(set(written) - set(card.labels)), sorted(set(card.labels) - set(written))
    if missing:
        hint = f" (it knows {some_quoted(unknown)}, which are no labels)" if unknown else ""
        raise UsageError(f"the label map says nothing for {some_quoted(missing)} of {card.name}{hint}; add them")
    return {label: written[label] for label in card.labels}


def read_label_map(path: Path) -> dict[str, str]:
    """Read a table of labels and of what to write for them: the first two columns, or those called label and value.

    Raises
    ------
    DataError
        When there are fewer than two columns.
    """
    rows = read_rows(path)
    columns = list(rows[0])
    if len(columns) < 2:
        raise DataError(f"{path}: has the column(s) {', '.join(columns)}; a label map has two, label and what to write")
    label = next((name for name in columns if name.strip().lower() == "label"), columns[0])
    value = next(name for name in columns if name != label)
    return {row[label].strip(): row[value].strip() for row in rows}


def _inputs(card: Card, names: Sequence[str], data: Path, *, table: Path | None, where: str) -> list[Input]:
    """Return the input of every row."""
    if is_table(data):
        return _table_rows(names, data, where=where)
    files = match_files(names, data, extensions=readable_extensions(card), where=where)
    return beside_rows(card, [str(files[name]) for name in names], table)


def _table_rows(names: Sequence[str], data: Path, *, where: str) -> list[Input]:
    table, rows = read_table(data), read_rows(data)
    column = next((name for name in rows[0] if name.strip().lower() in _ID_COLUMNS), None)
    places: dict[str, int] = {}
    for row, cells in enumerate(rows):
        name = str(row) if column is None else cells[column].strip()
        for spelling in (name, PurePosixPath(name).name, PurePosixPath(name).stem):
            places.setdefault(spelling, row)
    found = [next((places[text] for text in spellings(name) if text in places), None) for name in names]
    missing = [name for name, row in zip(names, found, strict=True) if row is None]
    if missing:
        raise DataError(
            f"{data}: has no row for {some_quoted(missing)} of {where}; ids are looked for in "
            f"{'the numbers of the rows, from 0' if column is None else f'the column {column}'}"
        )
    return [Numbers(table.names, table.values[row]) for row in found if row is not None]


def match_files(ids: Sequence[str], folder: Path, *, extensions: frozenset[str], where: str) -> dict[str, Path]:
    """Return the file of every id.

    Raises
    ------
    DataError
        When an id has no file or several, or a file has no id.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder; give the one that holds the files to recognise")
    files = sorted(files_under(folder, extensions))
    by_name: dict[str, list[Path]] = {}
    for file in files:
        place = file.relative_to(folder)
        below = f"{folder.resolve().name}/{place.as_posix()}"
        paths = (place.as_posix(), place.with_suffix("").as_posix(), below, below.removesuffix(file.suffix))
        for name in dict.fromkeys((*paths, file.name, file.stem)):
            by_name.setdefault(name, []).append(file)
    for name in ids:
        # As it stands comes first: a file may really be called " 40.0".
        meant = next((text for text in spellings(name) if text in by_name), None)
        if meant is not None:
            by_name[name] = by_name[meant]
    missing = [name for name in ids if name not in by_name]
    if missing:
        raise DataError(
            f"{folder}: has no file for {some_quoted(missing)} of {where}; add the files, or give their folder"
        )
    double = [name for name in ids if len(by_name[name]) > 1]
    if double:
        raise DataError(
            f"{folder}: has several files for {some_quoted(double)} of {where}; keep one, or write the ids as paths"
        )
    found = {name: by_name[name][0] for name in ids}
    extra = sorted(set(files) - set(found.values()))
    if extra:
        names = some_quoted(file.relative_to(folder).as_posix() for file in extra)
        raise DataError(
            f"{folder}: holds {names}, which {where} does not ask for; "
            "take them away, or use the sample that belongs to this folder"
        )
    if len(set(found.values())) < len(found):
        raise DataError(f"{where}: names one file by several ids; each file may stand once")
    return found


def _check_columns(
    sample: Sample, card: Card, texts: Mapping[str, str], fallback: str | None, *, where: str | Path
) -> None:
    columns = {column.strip() for column in sample.columns}
    if sample.wants_probabilities and columns != set(texts.values()):
        differing = sorted(columns ^ set(texts.values()))
        raise UsageError(
            f"{where}: its columns are not the labels of {card.name} (they differ in {some_quoted(differing)}); "
            "one column for the label is allowed, or one for each label: use a recognizer of these labels"
        )
    if fallback is not None and fallback not in card.labels:
        raise UsageError(f"the fallback {fallback!r} is no label of {card.name}; give one of {', '.join(card.labels)}")


def _answers(
    recognizer: Recognizer,
    sample: Sample,
    inputs: Sequence[Input],
    *,
    texts: Mapping[str, str],
    fallback: str | None,
    progress: Progress,
) -> list[list[str]]:
    labels = recognizer.card.labels
    order = [texts[label] for label in labels]
    places = [order.index(column.strip()) for column in sample.columns] if sample.wants_probabilities else []
    rows, bad = [], []
    for done, (name, item) in enumerate(zip(sample.ids, inputs, strict=True), start=1):
        answer = _answer(recognizer, item)
        progress("recognising", done, len(inputs), "")
        if isinstance(answer, str):
            if fallback is None:
                bad.append(answer)
                continue
            given = np.array([label == fallback for label in labels])
            answer = given.astype(np.float32), given
        probabilities, given = answer
        cells = [f"{probabilities[i]:.6f}" for i in places]
        cells = cells or [LABEL_SEPARATOR.join(order[i] for i in np.flatnonzero(given))]
        rows.append([name, *cells])
    if bad:
        raise DataError(f"{bad[0]}" + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else "") + "; or give a fallback")
    return rows


def _answer(recognizer: Recognizer, item: Input) -> tuple[FloatArray, npt.NDArray[np.bool_]] | str:
    """Return the probability of every label and which are given, or why there is none."""
    card = recognizer.card
    result = recognizer.try_predict(item, top=len(card.labels), force=True)
    if isinstance(result, Failure):
        return str(result.error)
    if not result.top:
        return f"{result.input}: {result.reason}"
    known = {answer.label: answer.confidence for answer in result.top}
    confidences = np.array([known[label] for label in card.labels], np.float32)
    if card.is_multi_label:
        given = {answer.label for answer in result.labels or ()}
        return confidences, np.array([label in given for label in card.labels])
    # A competition knows no answer that is none of the labels.
    probabilities: FloatArray = confidences / confidences.sum()
    return probabilities, np.arange(len(confidences)) == probabilities.argmax()
