"""A listening session ends well, whatever ends it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from earmark.errors import DataError
from earmark.live import Chunk, SessionStats, run_session
from earmark.types import Answer

RATE_HZ = 8000


class Source:
    """Gives three chunks of 0.1 s, then ends as it is told to."""

    sample_rate_hz, name, n_dropped = RATE_HZ, "a test", 0

    def __init__(self, end: BaseException | None = None) -> None:
        self.end = end

    def chunks(self):
        for number in range(3):
            yield Chunk(np.full(800, number / 10, np.float32), arrived_s=0.0)
        if self.end is not None:
            raise self.end


class Listener:
    """Answers with the number of samples of each chunk, and at the end with "last"."""

    def feed(self, samples, *, arrived_s):
        return [len(samples)]

    def finish(self):
        return ["last"]


def session(tmp_path, end=None, **options):
    updates = []
    run_session(Source(end), Listener(), on_updates=updates.extend, save=tmp_path / "heard.wav", **options)
    return updates


def test_all_chunks_and_the_last_answers(tmp_path):
    assert session(tmp_path) == [800, 800, 800, "last"]
    assert len(soundfile.read(tmp_path / "heard.wav")[0]) == 2400


def test_it_stops_in_time_and_on_ctrl_c(tmp_path):
    assert session(tmp_path, seconds=0.15) == [800, 400, "last"]
    assert len(soundfile.read(tmp_path / "heard.wav")[0]) == 1200
    assert session(tmp_path, KeyboardInterrupt()) == [800, 800, 800, "last"]


def test_a_source_that_fails_is_answered_and_saved_first(tmp_path):
    updates = []
    with pytest.raises(DataError, match="unplugged"):
        run_session(Source(DataError("unplugged")), Listener(), on_updates=updates.extend, save=tmp_path / "heard.wav")
    assert updates == [800, 800, 800, "last"]
    assert len(soundfile.read(tmp_path / "heard.wav")[0]) == 2400


def test_statistics():
    stats = SessionStats()
    assert stats.latency_s is None
    heard = Answer("A4", 0.8, {})
    for end_s, latency_s, top in ((1.0, 0.5, ()), (2.0, 0.1, (heard,)), (61.9, None, ()), (62.0, 0.2, ())):
        stats.add(SimpleNamespace(end_s=end_s, latency_s=latency_s, top=top, answer=heard))
    assert stats.whole == ("A4", 0.8)
    assert (stats.n_updates, stats.latency_s) == (4, (0.2, 0.5))
    assert [stats.is_muted(61.9), stats.is_muted(62.0)] == [False, True]
    assert stats.elapsed_s > 0
    assert stats.cpu_share >= 0
