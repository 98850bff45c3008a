"""Rows of the feature table for one example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Self, TypeAlias

from pydantic import Field, model_validator

from earmark.config import Config
from earmark.data import Example, Manifest, read_content
from earmark.data.archive import split_member
from earmark.errors import EarmarkError
from earmark.features.table import SAMPLE_RATE_HZ, Padding, describe
from earmark.features.window import sound_segments
from earmark.storage import join
from earmark.types import FloatArray, Sound

Row: TypeAlias = tuple[int, list[float]]
"""The number of samples, and the 57 features."""


class Segments(Config):
    """What becomes a row.

    Attributes
    ----------
    segment_s
        Length of a segment; None for one row a sound. The last segment is aligned with the end, unless it would
        begin less than half a hop after the one before; a shorter sound is one row.
    hop_s
        Distance between the starts of segments; that of their length when None.
    padding
        As in `earmark.features.table.describe.describe`.
    """

    segment_s: float | None = Field(default=None, gt=0, le=600)
    hop_s: float | None = Field(default=None, gt=0)
    padding: Padding = "silence"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hop_s is not None and (self.segment_s is None or self.hop_s > self.segment_s):
            raise ValueError(f"hop_s {self.hop_s} needs a segment_s that is at least as long; given {self.segment_s}")
        return self


@dataclass(frozen=True, slots=True)
class Described:
    """What came of one example: its rows, or why there are none."""

    rows: tuple[Row, ...]
    error: str | None = None


def describe_example(manifest: Manifest, example: Example, segments: Segments) -> Described:
    """Return the rows of one example of `manifest`; a sound that cannot be read has an error instead."""
    try:
        pieces = _pieces(replace(manifest, examples=(example,)), segments)
        return Described(tuple((len(p), describe(p, padding=segments.padding).tolist()) for p in pieces))
    except EarmarkError as error:
        return Described((), f"{example.path}: {str(error).removeprefix(f'{example.path}: ')}")


def row_name(path: str, index: int | None) -> str:
    """Return the file name of a row as the published tables write it.

    >>> row_name("blues/blues.00000.wav", None), row_name("blues/blues.00000.wav", 3)
    ('blues/blues.00000.wav', 'blues/blues.00000.3.wav')
    """
    if index is None:
        return path
    name = PurePosixPath(path)
    return str(name.with_name(f"{name.stem}.{index}{name.suffix}"))


def _pieces(manifest: Manifest, segments: Segments) -> Iterator[FloatArray]:
    (example,) = manifest.examples
    if segments.segment_s is None:
        yield _whole(manifest, example).samples
        return
    streams = example.start_s is None and example.duration_s is None and split_member(example.path)[1] is None
    cuts = sound_segments(
        join(manifest.root, example.path) if streams else _whole(manifest, example),
        length_s=segments.segment_s,
        hop_s=segments.hop_s or segments.segment_s,
        sample_rate_hz=SAMPLE_RATE_HZ,
    )
    for _, samples in cuts:
        yield samples


def _whole(manifest: Manifest, example: Example) -> Sound:
    content = read_content(manifest, example, sample_rate_hz=SAMPLE_RATE_HZ)
    if not isinstance(content, Sound):  # `extract` refuses other domains before
        raise TypeError(f"{example.path} is not a sound")
    return content
