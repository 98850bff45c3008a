"""Parsing of request bodies, within limits: nothing is decoded before its size is known."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

import numpy as np

from earmark.errors import DataError, UnreadableError
from earmark.features import SoundFeatures, WindowFeatures
from earmark.recognizer import Card
from earmark.serve.limits import CURRENT_WORK, Limits
from earmark.serve.problems import Problem
from earmark.types import Content, Sound

RAW = "application/octet-stream"
JSON = "application/json"
FORM = "multipart/form-data"
_LARGEST_RATE_HZ = 768_000


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a request: bytes of a file, or values of JSON that are no file."""

    name: str
    value: bytes | dict[str, Any]


def items_of(body: bytes, content_type: str, *, limits: Limits) -> list[Item]:
    """Return the inputs in a body.

    Raises
    ------
    Problem
        415 for a type that is not known, 422 for a body that is not of its type, 413 for too many inputs.
    """
    header = Message()
    header["content-type"] = content_type or RAW
    kind = header.get_content_type()
    if not body:
        raise Problem(422, "the body is empty; send a file, samples or strokes")
    if kind == JSON:
        items = _json_items(body)
    elif kind == FORM:
        items = _form_items(body, content_type)
    elif kind == RAW or kind.startswith(("audio/", "image/", "video/")) or kind == "text/plain":
        items = [Item("body", body)]
    else:
        raise Problem(
            415,
            f"bodies of type {kind!r} are not taken; allowed are {FORM}, {JSON}, {RAW}, audio/*, image/*, text/plain",
        )
    if len(items) > limits.n_items:
        raise Problem(413, f"{len(items)} inputs in one request; at most {limits.n_items} are taken; send several")
    if not items:
        raise Problem(422, "the form holds no file; send one or more under any name")
    return items


def content_of(item: Item, card: Card, *, limits: Limits, sample_rate_hz: int | None = None) -> Content | bytes:
    """Return what the recognizer of `card` takes, decoded no further than the limits allow.

    Parameters
    ----------
    item
        What was sent.
    sample_rate_hz
        Given for a body of raw samples: float32, little-endian, mono.

    Raises
    ------
    Problem, DataError, MissingExtraError
        When it is too long or too large, or cannot be read.
    """
    if isinstance(item.value, dict):
        return _json_content(item, limits=limits)
    if not item.value:
        raise UnreadableError(f"{item.name}: is empty (0 bytes); send the file again")
    if sample_rate_hz is not None:
        return _raw_sound(item.value, sample_rate_hz, limits=limits)
    if isinstance(card.features, SoundFeatures | WindowFeatures):
        return _decoded_sound(item.value, item.name, card.features.sample_rate_hz, limits=limits)
    _refuse_large_image(item.value, item.name, limits=limits)
    return item.value


def _json_items(body: bytes) -> list[Item]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(422, f"the body is not JSON ({error}); correct it") from error
    given = values.get("items") if isinstance(values, dict) and "items" in values else [values]
    if not isinstance(given, list) or not all(isinstance(value, dict) for value in given):
        raise Problem(
            422,
            'the JSON is not an input; allowed are {"strokes": [[[x, y], …], …]}, {"samples": […], "sample_rate_hz": …}'
            ' and {"items": […]} of these',
        )
    return [Item(str(value.get("name", f"item {rank}")), value) for rank, value in enumerate(given, start=1)]


def _form_items(body: bytes, content_type: str) -> list[Item]:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import create_form_parser

    items: list[Item] = []

    def take(file: Any) -> None:
        file.file_object.seek(0)
        name = (file.file_name or b"file").decode(errors="replace")
        items.append(Item(name, file.file_object.read()))

    # All stays in memory: what was uploaded is not kept, not even in a temporary file.
    kept = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
    try:
        parser = create_form_parser({"Content-Type": content_type.encode("latin-1")}, None, take, kept)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError, KeyError) as error:
        raise Problem(422, f"the form cannot be read ({error}); send multipart/form-data with files") from error
    return items


