"""Inputs of `predict` as contents: files, bytes, arrays, strokes, images and spectrograms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from earmark.errors import DataError, UnreadableError, UsageError
from earmark.recognizer.card import Card
from earmark.storage import as_path, is_path, why
from earmark.types import FloatArray, Image, Ink, Numbers, Picture, Sound

STROKE_EXTENSIONS = frozenset({".txt", ".json"})

Input: TypeAlias = Any
"""A path, bytes, a binary file, an array, a list of strokes, a PIL image, a `Content`, or a mapping of a ``picture``
and its ``numbers``; who reads it checks it."""


def readable_extensions(card: Card) -> frozenset[str]:
    """Return the lower-case extensions of the files that a recognizer with this card takes."""
    from earmark.ink import IMAGE_EXTENSIONS
    from earmark.sound import SOUND_EXTENSIONS

    if card.features.domain == "picture":
        return IMAGE_EXTENSIONS
    return IMAGE_EXTENSIONS | STROKE_EXTENSIONS if card.features.domain == "ink" else SOUND_EXTENSIONS


def input_name(item: Input) -> str:
    """Return a short name for an input, for predictions and messages."""
    if is_path(item):
        return str(item)
    match item:
        case bytes():
            text = f"{len(item)} bytes"
        case Sound():
            text = f"sound of {item.duration_s:.3g} s"
        case Ink(strokes) | (list() | tuple() as strokes):
            text = f"drawing of {len(strokes)} strokes"
        case Image(values) | Picture(values) | (np.ndarray() as values):
            text = f"{type(item).__name__.removeprefix('nd').lower()} of shape {values.shape}"
        case {"picture": picture}:
            text = input_name(picture)
        case Numbers(names):
            text = f"row of {len(names)} numbers"
        case _:
            text = str(getattr(item, "name", type(item).__name__))
    return text


def sound_input(item: Input, *, sample_rate_hz: int | None) -> Path | bytes | BinaryIO | Sound | Picture | Numbers:
    """Return what a recognizer that listens takes; files are only checked when they are read.

    Raises
    ------
    DataError, UsageError
        When it is a drawing, no array of numbers, or an array without a rate.
    """
    if is_path(item):
        return _refuse_drawing(as_path(item))
    if isinstance(item, Sound):
        return Sound(_checked(item.samples, where=input_name(item)), item.sample_rate_hz)
    if isinstance(item, np.ndarray):
        return _sound_of_array(item, sample_rate_hz)
    if isinstance(item, Picture | Numbers | bytes) or hasattr(item, "read"):
        return item  # type: ignore[no-any-return]
    raise DataError(
        f"{input_name(item)}: this recognizer listens to sounds; give a sound file, an array with sample_rate_hz, a"
        " Sound or a Picture"
    )


def ink_input(item: Input) -> Ink | Image:
    """Return the drawing that a recognizer of drawings takes, read and checked.

    Raises
    ------
    DataError
        When it is a sound or cannot be read.
    """
    from earmark.ink import make_ink

    if isinstance(item, Image):
        space_px = _known_space(item.staff_space_px)
        return replace(_image_of_array(item.pixels), staff_space_px=space_px, numbers=item.numbers)
    if isinstance(item, Ink | list | tuple):
        strokes, space = (item.strokes, item.staff_space) if isinstance(item, Ink) else (item, None)
        return replace(make_ink(strokes, where=input_name(item)), staff_space=_known_space(space))
    if is_path(item):
        return _drawing_of_file(as_path(item))
    if isinstance(item, np.ndarray):
        return _image_of_array(item)
    if hasattr(item, "convert") and hasattr(item, "__array_interface__"):  # a PIL image, whatever its mode
        return Image(np.asarray(item.convert("RGBA")))
    if isinstance(item, bytes) or hasattr(item, "read"):
        return _drawing_of_bytes(item if isinstance(item, bytes) else item.read(), where=input_name(item))
    raise DataError(
        f"{input_name(item)}: this recognizer reads drawings; give an image or stroke file, a list of strokes, an array"
        " of pixels, an Ink or an Image"
    )


@contextmanager
def naming(item: Input) -> Iterator[None]:
    """Let every complaint about an input begin with its name."""
    try:
        yield
    except DataError as error:
        name = input_name(item)
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name}: {error}") from error


def picture_input(item: Input) -> Image | Picture:
    """Return the spectrogram picture that a recognizer of such images takes, read and checked, with its numbers.

    Raises
    ------
    DataError
        When it is a sound or a drawing, or cannot be read.
    """
    from earmark.ink import IMAGE_EXTENSIONS, read_image

    if is_path(item) and (path := as_path(item)).suffix.lower() not in IMAGE_EXTENSIONS and path.is_file():
        raise DataError(
            f"{item}: this recognizer reads spectrogram pictures, it does not take sound or strokes; give an image"
            f" ({' '.join(sorted(IMAGE_EXTENSIONS))})"
        )
    if isinstance(item, Mapping) and "picture" in item:
        beside = item.get("numbers")
        return replace(picture_input(item["picture"]), numbers=None if beside is None else numbers_input(beside))
    if isinstance(item, Picture):
        return item
    if is_path(item):
        return read_image(item)
    if isinstance(item, bytes) or hasattr(item, "read"):
        try:
            return read_image(item)
        except UnreadableError as error:
            raise UnreadableError(f"{error}; sound and strokes are not taken") from error
    if isinstance(item, Image | np.ndarray) or hasattr(item, "convert"):
        drawing = ink_input(item)
        if isinstance(drawing, Image):
            return drawing
    raise DataError(
        f"{input_name(item)}: this recognizer reads spectrogram pictures, it does not take sound or strokes; give an"
        " image file, an array of pixels, an Image or a Picture"
    )


def numbers_input(item: Input) -> Numbers:
    """Return the row of numbers that a recognizer of tables takes.

    Raises
    ------
    DataError
        When it is anything else.
    """
    if isinstance(item, Numbers):
        return item
    if isinstance(item, Mapping):
        return Numbers(tuple(item), np.array(list(item.values()), np.float64))
    raise DataError(
        f"{input_name(item)}: this recognizer reads rows of a table; give a table to 'earmark predict', or Numbers"
    )


def _refuse_drawing(path: Path) -> Path:
    from earmark.ink import IMAGE_EXTENSIONS

    if path.suffix.lower() in IMAGE_EXTENSIONS | STROKE_EXTENSIONS:
        raise DataError(f"{path}: a drawing, but this recognizer listens to sounds; give a sound file")
    return path


def _checked(samples: FloatArray, *, where: str) -> FloatArray:
    if samples.size == 0:
        raise DataError(f"{where}: holds no samples; give at least one")
    n_bad = int(np.count_nonzero(~np.isfinite(samples)))
    if n_bad:
        raise DataError(f"{where}: {n_bad} samples are NaN or infinite; only finite numbers are sound; repair them")
    return samples


def _sound_of_array(array: np.ndarray[Any, Any], sample_rate_hz: int | None) -> Sound:
    """Return a sound of ``(time,)``, ``(channel, time)`` or ``(time, channel)``: the shorter axis is the channels."""
    if sample_rate_hz is None or sample_rate_hz <= 0:
        raise UsageError(
            f"sample_rate_hz={sample_rate_hz}: an array of samples needs its rate; pass sample_rate_hz=44100"
        )
    if array.ndim not in {1, 2} or array.dtype.kind not in "fiu":
        raise DataError(
            f"array of shape {array.shape} and type {array.dtype}: samples are numbers of shape (time,) or"
            " (channel, time); reshape it"
        )
    samples = _unit_range(array)
    if samples.ndim == 2:
        samples = samples.mean(axis=int(np.argmin(samples.shape)), dtype=np.float32)
    return Sound(_checked(samples, where=input_name(array)), sample_rate_hz)


def _unit_range(array: np.ndarray[Any, Any]) -> FloatArray:
    """Scale integer samples to -1…1; unsigned ones are centred on the middle of their range, as in 8-bit WAV."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    full = 2.0 ** (8 * array.dtype.itemsize - 1)
    centre = full if array.dtype.kind == "u" else 0.0
    scaled: FloatArray = ((array.astype(np.float64) - centre) / full).astype(np.float32)
    return scaled


