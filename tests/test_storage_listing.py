"""Listings of storage: in order, without a gap, and with one folder in memory at a time."""

from __future__ import annotations

import tracemalloc
from collections import deque

import pytest
import s3fs

from earmark.distributed.predict import list_inputs
from earmark.errors import UnreadableError
from earmark.listing import files_under
from earmark.storage import as_path, file_system
from large_bucket import ROOT, answers


@pytest.fixture
def bucket(monkeypatch):
    """Let S3 have as many folders of 1,000 sounds as are asked for; return the function to ask."""

    def fill(n_folders, **faults):
        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", answers(n_folders, **faults))
        file_system(as_path(ROOT)).invalidate_cache()

    yield fill
    file_system(as_path(ROOT)).invalidate_cache()


def test_a_large_bucket_is_listed_whole_and_in_order(bucket):
    bucket(3)
    found = list(list_inputs([ROOT], frozenset({".mp3"})))
    assert len(found) == 3000
    assert found == sorted(found)
    assert (found[0], found[-1]) == (f"{ROOT}/000000/0000000.mp3", f"{ROOT}/000002/0002999.mp3")


def test_a_folder_that_cannot_be_listed_is_not_left_out(bucket):
    bucket(3, denied=1)
    found = files_under(ROOT)
    assert [path.name for _, path in zip(range(1000), found, strict=False)][-1] == "0000999.mp3"
    with pytest.raises(UnreadableError, match=rf"^{ROOT}/000001: cannot be read .* lack the right"):
        next(found)


def test_the_memory_of_a_listing_does_not_grow_with_the_number_of_folders(bucket):
    bucket(60)
    names = list_inputs([ROOT], frozenset({".mp3"}))
    deque(zip(range(20_000), names, strict=False), maxlen=0)
    tracemalloc.start()
    try:
        n = sum(1 for _ in names)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n == 40_000
    # Kept listings would be some 20 MB.
    assert kept < 2e6
    assert len(file_system(as_path(ROOT)).dircache) < 12


def test_storage_is_listed_as_a_local_folder(tmp_path):
    there = as_path("memory://listed")
    for root in (tmp_path, there):
        for name in ("b/2.wav", "b/1.wav", "a/1.wav", "3.wav", ".hidden/1.wav", "b/.DS_Store", "a.b/1.wav"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"")
    here = [path.relative_to(tmp_path).as_posix() for path in files_under(tmp_path)]
    assert [str(path).removeprefix("memory://listed/") for path in files_under(there)] == here