def _json_content(item: Item, *, limits: Limits) -> Content:
    values: dict[str, Any] = item.value if isinstance(item.value, dict) else {}
    unknown = set(values) - {"strokes", "samples", "sample_rate_hz", "name"}
    if unknown or ("strokes" in values) == ("samples" in values):
        raise Problem(
            422,
            f"{item.name}: has the keys {sorted(values)}; give either strokes, or samples with sample_rate_hz",
        )
    if "strokes" in values:
        from earmark.ink import make_ink

        return make_ink(_list(values["strokes"], item.name), where=item.name)
    try:
        samples = np.asarray(_list(values["samples"], item.name), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{item.name}: samples are a list of numbers in -1…1; send one") from error
    return _sound(samples, values.get("sample_rate_hz"), item.name, limits=limits)


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{name}: is {type(value).__name__}, not a list; send a list")
    return value


def _raw_sound(data: bytes, sample_rate_hz: int, *, limits: Limits) -> Sound:
    if len(data) % 4:
        raise DataError(
            f"raw samples of {len(data)} bytes; they are float32, little-endian, 4 bytes each; send whole ones"
        )
    return _sound(np.frombuffer(data, "<f4").astype(np.float32), sample_rate_hz, "raw samples", limits=limits)


def _sound(samples: Any, sample_rate_hz: Any, name: str, *, limits: Limits) -> Sound:
    if not isinstance(sample_rate_hz, int) or not 1000 <= sample_rate_hz <= _LARGEST_RATE_HZ:
        raise DataError(f"{name}: sample_rate_hz is {sample_rate_hz!r}; allowed are 1000 to {_LARGEST_RATE_HZ}")
    if samples.ndim != 1:
        raise DataError(f"{name}: samples of shape {samples.shape}; send one channel as a flat list")
    _refuse_long(len(samples) / sample_rate_hz, name, limits=limits)
    return Sound(samples, sample_rate_hz)


def _decoded_sound(data: bytes, name: str, rate_hz: int, *, limits: Limits) -> Sound:
    """Decode piece by piece, so that what is longer than its header says is stopped as well."""
    stream = io.BytesIO(data)
    stream.name = name  # what messages call it
    from earmark.sound.decoders import open_decoder

    with open_decoder(stream) as decoder:
        if decoder.n_frames is not None:
            _refuse_long(decoder.n_frames / decoder.sample_rate_hz, name, limits=limits)
    pieces = list(_pieces(stream, name, rate_hz, limits=limits))
    return Sound(np.concatenate(pieces), rate_hz)


def _pieces(stream: io.BytesIO, name: str, rate_hz: int, *, limits: Limits) -> Iterator[Any]:
    from earmark.sound import resampled_blocks

    end = 0
    for block in resampled_blocks(stream, rate_hz):
        CURRENT_WORK.get().check()
        end += len(block)
        _refuse_long(end / rate_hz, name, limits=limits)
        yield block


def _refuse_long(duration_s: float, name: str, *, limits: Limits) -> None:
    if duration_s > limits.duration_s:
        raise Problem(
            413, f"{name}: lasts {duration_s:.0f} s; at most {limits.duration_s:.0f} s are taken; send a part"
        )


def _refuse_large_image(data: bytes, name: str, *, limits: Limits) -> None:
    """Refuse an image by the size in its header; what is none is left to whoever reads it."""
    import warnings

    import PIL.Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data)) as image:
                width, height = image.size
    except PIL.Image.DecompressionBombError:
        raise Problem(413, f"{name}: has far too many pixels; at most {limits.pixels:,} are taken") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        return
    if width * height > limits.pixels:
        raise Problem(
            413, f"{name}: has {width}×{height} pixels; at most {limits.pixels:,} are taken; crop or scale it down"
        )
