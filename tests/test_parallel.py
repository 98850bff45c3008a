"""A map over processes: order, one thread each, items that kill their process, and an early stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing import resource_tracker, util

import pytest

from earmark.errors import DataError
from earmark.parallel import THREAD_COUNTS, map_processes


def square(n: int, *, deadly: tuple[int, ...] = ()) -> int:
    if n in deadly:
        os._exit(1)
    return n * n


def threads(_: int) -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in THREAD_COUNTS)


def sleep(n: int) -> int:
    time.sleep(n)
    return os.getpid()


def refuse(n: int) -> int:
    raise DataError(f"{n} is bad")


@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (2, 1), (2, 3)])
def test_every_item_is_done_once(workers, chunk):
    found = list(map_processes(square, range(3, 14), workers=workers, chunk=chunk))
    assert sorted(found) == [(i, (3 + i) ** 2) for i in range(11)]


def test_one_item_needs_no_process():
    assert list(map_processes(sleep, [0], workers=4)) == [(0, os.getpid())]
    assert list(map_processes(sleep, [], workers=4)) == []


def test_each_process_has_one_thread_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv(THREAD_COUNTS[0], "7")
    monkeypatch.delenv(THREAD_COUNTS[1], raising=False)
    for _, found in map_processes(threads, range(2), workers=2):
        assert found == ("1",) * len(THREAD_COUNTS)
    assert os.environ[THREAD_COUNTS[0]] == "7"
    assert THREAD_COUNTS[1] not in os.environ


def test_an_item_that_kills_its_process_is_named_and_the_rest_is_done():
    deadly = partial(square, deadly=(4, 25))
    found = dict(map_processes(deadly, range(30), workers=2, chunk=2, survive_crashes=lambda n: -n))
    assert found == {n: -n if n in (4, 25) else n * n for n in range(30)}


def test_a_death_is_one_sentence_where_nothing_can_stand_for_the_result():
    with pytest.raises(DataError, match=r"a worker process died, perhaps for want of memory; .* fewer --workers"):
        list(map_processes(partial(square, deadly=(0,)), range(3), workers=2))


def test_an_error_ends_the_map_and_its_processes():
    with pytest.raises(DataError, match="is bad"):
        list(map_processes(refuse, range(8), workers=2))
    assert_no_children()


def test_who_stops_early_does_not_wait_for_what_is_under_way():
    results = map_processes(sleep, [0, 60, 60], workers=2)
    assert next(results)[0] == 0
    results.close()
    assert_no_children()


@pytest.mark.skipif(sys.platform == "win32", reason="sends the interruption of a terminal to a group of processes")
def test_an_interruption_while_a_process_starts_is_one_line():
    # What runs in the background of a script has been told to ignore the interruption.
    command = ["env", "--default-signal=INT", sys.executable, __file__]
    done = subprocess.run(command, start_new_session=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "interrupted\n")


def assert_no_children() -> None:
    ends_s = time.monotonic() + 20
    while multiprocessing.active_children():
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def main() -> None:
    """Map in processes, and be interrupted with all of them when each is there but has not been told what to do."""
    start = util.spawnv_passfds

    def interrupted(*arguments: object) -> int:
        process = start(*arguments)
        os.killpg(0, signal.SIGINT)
        time.sleep(0.05)
        return process

    # As a numerical library has one, which takes the signal when the thread of the map does not.
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    # Not the process that keeps track of shared memory, which is started with the pool.
    resource_tracker.ensure_running()
    util.spawnv_passfds = interrupted
    try:
        list(map_processes(square, range(8), workers=2))
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
