"""Scanned and photographed drawings, decoded strictly."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from earmark.errors import UnreadableError, refusing
from earmark.storage import as_path, is_path, is_remote, open_binary
from earmark.types import Image

if TYPE_CHECKING:
    import PIL.Image

IMAGE_EXTENSIONS = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".pbm", ".ppm"}
)
MAX_PIXELS = 64_000_000


def read_image(source: Path | str | bytes | BinaryIO) -> Image:
    """Decode an image: the first frame, turned upright as its EXIF says, as grey, RGB or RGBA.

    Parameters
    ----------
    source
        A path, the bytes of a file, or a binary stream.

    Raises
    ------
    UnreadableError
        When the file is missing, is not an image, is damaged, or holds more than 64 million pixels.
    """
    import PIL.Image

    name = str(source) if is_path(source) else "the given image"
    if is_path(source):
        path = as_path(source)
        source = open_binary(path).read() if is_remote(path) else path
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with refusing(lambda error: _refusal(name, error)), warnings.catch_warnings():
        # Pillow warns from half its own limit on; the limit here is lower and strict.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        with PIL.Image.open(stream) as opened:
            _check_size(opened, name)
            return Image(_decode(opened))


def _refusal(name: str, error: Exception) -> UnreadableError:
    import PIL.Image

    if isinstance(error, FileNotFoundError):
        return UnreadableError(f"{name}: no such file; give the path of an image")
    if isinstance(error, IsADirectoryError):
        return UnreadableError(f"{name}: is a folder; give the path of an image")
    if isinstance(error, PIL.Image.DecompressionBombError):
        return _too_large(name, "more pixels than Pillow will open")
    return UnreadableError(
        f"{name}: cannot be decoded as an image ({_reason(error)}); give an intact PNG, JPEG, WebP, GIF or TIFF"
    )


def _check_size(opened: PIL.Image.Image, name: str) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width}×{height} pixels")


def _too_large(name: str, size: str) -> UnreadableError:
    return UnreadableError(
        f"{name}: holds {size}; at most {MAX_PIXELS // 1_000_000} million are read, so crop or scale it down"
    )


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    return "unknown format" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__


def _decode(opened: PIL.Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    import PIL.ImageOps

    # A JPEG may decode itself at a fraction of its size, which keeps a large photograph cheap.
    opened.draft(None, (2048, 2048))
    upright = PIL.ImageOps.exif_transpose(opened)
    if upright.mode.startswith("I;16") or upright.mode in {"I", "F"}:
        values = np.asarray(upright, dtype=np.float64)
        high = 65535.0 if upright.mode.startswith("I") else float(np.nanmax(values, initial=0.0)) or 1.0
        return np.clip(np.nan_to_num(values) / high * 255, 0, 255).astype(np.uint8)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    grey = upright.mode in {"1", "L"} and not has_alpha
    return np.array(upright.convert("L" if grey else "RGBA" if has_alpha else "RGB"))
