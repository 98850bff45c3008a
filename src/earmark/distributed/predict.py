"""Predictions of very many inputs as a table in parts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from earmark.data.table import is_table, parquet_modules
from earmark.distributed.parts import ROWS_A_PART, Job, Made, PartedTable, Row, write_in_parts
from earmark.errors import DataError, UsageError
from earmark.files import sha256_bytes
from earmark.listing import names_under
from earmark.recognizer import Failure, Recognizer, readable_extensions
from earmark.recognizer.answers import columns_of, complaint, rows_of
from earmark.storage import as_path, is_url, open_binary, written
from earmark.types import Progress, no_progress

_TYPES = {"midi": "int64", "segment": "int64", "velocity": "int64"}
_NUMBERS = ("confidence", "familiarity", "start_s", "end_s", "hz")


def predict_table(
    recognizer: Recognizer,
    inputs: Iterable[str],
    *,
    out: Path | str,
    rows_a_part: int = ROWS_A_PART,
    progress: Progress = no_progress,
    **how: Any,
) -> PartedTable:
    """Recognise all `inputs` into a table in parts, on the cluster where there is one.

    Parameters
    ----------
    recognizer
        Loaded from a file.
    inputs
        Files, folders, and csv or Parquet lists with a column ``path``; they are gone through as they are listed.
    out
        Folder of the parts; what is there already is not done again.
    **how
        The options of `Recognizer.predict`: ``top``, ``timeline``, ``force``.

    Raises
    ------
    DataError, UsageError
        See `write_in_parts`.
    """
    card = recognizer.card
    if "table" in card.features.reads and not card.window:
        raise UsageError(f"{card.name} reads rows of a table, not files; leave --format parquet out")
    how = {"top": 5, "timeline": False, "force": False, **how}
    given = list(inputs)
    window = None if card.window is None else card.window.model_dump(mode="json")
    columns = [*columns_of(card, top=how["top"], timeline=how["timeline"]), "error"]
    job = Job(
        identity={
            "kind": "predict",
            "model": sha256_bytes(recognizer.content),
            "window": window,
            "inputs": given,
            **how,
        },
        listed={"input": "string"},
        columns={name: _type_of(name) for name in columns},
        make=partial(_made, recognizer=recognizer, **how),
        crashed=_crashed,
    )
    listed = ({"input": name} for name in list_inputs(given, readable_extensions(card)))
    return write_in_parts(job, listed, out=out, rows_a_part=rows_a_part, progress=progress)


def list_inputs(inputs: Iterable[str], extensions: frozenset[str]) -> Iterator[str]:
    """Yield the names of all files, in the order of their folders and lists; none is kept.

    Raises
    ------
    DataError
        When a list has no column ``path``.
    """
    for item in inputs:
        path = as_path(item)
        if is_table(path):
            for name in _listed(path):
                yield name if is_url(name) else written(path.parent / name)
        elif path.is_dir():
            yield from names_under(path, extensions)
        else:
            yield written(path)


def _listed(path: Path) -> Iterator[str]:
    """Yield the column ``path`` of a list."""
    no_path = DataError(f"{path}: has no column 'path'; give a list of files with one")
    if path.suffix.lower() == ".parquet":
        _, parquet = parquet_modules(f"reading {path}")
        with open_binary(path) as stream:
            file = parquet.ParquetFile(stream)
            if "path" not in file.schema_arrow.names:
                raise no_path
            for batch in file.iter_batches(columns=["path"]):
                yield from batch.column(0).to_pylist()
        return
    with open_binary(path) as stream:
        rows = csv.DictReader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        if "path" not in (rows.fieldnames or ()):
            raise no_path
        yield from (row["path"] for row in rows)


def _made(row: Row, *, recognizer: Recognizer, **how: Any) -> Made:
    name = row["input"]
    result = recognizer.try_predict(name, **how)
    error = complaint(result)
    if isinstance(result, Failure):
        return Made(({"input": name, "error": error},), error)
    return Made(tuple({**each, "error": error or None} for each in rows_of(result)), error)


def _crashed(row: Row) -> Made:
    error = f"{row['input']}: ends the process that decodes it; replace or remove it"
    return Made(({"input": row["input"], "error": error},), error)


def _type_of(column: str) -> str:
    return _TYPES.get(column) or ("float64" if column.startswith(_NUMBERS) else "string")
