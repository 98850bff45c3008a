"""The feature cache: arrays on disk, keyed by the content and the configuration that they were made from."""

from __future__ import annotations

import hashlib
import logging
import math
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from weakref import WeakSet

import numpy as np

from earmark.errors import DataError
from earmark.files import atomic_path, cache_folder, sha256_text, write_bytes
from earmark.storage import as_path, is_remote, is_url, upload
from earmark.types import FloatArray

log = logging.getLogger(__name__)

# A process may open 1024 files by default, and every map keeps one open.
MOST_MAPS = 256


def default_cache() -> Path:
    """Return the folder of the feature cache: ``$EARMARK_CACHE``, else ``earmark`` in the user's cache folder."""
    given = os.environ.get("EARMARK_CACHE", "")
    return as_path(f"{given.rstrip('/')}/features") if is_url(given) else cache_folder() / "features"


_said: set[Path] = set()


def _say_once(folder: Path, reason: str) -> None:
    if folder in _said:
        return
    _said.add(folder)
    log.warning(
        "the feature cache %s cannot be used, so features are made anew each time (%s); set EARMARK_CACHE to a folder "
        "that can be written to",
        folder,
        reason.partition(";")[0],
    )


def open_cache(folder: Path | str | None = None) -> FeatureCache:
    """Return the feature cache in `folder`, or the user's own."""
    return FeatureCache(folder or default_cache())


class FeatureCache:
    """Memory-mapped ``.npy`` files under two-level folders; safe with several writers and after a killed one.

    An entry appears under its name only when it is complete, by renaming, so that readers never wait and two processes
    that compute the same entry both succeed. An entry that is not what was written (truncated, foreign) is made anew.

    Parameters
    ----------
    folder
        Made when missing. Deleting it, or anything in it, is always allowed. One behind a URL is shared by many
        machines; each keeps its own copies in the user's cache folder.

    Examples
    --------
    >>> import tempfile
    >>> cache = FeatureCache(Path(tempfile.mkdtemp()))
    >>> cache.get("a clip, a configuration", lambda: np.ones((1, 2, 3), np.float32)).shape
    (1, 2, 3)
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = as_path(folder)
        self._local = self.folder
        if is_remote(self.folder):
            self._local = cache_folder() / "shared" / sha256_text(str(folder))[:16]
        self._maps: WeakSet[mmap.mmap] = WeakSet()

    def __contains__(self, key: str) -> bool:
        path = self._path(key)
        return self._read(path) is not None or (is_remote(self.folder) and (self.folder / path.name).exists())

    def get(self, key: str, compute: Callable[[], FloatArray]) -> FloatArray:
        """Return the entry under `key`, calling `compute` when it is missing or unusable.

        Parameters
        ----------
        key
            Any text that changes whenever the result would: hash of the content, span, fingerprint of the features.
        compute
            Gives the float32 array.

        Returns
        -------
        ndarray
            float32, read-only, memory-mapped (a copy once `MOST_MAPS` maps are alive).

        Raises
        ------
        DataError
            When `compute` raises it. A folder that cannot be written to is said once, and nothing is kept.
        """
        path = self._path(key)
        entry = self._read(path)
        entry = self._fetched(path) if entry is None else entry
        if entry is not None:
            return entry
        made = np.ascontiguousarray(compute(), np.float32)
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.lib.format.write_array(stream, made, version=(1, 0), allow_pickle=False)
        except DataError as error:
            _say_once(self.folder, str(error))
            return made
        if is_remote(self.folder):
            upload(path, self.folder / path.name)
        entry = self._read(path)
        return made if entry is None else entry

    def _fetched(self, path: Path) -> FloatArray | None:
        """Return the entry that another machine has put in the shared folder; None when there is none."""
        if not is_remote(self.folder):
            return None
        shared = self.folder / path.name
        try:
            data = shared.read_bytes()
        except FileNotFoundError:
            return None
        write_bytes(path, data)
        return self._read(path)

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._local / digest[:2] / digest[2:4] / f"{digest}.npy"

    def _read(self, path: Path) -> FloatArray | None:
        """Return the entry in `path`; None when it is missing or not a whole float32 ``.npy`` file."""
        try:
            with path.open("rb") as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    return None
                shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
                start, whole = stream.tell(), math.prod(shape) * 4
                if fortran_order or dtype != np.float32 or path.stat().st_size != start + whole:
                    return None
                return self._map(stream, start).reshape(shape) if whole else np.empty(shape, np.float32)
        except (OSError, ValueError):
            return None

    def _map(self, stream: BinaryIO, start: int) -> FloatArray:
        """Return the values after byte `start`, mapped, or copied when many maps are alive: each keeps a descriptor."""
        mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(mapping, np.float32, offset=start)
        if len(self._maps) >= MOST_MAPS:
            values = values.copy()
            values.flags.writeable = False
            return values
        self._maps.add(mapping)
        return values
