"""Submission file of a competition: one answer for every id of its sample submission, in its order and columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import DataError, UnreadableError, UsageError
from earmark.files import write_text
from earmark.recognizer import Card, Failure, Recognizer, load, readable_extensions
from earmark.types import FloatArray, Progress, no_progress

N_NAMED = 5


@dataclass(frozen=True)
class Sample:
    """A sample submission: which ids and columns are to be filled.

    Attributes
    ----------
    id_column, columns
        Names, as they stand; `columns` is one for the label, or one a label for its probability.
    ids
        In order, each once.
    line_end
        As in the sample.
    """

    id_column: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    line_end: str

    @property
    def wants_probabilities(self) -> bool:
        return len(self.columns) > 1


def submit(
    model: Recognizer | str | Path,
    data: str | Path,
    *,
    sample: str | Path,
    out: str | Path,
    fallback: str | None = None,
    progress: Progress = no_progress,
) -> int:
    """Write a competition file and return its number of rows.

    Parameters
    ----------
    model
        A recognizer, or what `load` takes.
    data
        Folder of the files to recognise. An id is a path in it, a file name, or one without its extension.
    sample
        The sample submission: ids in the first column, then one column for the label, or one for each label, whose
        probability is then written.
    out
        The file to write.
    fallback
        Label to answer with for files that are silent or cannot be read; without it, they are refused.

    Raises
    ------
    DataError
        When ids are missing, superfluous or double, or a file cannot be recognised.
    UsageError
        When the columns or the fallback do not fit the labels.
    """
    recognizer = model if isinstance(model, Recognizer) else load(model)
    wanted = read_sample(sample)
    _check_columns(wanted, recognizer.card, fallback, where=sample)
    files = match_files(wanted.ids, Path(data), extensions=readable_extensions(recognizer.card), where=str(sample))
    rows = _answers(recognizer, wanted, files, fallback=fallback, progress=progress)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator=wanted.line_end)
    table.writerow((wanted.id_column, *wanted.columns))
    table.writerows(rows)
    write_text(out, text.getvalue())
    return len(rows)


def read_sample(path: str | Path) -> Sample:
    """Read a sample submission.

    Raises
    ------
    DataError
        When it is missing, no such table, or names an id twice.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the sample submission of the competition") from None
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: is not text in UTF-8 ({error}); save it again as CSV") from error
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise DataError(
            f"{path}: is not a sample submission; it needs a heading, an id column, one or more columns to fill, and "
            "as many cells in every row"
        )
    ids = tuple(row[0] for row in rows[1:])
    double = [name for name, count in Counter(ids).items() if count > 1]
    if double:
        raise DataError(f"{path}: names {_some(double)} more than once; each id may stand once")
    return Sample(rows[0][0], tuple(rows[0][1:]), ids, "\r\n" if "\r\n" in text else "\n")


def match_files(ids: Sequence[str], folder: Path, *, extensions: frozenset[str], where: str) -> dict[str, Path]:
    """Return the file of every id.

    Raises
    ------
    DataError
        When an id has no file or several, or a file has no id.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder; give the one that holds the files to recognise")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in extensions and not p.name.startswith("."))
    by_name: dict[str, list[Path]] = {}
    for file in files:
        place = file.relative_to(folder)
        for name in dict.fromkeys((place.as_posix(), place.with_suffix("").as_posix(), file.name, file.stem)):
            by_name.setdefault(name, []).append(file)
    missing = [name for name in ids if name not in by_name]
    if missing:
        raise DataError(f"{folder}: has no file for {_some(missing)} of {where}; add the files, or give their folder")
    double = [name for name in ids if len(by_name[name]) > 1]
    if double:
        raise DataError(
            f"{folder}: has several files for {_some(double)} of {where}; keep one, or write the ids as paths"
        )
    found = {name: by_name[name][0] for name in ids}
    extra = sorted(set(files) - set(found.values()))
    if extra:
        raise DataError(
            f"{folder}: holds {_some([file.relative_to(folder).as_posix() for file in extra])}, which {where} does not "
            "ask for; take them away, or use the sample that belongs to this folder"
        )
    if len(set(found.values())) < len(found):
        raise DataError(f"{where}: names one file by several ids; each file may stand once")
    return found


def _check_columns(sample: Sample, card: Card, fallback: str | None, *, where: str | Path) -> None:
    if sample.wants_probabilities and set(sample.columns) != set(card.labels):
        differing = sorted(set(sample.columns) ^ set(card.labels))
        raise UsageError(
            f"{where}: its columns are not the labels of {card.name} (they differ in {_some(differing)}); one column "
            "for the label is allowed, or one for each label: use a recognizer of these labels"
        )
    if fallback is not None and fallback not in card.labels:
        raise UsageError(f"the fallback {fallback!r} is no label of {card.name}; give one of {', '.join(card.labels)}")


def _answers(
    recognizer: Recognizer,
    sample: Sample,
    files: Mapping[str, Path],
    *,
    fallback: str | None,
    progress: Progress,
) -> list[list[str]]:
    labels = recognizer.card.labels
    places = [labels.index(column) for column in sample.columns] if sample.wants_probabilities else []
    rows, bad = [], []
    for done, (name, file) in enumerate(files.items(), start=1):
        probabilities = _probabilities(recognizer, file)
        progress("recognising", done, len(files), "")
        if isinstance(probabilities, str):
            if fallback is None:
                bad.append(probabilities)
                continue
            probabilities = np.array([label == fallback for label in labels], np.float32)
        cells = [f"{probabilities[i]:.6f}" for i in places] or [labels[int(probabilities.argmax())]]
        rows.append([name, *cells])
    if bad:
        raise DataError(f"{bad[0]}" + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else "") + "; or give a fallback")
    return rows


def _probabilities(recognizer: Recognizer, file: Path) -> FloatArray | str:
    """Return the probability of every label, or why there is none."""
    result = recognizer.try_predict(file, top=len(recognizer.card.labels), force=True)
    if isinstance(result, Failure):
        return str(result.error)
    if not result.top:
        return f"{file}: {result.reason}"
    known = {answer.label: answer.confidence for answer in result.top}
    confidences = np.array([known[label] for label in recognizer.card.labels], np.float32)
    # A competition knows no answer that is none of the labels.
    probabilities: FloatArray = confidences / confidences.sum()
    return probabilities


def _some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    names = list(names)
    rest = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(repr(name) for name in names[:N_NAMED]) + rest
