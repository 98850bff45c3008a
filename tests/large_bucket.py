"""S3 as its client sees it, of a bucket with very many keys: pages of a listing made when they are asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

ROOT = "s3://large/tracks"
N_IN_A_FOLDER = 1000
_PAGE = 1000
_AGE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def answers(n_folders: int, *, n_in_a_folder: int = N_IN_A_FOLDER, denied: int | None = None) -> Callable[..., Any]:
    """Return what stands for ``S3FileSystem._call_s3``; one folder may be denied."""

    async def call(self: Any, method: str, *_: Any, Prefix: str = "", ContinuationToken: str = "0", **__: Any) -> Any:  # noqa: N803
        if method != "list_objects_v2":
            raise FileNotFoundError(method)
        first = int(ContinuationToken)
        folder = Prefix.removeprefix("tracks/").rstrip("/")
        n = n_in_a_folder if folder else n_folders
        if folder and int(folder) == denied:
            raise PermissionError("Access Denied")
        last = min(n, first + _PAGE)
        page: dict[str, Any] = {"IsTruncated": last < n, "NextContinuationToken": str(last)}
        if not folder:
            return {**page, "CommonPrefixes": [{"Prefix": f"tracks/{number:06d}/"} for number in range(first, last)]}
        begin = int(folder) * n_in_a_folder
        return {**page, "Contents": [_entry(f"{Prefix}{begin + number:07d}.mp3") for number in range(first, last)]}

    return call


def stand_in(n_folders: int, *, n_in_a_folder: int = N_IN_A_FOLDER) -> None:
    """Let the client of this process get its answers here, for good."""
    import s3fs

    s3fs.S3FileSystem._call_s3 = answers(n_folders, n_in_a_folder=n_in_a_folder)


def _entry(key: str) -> dict[str, Any]:
    """Return a key with what S3 says of it."""
    return {
        "Key": key,
        "LastModified": _AGE,
        "ETag": f'"{hash(key):032x}"',
        "Size": 160_000,
        "StorageClass": "STANDARD",
    }
