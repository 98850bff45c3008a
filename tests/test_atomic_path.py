"""Files are written whole or not at all, whoever else writes them and whoever was killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from earmark.errors import DataError
from earmark.files import atomic_path, write_bytes


def _die_while_writing(path):
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def _fail_while_writing(path, error):
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("name", ["a.csv", "n" * 200 + ".png"])
def test_what_a_killed_writer_left_is_written_over(tmp_path, name):
    path = tmp_path / name
    for _ in range(3):
        process = multiprocessing.get_context("spawn").Process(target=_die_while_writing, args=(path,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not path.exists()
        assert len(list(tmp_path.iterdir())) == 1
    write_bytes(path, b"whole")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, b"whole")]


def test_two_who_write_at_once_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as first, atomic_path(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        assert first != second
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_again_and_again_by_many_is_always_whole(tmp_path):
    path = tmp_path / "a.bin"
    whole = [bytes([number]) * 50_000 for number in range(8)]

    def write(number):
        for _ in range(60):
            write_bytes(path, whole[number])
            assert path.read_bytes() in whole

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "a.txt"
    write_bytes(path, b"before")
    for error, raised, sentence in (
        (ZeroDivisionError("by zero"), ZeroDivisionError, "by zero"),
        (OSError(28, "No space left on device"), DataError, "No space left on device"),
    ):
        with pytest.raises(raised, match=sentence):
            _fail_while_writing(path, error)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])


def test_without_locks_names_are_random(tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.files.fcntl", None)
    with atomic_path(tmp_path / "a") as first:
        first.write_bytes(b"1")
    with atomic_path(tmp_path / "a") as second:
        second.write_bytes(b"2")
    assert first != second
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"2"]
