"""Labelled examples in memory: arrays, strokes, images, rows of numbers, tables of a data frame or a data set."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.data.manifest import COLUMNS, Manifest
from earmark.data.readers.reading import read_manifest
from earmark.errors import DataError, UsageError
from earmark.files import cache_folder, write_bytes, write_text
from earmark.types import Domain, Image, Ink, Picture, Sound


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled examples that are no files, to hand to `earmark.train` and whatever else takes data.

    Their contents are written once to the user's cache folder, named by their hash, so that a run that was killed finds
    them again and workers need not be sent them.

    Parameters
    ----------
    contents
        One an example: mono samples ``(time,)`` or channels ``(channel, time)`` with `sample_rate_hz`, a mapping with
        ``array`` and ``sampling_rate`` or with ``path`` or ``bytes``, a `Sound`; a list of strokes ``(n_points, 2)`` or
        an `Ink`; a PIL image, uint8 pixels or an `Image`; a `Picture`; a path. Or an array of shape ``(n, n_columns)``
        without a rate: rows of numbers.
    labels
        One an example; anything that has a text.
    groups
        What must not be split, one an example; None: each example is its own.
    splits
        ``"train"``, ``"valid"``, ``"test"`` or None, one an example, where the data is divided already.
    sample_rate_hz
        Of arrays of samples.
    domain
        What images are, ``"ink"`` or ``"picture"``, when it cannot be told from their looks.
    name
        For reports.

    Raises
    ------
    DataError, UsageError
        When there are not as many labels as contents, kinds are mixed, or a content is of no known kind.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(4, 800)).astype(np.float32)
    >>> len(Examples(noise, ["a", "b", "a", "b"], sample_rate_hz=8000))
    4
    """

    contents: Any
    labels: Any
    groups: Any = None
    splits: Any = None
    sample_rate_hz: int | None = None
    domain: Domain | None = None
    name: str = "examples"

    def __post_init__(self) -> None:
        if not len(self.contents):
            raise DataError(f"{self.name}: holds no examples; give one at least")
        for what in ("labels", "groups", "splits"):
            values = getattr(self, what)
            if values is not None and len(values) != len(self.contents):
                raise DataError(
                    f"{self.name}: {len(self.contents)} contents and {len(values)} {what}; give one for each content"
                )

    def __len__(self) -> int:
        return len(self.contents)

    @classmethod
    def from_table(
        cls, table: Any, *, content: str, label: str = "label", group: str | None = None, **settings: Any
    ) -> Examples:
        """Take columns of a data frame, a data set of Hugging Face, or a mapping of lists.

        Parameters
        ----------
        table
            What gives a column by its name.
        content, label, group
            Names of the columns.
        settings
            Other parameters of `Examples`.

        Raises
        ------
        UsageError
            When there is no such column.
        """
        columns = [_column(table, name) for name in (content, label)]
        labels = _with_names(table, label, columns[1])
        groups = None if group is None else _column(table, group)
        return cls(columns[0], labels, groups=groups, **settings)

    def manifest(self) -> Manifest:
        """Write the contents to the cache folder and return their manifest.

        Raises
        ------
        DataError
            When a content is bad, or the cache folder cannot be written to.
        """
        files = [_file_of(content, self.sample_rate_hz, place) for place, content in enumerate(self._items())]
        digest = hashlib.sha256()
        for suffix, data in files:
            digest.update(suffix.encode() + b"\0" + (data if isinstance(data, bytes) else os.fsencode(data)) + b"\0")
        rows = self._rows()
        digest.update(repr((self.name, rows)).encode("utf-8", "surrogateescape"))
        folder = cache_folder() / "examples" / digest.hexdigest()[:32]
        return self._written(folder, files, rows)

    def _items(self) -> Sequence[Any]:
        if isinstance(self.contents, np.ndarray | list | tuple):
            return list(self.contents)
        # The items of a data frame would be the names of its columns.
        return list(np.asarray(self.contents) if hasattr(self.contents, "columns") else self.contents)

    def _rows(self) -> list[tuple[str, str, str]]:
        # As lists, because the columns of a data frame are looked up by its index, not by their place.
        labels = list(self.labels)
        groups = [f"example {place}" for place in range(len(self))] if self.groups is None else list(self.groups)
        splits = [None] * len(self) if self.splits is None else list(self.splits)
        return [
            (str(label), str(group), str(split) if split else "")
            for label, group, split in zip(labels, groups, splits, strict=True)
        ]

    def _written(
        self, folder: Path, files: Sequence[tuple[str, bytes | Path]], rows: Sequence[tuple[str, str, str]]
    ) -> Manifest:
        kinds = {suffix for suffix, data in files if isinstance(data, bytes)}
        if ".row" in kinds:
            if len(kinds) > 1 or not all(isinstance(data, bytes) for _, data in files):
                raise DataError(f"{self.name}: mixes rows of numbers with other contents; give examples of one kind")
            return self._table(folder, rows)
        if ".npy" in kinds:
            return self._arrays(folder, files, rows)
        lines = []
        for place, ((suffix, data), (label, group, split)) in enumerate(zip(files, rows, strict=True)):
            if isinstance(data, bytes):
                path = f"{place:06d}{suffix}"
                if not (folder / path).exists():
                    write_bytes(folder / path, data)
            else:
                path = Path(os.path.relpath(data, folder)).as_posix()
            lines.append((path, label, group, split))
        return self._listed(folder, lines)

    def _listed(self, folder: Path, lines: Sequence[tuple[str, str, str, str]]) -> Manifest:
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(("path", "label", "group", "split"))
        table.writerows(lines)
        write_text(folder / f"{self.name}.csv", text.getvalue())
        return read_manifest(folder / f"{self.name}.csv", kind="manifest", domain=self.domain)

    def _table(self, folder: Path, rows: Sequence[tuple[str, str, str]]) -> Manifest:
        names = [_column_name(name) for name in getattr(self.contents, "columns", range(np.shape(self.contents)[1]))]
        values = np.asarray(self.contents, np.float64)
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow((*names, "label", "group", "split"))
        table.writerows([*map(repr, row.tolist()), *of_row] for row, of_row in zip(values, rows, strict=True))
        write_text(folder / f"{self.name}.csv", text.getvalue())
        return read_manifest(folder / f"{self.name}.csv", kind="features")

    def _arrays(
        self, folder: Path, files: Sequence[tuple[str, bytes | Path]], rows: Sequence[tuple[str, str, str]]
    ) -> Manifest:
        arrays = [np.load(io.BytesIO(data), allow_pickle=False) for _, data in files if isinstance(data, bytes)]
        if len({array.shape for array in arrays}) > 1 or len(arrays) < len(files):
            raise DataError(f"{self.name}: its spectrograms differ in shape; bring them to one (freq, time)")
        stream = io.BytesIO()
        names = np.array([f"example {place}" for place in range(len(rows))])
        np.savez(stream, X=np.stack(arrays), track=names, label=np.array([label for label, _, _ in rows]))
        write_bytes(folder / "pictures.npz", stream.getvalue())
        return self._listed(folder, [(f"pictures.npz::{place}", *row) for place, row in enumerate(rows)])


