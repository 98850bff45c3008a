"""Recording: write a stream to a sound file while it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import soundfile

from earmark.files import atomic_path
from earmark.live.denoise_file import sound_format
from earmark.types import FloatArray

Record: TypeAlias = Callable[[FloatArray], None]


@contextmanager
def recording(path: Path | None, sample_rate_hz: int) -> Iterator[Record]:
    """Give a function that appends samples ``(time,)`` to the sound file at `path`, or ignores them without one.

    Raises
    ------
    UsageError, DataError
        When its extension is not one that can be written, or its folder cannot be written to.
    """
    if path is None:
        yield lambda _: None
        return
    container = sound_format(path)
    with (
        atomic_path(path) as temporary,
        soundfile.SoundFile(temporary, "w", sample_rate_hz, 1, format=container) as file,
    ):
        yield file.write
