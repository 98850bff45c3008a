"""The feature cache: several writers, killed writers, spoilt entries, thousands of maps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from earmark.features import FeatureCache
from earmark.features.cache import MOST_MAPS

WRITER = """
import sys
import numpy as np
from earmark.features.cache import FeatureCache
cache = FeatureCache(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for round in range(int(sys.argv[2])):
    for key in range(20):
        entry = cache.get(f"{round} {key}", lambda: np.full((1, 64, 100), key, np.float32))
        assert (entry == key).all()
"""


def writer(folder: Path, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(rounds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def never() -> np.ndarray:
    raise AssertionError("computed again")


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/??/*.npy"))


def test_computes_once_and_reads_back(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    made = np.random.default_rng(0).random((2, 3, 5), dtype=np.float32)
    np.testing.assert_array_equal(cache.get("a", lambda: made), made)
    again = FeatureCache(tmp_path / "cache").get("a", never)
    np.testing.assert_array_equal(again, made)
    assert again.dtype == np.float32
    assert not again.flags.writeable
    np.testing.assert_array_equal(cache.get("b", lambda: made + 1), made + 1)


@pytest.mark.parametrize("shape", [(0, 4), (1,)])
def test_odd_shapes(tmp_path, shape):
    cache = FeatureCache(tmp_path)
    cache.get("a", lambda: np.ones(shape, np.float32))
    assert cache.get("a", never).shape == shape


def test_a_failure_leaves_nothing_behind(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(AssertionError, match="computed again"):
        cache.get("a", never)
    assert not any(tmp_path.rglob("*"))


@pytest.mark.parametrize("keep", [0, 5, 60, 200, -1])
def test_a_truncated_entry_is_made_anew(tmp_path, keep):
    cache = FeatureCache(tmp_path)
    made = np.arange(100, dtype=np.float32)
    cache.get("a", lambda: made)
    (path,) = entries(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    np.testing.assert_array_equal(cache.get("a", lambda: made), made)
    np.testing.assert_array_equal(cache.get("a", never), made)


@pytest.mark.parametrize("content", [b"not an array at all, but long enough to look at" * 9, None])
def test_a_foreign_entry_is_made_anew(tmp_path, content):
    cache = FeatureCache(tmp_path)
    cache.get("a", lambda: np.zeros(3, np.float32))
    (path,) = entries(tmp_path)
    if content is None:
        np.save(path, np.zeros(3))  # the wrong type
    else:
        path.write_bytes(content)
    np.testing.assert_array_equal(cache.get("a", lambda: np.ones(3, np.float32)), 1)


def test_thousands_of_entries_may_be_held(tmp_path):
    cache = FeatureCache(tmp_path)
    held = [cache.get(str(key), lambda key=key: np.full(4, key, np.float32)) for key in range(1500)]
    assert [entry[0] for entry in held] == list(range(1500))
    if Path("/proc/self/fd").is_dir():
        assert len(list(Path("/proc/self/fd").iterdir())) < MOST_MAPS + 200


def test_writers_of_the_same_keys_do_not_disturb_each_other(tmp_path):
    processes = [writer(tmp_path, 5) for _ in range(3)]
    for process in processes:
        start(process)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(entries(tmp_path)) == 100
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_writer_leaves_a_usable_cache(tmp_path):
    process = writer(tmp_path, 100_000)
    start(process)
    deadline = time.monotonic() + 30
    while len(entries(tmp_path)) < 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    whole = entries(tmp_path)
    assert len(whole) >= 50
    cache = FeatureCache(tmp_path)
    for key in range(20):
        np.testing.assert_array_equal(
            cache.get(f"0 {key}", lambda key=key: np.full((1, 64, 100), key, np.float32)), np.float32(key)
        )
    for path in whole:
        assert np.load(path).shape == (1, 64, 100)


def test_a_folder_that_cannot_be_written_is_gone_without(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    array = FeatureCache(tmp_path / "file").get("a", lambda: np.ones(3, np.float32))
    np.testing.assert_array_equal(array, np.ones(3))
    assert "set EARMARK_CACHE" in caplog.text