def _column(table: Any, name: str) -> Any:
    try:
        column = table[name]
    except (KeyError, IndexError, TypeError) as error:
        held = list(getattr(table, "column_names", None) or getattr(table, "columns", None) or table)
        raise UsageError(f"the table has no column {name!r}; it has {', '.join(map(str, held))}") from error
    return column if isinstance(column, (list, tuple, np.ndarray)) else list(column)


def _with_names(table: Any, name: str, values: Any) -> list[str]:
    """Return labels as texts: data sets of Hugging Face hold numbers, with the names beside them."""
    feature = getattr(table, "features", None)
    names = getattr(feature[name], "names", None) if isinstance(feature, dict) and name in feature else None
    return [str(value) if names is None else str(names[int(value)]) for value in values]


def _column_name(name: object) -> str:
    text = str(name).strip()
    return f"number {text}" if not text or text.isdecimal() or text in COLUMNS else text


def _file_of(content: Any, sample_rate_hz: int | None, place: int) -> tuple[str, bytes | Path]:
    """Return the extension and the content of the file of an example, or its path when it is one already."""
    if isinstance(content, dict):
        return _file_of_mapping(content, place)
    if isinstance(content, str | Path):
        if not Path(content).is_file():
            raise DataError(f"example {place}: {content} is no file; check the path")
        return "", Path(content).absolute()
    known = _file_of_known(content, place)
    return _file_of_array(content, sample_rate_hz, place) if known is None else known