def _drawing_of_file(path: Path) -> Ink | Image:
    from earmark.ink import IMAGE_EXTENSIONS, read_image

    suffix = path.suffix.lower()
    if suffix in IMAGE_EXTENSIONS:
        return read_image(path)
    if suffix not in STROKE_EXTENSIONS:
        raise DataError(
            f"{path}: this recognizer reads drawings; give a stroke file ({' '.join(sorted(STROKE_EXTENSIONS))}) or an"
            f" image ({' '.join(sorted(IMAGE_EXTENSIONS))})"
        )
    try:
        return _ink_of_text(path.read_text(encoding="utf-8"), where=str(path))
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: not text; a stroke file is HOMUS text or JSON in UTF-8") from error
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({why(error)}); check the path") from error


def _drawing_of_bytes(data: bytes, *, where: str) -> Ink | Image:
    from earmark.ink import read_image

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return read_image(data)
    # The plain image formats (PBM, PGM, PPM) may be pure ASCII.
    return read_image(data) if text[:1] == "P" and text[1:2].isdigit() else _ink_of_text(text, where=where)


def _ink_of_text(text: str, *, where: str) -> Ink:
    from earmark.ink import parse_json_strokes, parse_strokes

    if not text.strip():
        raise UnreadableError(f"{where}: is empty; a stroke file is HOMUS text or JSON")
    if text.lstrip().startswith("<"):
        raise UnreadableError(
            f"{where}: is SVG or other markup, which is not read; give strokes, or an image such as PNG"
        )
    if text.lstrip().startswith(("[", "{")):
        return parse_json_strokes(text, where=where)
    return parse_strokes(text, where=where)[1]


def _known_space(staff_space: float | None) -> float | None:
    if staff_space is not None and not 0 < staff_space < math.inf:
        raise DataError(f"a staff space of {staff_space} is no distance; give a number above 0, or leave it out")
    return staff_space


def _image_of_array(array: np.ndarray[Any, Any]) -> Image:
    """Return the image of uint8 pixels, or of bool or 0…1 float pixels, ``(height, width)`` grey, RGB or RGBA."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in {3, 4})
    if not fits or not array.size or (array.dtype.kind not in "fb" and array.dtype != np.uint8):
        raise DataError(
            f"array of shape {array.shape} and type {array.dtype}: pixels are uint8, bool or 0…1 floats of shape"
            " (height, width), (height, width, 3) or (height, width, 4); a drawing may also be a list of strokes"
        )
    if array.dtype == np.uint8:
        return Image(array)
    values = array.astype(np.float32)
    if not (values.min() >= 0 and values.max() <= 1):
        raise DataError(f"{input_name(array)}: float pixels are 0…1 and none is NaN; scale them")
    return Image(np.rint(values * 255).astype(np.uint8))
