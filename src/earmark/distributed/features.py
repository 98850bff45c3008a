"""The 57 features of very many sounds as a table in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from earmark import extras
from earmark.data import Example, Manifest
from earmark.distributed.parts import ROWS_A_PART, Job, Made, Row, write_in_parts
from earmark.errors import DataError
from earmark.features.table import COLUMNS, TABLE_VERSION
from earmark.tables.extraction import Extra, Extracted
from earmark.tables.rows import Segments, describe_example, row_name
from earmark.types import Progress, no_progress

_TYPES = {"filename": "string", "length": "int64", "label": "string", "group": "string", "split": "string"}
_LISTED = dict.fromkeys(("path", "label", "group", "split"), "string") | {"start_s": "float64", "duration_s": "float64"}


def features_table(  # noqa: PLR0913 - as `earmark.tables.extract`
    manifest: Manifest,
    *,
    out: Path | str,
    segments: Segments | None = None,
    extra: Sequence[Extra] = (),
    workers: int = 1,
    rows_a_part: int = ROWS_A_PART,
    progress: Progress = no_progress,
) -> Extracted:
    """Write the 57 features of every sound of `manifest` as a table in parts, on the cluster where there is one.

    Parameters and errors as for `earmark.tables.extract`; a row is called by the path of its sound.
    """
    extras.require("the feature table", "train", "numba", "threadpoolctl")
    if manifest.domain != "sound":
        raise DataError(f"{manifest.name}: holds {manifest.domain} examples; the 57 features describe sounds")
    segments = segments or Segments()
    columns = {name: _TYPES.get(name, "float64") for name in (*COLUMNS, *extra)}
    job = Job(
        identity={
            "kind": "features",
            "version": TABLE_VERSION,
            "source": str(manifest.root),
            "segments": segments.model_dump(mode="json"),
        },
        listed=_LISTED,
        columns=columns,
        make=partial(_made, bare=replace(manifest, examples=()), segments=segments, columns=tuple(columns)),
        crashed=_crashed,
    )
    listed = ({name: getattr(example, name) for name in _LISTED} for example in manifest)
    table = write_in_parts(job, listed, out=out, rows_a_part=rows_a_part, workers=workers, progress=progress)
    return Extracted(table.n_rows, table.failures)


def _made(row: Row, *, bare: Manifest, segments: Segments, columns: Sequence[str]) -> Made:
    example = Example(**row)
    described = describe_example(bare, example, segments)
    rows = []
    for number, (n_samples, values) in enumerate(described.rows):
        name = row_name(example.path, None if segments.segment_s is None else number)
        facts = {"filename": name, "length": n_samples, "label": example.label}
        facts |= {"group": example.group, "split": example.split or ""}
        features = (column for column in columns if column not in _TYPES)
        rows.append({**facts, **dict(zip(features, values, strict=True))})
    return Made(tuple(rows), described.error or "")


def _crashed(row: Row) -> Made:
    return Made((), f"{row['path']}: ends the process that decodes it; replace or remove it")
