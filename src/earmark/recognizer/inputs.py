"""What people hand to `predict`, turned into contents: files, bytes, arrays, strokes, pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from earmark.errors import DataError, UnreadableError, UsageError
from earmark.types import Content, Domain, FloatArray, Image, Ink, Picture, Sound

STROKE_EXTENSIONS = frozenset({".txt", ".json"})

Input: TypeAlias = Any  # a path, bytes, an array, a list of strokes, a PIL image, or a Content


def describe(item: Input) -> str:
    """Return a short name for an input, for predictions and messages."""
    match item:
        case str() | Path():
            text = str(item)
        case bytes():
            text = f"{len(item)} bytes"
        case Sound():
            text = f"sound of {item.duration_s:.3g} s"
        case Ink(strokes) | (list() | tuple() as strokes):
            text = f"drawing of {len(strokes)} strokes"
        case Image(values) | Picture(values) | (np.ndarray() as values):
            text = f"{type(item).__name__} of shape {values.shape}".removeprefix("nd").lower()
        case _:
            text = type(item).__name__
    return text


def sound_input(item: Input, *, sample_rate_hz: int | None) -> Path | bytes | Sound | Picture:
    """Return what a recognizer that listens takes, or raise `DataError`/`UsageError` saying why it cannot."""
    from earmark.ink import IMAGE_EXTENSIONS

    match item:
        case Sound():
            return Sound(checked_samples(item.samples, where=describe(item)), item.sample_rate_hz)
        case Picture() | bytes():
            return item
        case str() | Path():
            path = Path(item)
            if path.suffix.lower() in IMAGE_EXTENSIONS | STROKE_EXTENSIONS:
                raise DataError(f"{path}: a drawing, but this recognizer listens to sounds; give a sound file")
            return _existing(path)
        case np.ndarray():
            return _sound_of_array(item, sample_rate_hz)
    raise DataError(
        f"{describe(item)}: this recognizer listens to sounds; give a sound file, an array with sample_rate_hz, a Sound"
        " or a Picture"
    )


def ink_input(item: Input) -> Ink | Image:
    """Return what a recognizer that reads drawings takes, or raise `DataError` saying why it cannot."""
    match item:
        case Ink() | Image():
            return item
        case bytes():
            return _drawing_of_bytes(item, where=describe(item))
        case str() | Path():
            return _drawing_of_file(Path(item))
        case list() | tuple():
            return Ink(tuple(_stroke(points, where=describe(item)) for points in _some(item)))
        case np.ndarray():
            return _image_of_array(item)
    if hasattr(item, "convert") and hasattr(item, "__array_interface__"):  # a PIL image, whatever its mode
        return Image(np.asarray(item.convert("RGBA")))
    raise DataError(
        f"{describe(item)}: this recognizer reads drawings; give an image or stroke file, a list of strokes, an array"
        " of pixels, an Ink or an Image"
    )


def checked_samples(samples: FloatArray, *, where: str) -> FloatArray:
    """Return `samples` when there are any and all are numbers; raise `DataError` otherwise."""
    if samples.size == 0:
        raise DataError(f"{where}: holds no samples; give at least one")
    n_bad = int(np.count_nonzero(~np.isfinite(samples)))
    if n_bad:
        raise DataError(f"{where}: {n_bad} samples are NaN or infinite; samples are numbers, mostly in -1…1; repair it")
    return samples


def domain_of(content: Content) -> Domain:
    """Return which kind of recognizer takes `content`."""
    return "ink" if isinstance(content, (Ink, Image)) else "sound"


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path}: no such file; check the name")
    if path.is_dir():
        raise DataError(
            f"{path}: a folder; give its files, or use the command 'earmark predict', which goes through it"
        )
    return path


def _sound_of_array(array: np.ndarray[Any, Any], sample_rate_hz: int | None) -> Sound:
    """Return a sound of ``(time,)``, ``(channel, time)`` or ``(time, channel)``: the shorter axis is the channels."""
    if sample_rate_hz is None:
        raise UsageError("an array of samples has no sample rate; pass sample_rate_hz=44100 or whatever it is")
    if sample_rate_hz <= 0:
        raise UsageError(f"sample_rate_hz={sample_rate_hz}: a sample rate is above 0; give the rate of the array")
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        raise DataError(
            f"array of shape {array.shape} and type {array.dtype}: samples are numbers of shape (time,) or"
            " (channel, time); reshape it"
        )
    samples = _unit_range(array)
    if samples.ndim == 2:
        samples = samples.mean(axis=int(np.argmin(samples.shape)), dtype=np.float32)
    return Sound(checked_samples(samples, where=describe(array)), sample_rate_hz)


def _unit_range(array: np.ndarray[Any, Any]) -> FloatArray:
    """Scale integer samples to -1…1; unsigned ones are centred on the middle of their range, as in 8-bit WAV."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    full = 2.0 ** (8 * array.dtype.itemsize - 1)
    return ((array.astype(np.float64) - (full if array.dtype.kind == "u" else 0)) / full).astype(np.float32)