def _file_of_known(content: Any, place: int) -> tuple[str, bytes] | None:
    """Return the same for what has a type of its own; None for anything else."""
    if isinstance(content, Sound):
        return ".au", _au(content.samples, content.sample_rate_hz, place)
    if isinstance(content, Ink) or (isinstance(content, (list, tuple)) and content and np.ndim(content[0]) == 2):
        return ".txt", _strokes(content, place)
    if isinstance(content, Image) or hasattr(content, "convert"):
        return ".png", _png(content)
    return (".npy", _npy(content.values)) if isinstance(content, Picture) else None


def _file_of_array(content: Any, sample_rate_hz: int | None, place: int) -> tuple[str, bytes]:
    array = np.asarray(content)
    if array.dtype.kind not in "fiub" or not array.size:
        raise DataError(
            f"example {place}: {type(content).__name__} is none of the known contents; give samples with "
            "sample_rate_hz, strokes, an image, a spectrogram, a path or a row of numbers"
        )
    if sample_rate_hz is not None:
        return ".au", _au(array, sample_rate_hz, place)
    if array.ndim == 1:
        return ".row", array.astype(np.float64).tobytes()
    is_image = array.dtype == np.uint8 or array.ndim == 3
    return (".png", _png(Image(array.astype(np.uint8)))) if is_image else (".npy", _npy(array))


def _file_of_mapping(content: dict[str, Any], place: int) -> tuple[str, bytes | Path]:
    if content.get("array") is not None and content.get("sampling_rate"):
        return ".au", _au(np.asarray(content["array"]), int(content["sampling_rate"]), place)
    if content.get("bytes"):
        suffix = Path(content.get("path") or "").suffix.lower()
        return suffix or ".wav", bytes(content["bytes"])
    if content.get("path"):
        return _file_of(content["path"], None, place)
    raise DataError(
        f"example {place}: it has {sorted(content)}; a mapping needs array and sampling_rate, bytes, or path"
    )


def _au(samples: npt.NDArray[Any], sample_rate_hz: int, place: int) -> bytes:
    import soundfile

    if samples.ndim not in (1, 2) or not samples.size or samples.dtype.kind not in "fiu":
        shown = f"shape {samples.shape} and type {samples.dtype}"
        raise DataError(f"example {place}: samples of {shown}; give numbers (time,) or (channel, time)")
    values = samples.astype(np.float64)
    if samples.dtype.kind in "iu":
        full = 2.0 ** (8 * samples.dtype.itemsize - 1)
        values = (values - (full if samples.dtype.kind == "u" else 0)) / full
    if not np.isfinite(values).all():
        raise DataError(f"example {place}: has samples that are NaN or infinite; only finite numbers are sound")
    if values.ndim == 2 and values.shape[0] < values.shape[1]:
        values = values.T
    # Not WAV, which would hold the time of writing, so that the same samples were other bytes.
    stream = io.BytesIO()
    soundfile.write(stream, values.astype(np.float32), sample_rate_hz, format="AU", subtype="FLOAT")
    return stream.getvalue()


def _strokes(content: Any, place: int) -> bytes:
    from earmark.ink import make_ink

    ink = make_ink(content.strokes if isinstance(content, Ink) else content, where=f"example {place}")
    lines = [";".join(f"{x:g},{y:g}" for x, y in stroke.tolist()) + ";" for stroke in ink.strokes]
    return ("\n".join(["drawing", *lines]) + "\n").encode()


def _png(content: Any) -> bytes:
    import PIL.Image

    image = PIL.Image.fromarray(content.pixels) if isinstance(content, Image) else content
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA"}:
        image = image.convert("RGB")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _npy(values: npt.NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()
