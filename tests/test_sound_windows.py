"""Windows over sounds: streamed equals offline, and the memory stays flat."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import sound
from earmark.errors import UsageError
from earmark.features.window import Window, iter_windows, sound_windows
from earmark.types import Sound


@given(
    n=st.integers(1, 300),
    length=st.integers(1, 80),
    hop=st.integers(1, 80),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=30),
)
@settings(deadline=None, max_examples=300)
def test_pieces_of_any_size_give_the_windows_of_the_whole(n, length, hop, cuts):
    hop = min(hop, length)
    samples = np.arange(n, dtype=np.float32)
    edges = [edge for edge in np.cumsum(cuts) if edge < n]
    cut = list(iter_windows(np.split(samples, edges), length=length, hop=hop))
    starts = Window(length_s=length, hop_s=hop, min_s=1).starts(n, length=length, hop=hop)
    assert [start for start, _ in cut] == list(starts)
    for start, window in cut:
        np.testing.assert_array_equal(window, samples[start : start + length])


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 22_050), (48_000, 22_050), (8_000, 16_000), (22_050, 22_050)])
def test_streamed_windows_equal_the_whole_sound(tmp_path, from_hz, to_hz):
    rng = np.random.default_rng(0)
    path = tmp_path / "long.wav"
    soundfile.write(path, 0.1 * rng.standard_normal((from_hz * 20 + 17, 2)), from_hz)
    whole = sound.read(path, sample_rate_hz=to_hz)
    found = list(sound_windows(path, length_s=3.0, hop_s=1.3, sample_rate_hz=to_hz))
    in_memory = list(sound_windows(sound.read(path), length_s=3.0, hop_s=1.3, sample_rate_hz=to_hz))
    assert len(found) == len(in_memory) == 15
    for (start_s, samples), (same_start_s, same) in zip(found, in_memory, strict=True):
        start = round(start_s * to_hz)
        assert start_s == same_start_s
        np.testing.assert_allclose(samples, whole.samples[start : start + len(samples)], atol=1e-6)
        np.testing.assert_allclose(samples, same, atol=1e-6)
    start_s, samples = found[-1]
    assert round(start_s * to_hz) + len(samples) == len(whole.samples)


def test_a_short_sound_is_one_short_window():
    samples = np.ones(500, np.float32)
    ((start_s, window),) = sound_windows(Sound(samples, 1_000), length_s=3, hop_s=1, sample_rate_hz=1_000)
    assert start_s == 0
    np.testing.assert_array_equal(window, samples)


def test_the_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for minutes in (1, 4):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", samplerate=44_100, channels=2) as file:
            for _ in range(minutes * 60):
                file.write(np.zeros((44_100, 2), np.int16))
        tracemalloc.start()
        n = sum(1 for _ in sound_windows(path, length_s=3, hop_s=3, sample_rate_hz=22_050))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert n == minutes * 20
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 8_000_000  # the four minutes are 42 MB as mono float32 at 44.1 kHz


def test_windows_of_no_length_are_refused():
    with pytest.raises(UsageError, match="must be at least one sample"):
        sound_windows(Sound(np.zeros(9, np.float32), 8_000), length_s=1e-6, hop_s=1, sample_rate_hz=8_000)


def test_windows_of_bytes():
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(16_000), 8_000, format="WAV")
    assert [start for start, _ in sound_windows(stream.getvalue(), length_s=1, hop_s=0.5, sample_rate_hz=8_000)] == [
        0.0,
        0.5,
        1.0,
    ]