def _drawing_of_file(path: Path) -> Ink | Image:
    from earmark.ink import IMAGE_EXTENSIONS, read_image

    _existing(path)
    suffix = path.suffix.lower()
    if suffix in IMAGE_EXTENSIONS:
        return read_image(path)
    if suffix not in STROKE_EXTENSIONS:
        raise DataError(
            f"{path}: this recognizer reads drawings; give a stroke file ({', '.join(sorted(STROKE_EXTENSIONS))}) or an"
            f" image ({', '.join(sorted(IMAGE_EXTENSIONS))})"
        )
    try:
        return _drawing_of_text(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: not text; a stroke file is HOMUS text or JSON in UTF-8") from error


def _drawing_of_bytes(data: bytes, *, where: str) -> Ink | Image:
    from earmark.ink import read_image

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return read_image(data)
    return _drawing_of_text(text, where=where)


def _drawing_of_text(text: str, *, where: str) -> Ink:
    """Return the ink of HOMUS text, or of JSON: ``[[[x, y], …], …]``, perhaps under the key ``strokes``."""
    from earmark.ink import parse_strokes

    if not text.lstrip().startswith(("[", "{")):
        return parse_strokes(text, where=where)[1]
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"{where}: not valid JSON ({error}); write [[[x, y], …], …], one list a stroke"
        ) from error
    strokes = values.get("strokes") if isinstance(values, dict) else values
    if not isinstance(strokes, list):
        raise UnreadableError(f"{where}: no list of strokes; write [[[x, y], …], …], or the same under 'strokes'")
    return Ink(tuple(_stroke(points, where=where) for points in _some(strokes)))


def _some(strokes: Sequence[Any]) -> Sequence[Any]:
    if not strokes:
        raise DataError("the drawing has no strokes; draw at least one")
    return strokes


def _stroke(points: Any, *, where: str) -> FloatArray:
    try:
        array = np.asarray(points, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: a stroke is a list of [x, y] points; {error}") from error
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise DataError(f"{where}: a stroke of shape {array.shape}; a stroke is a list of [x, y] points, at least one")
    if not np.isfinite(array).all():
        raise DataError(f"{where}: a stroke has points that are NaN or infinite; give numbers")
    return array


def _image_of_array(array: np.ndarray[Any, Any]) -> Image:
    """Return the image of uint8 pixels, or of bool or 0…1 float pixels, ``(height, width)`` grey, RGB or RGBA."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not fits or not array.size or (array.dtype.kind not in "fb" and array.dtype != np.uint8):
        raise DataError(
            f"array of shape {array.shape} and type {array.dtype}: pixels are uint8, bool or 0…1 floats of shape"
            " (height, width), (height, width, 3) or (height, width, 4); a drawing may also be a list of strokes"
        )
    if array.dtype == np.uint8:
        return Image(array)
    values = array.astype(np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise DataError(f"{describe(array)}: float pixels are 0…1 and no NaN; scale them")
    return Image(np.rint(values * 255).astype(np.uint8))
