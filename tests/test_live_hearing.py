"""Windows of a stream that are not heard anew: as the same windows would be, or as a network that remembers should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.features import LogMel, Window
from earmark.live import ListenConfig, Listener
from earmark.live.ring import Ring
from earmark.live.streaming import CachedFrames, Frames, Recurrent, WholeWindow
from earmark.models import CrnnConfig
from earmark.recognizer import Recognizer, assemble
from earmark.serve.batching import BatchingSession
from earmark.training.export import export_network
from earmark.types import Sound
from tiny import save_tiny, tiny_card, tone

RATE_HZ = 22_050
CHUNKS = st.lists(st.integers(1, 30_000), min_size=1, max_size=12)
OPEN = ListenConfig(gate_db=-120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("streaming")


def melody(seconds: float) -> np.ndarray:
    """Return tones that change every 0.4 s, with some noise: the decibels of nothing are a matter of rounding."""
    steps = range(int(np.ceil(seconds / 0.4)))
    tones = np.concatenate([tone(seconds=0.4, hz=220 * (1 + step % 7)) for step in steps])
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(tones))
    return (tones + noise).astype(np.float32)[: round(seconds * RATE_HZ)]


def stream(listener: Listener, sound: np.ndarray, sizes: list[int]) -> list:
    ends = np.cumsum(sizes)
    updates = [update for piece in np.split(sound, ends[ends < len(sound)]) for update in listener.feed(piece)]
    return updates + listener.finish()


@pytest.fixture(scope="module")
def patient(folder):
    card = tiny_card(window=Window(length_s=4.2, hop_s=2.1, min_s=1.0), temperature=40.0)
    return Recognizer.load(save_tiny(folder / "patient.onnx", card))


@settings(max_examples=8, deadline=None)
@given(sizes=CHUNKS, seconds=st.sampled_from([0.5, 3.3, 4.2, 7.7]))
def test_frames_that_are_kept_are_those_of_the_window(patient, sizes, seconds):
    sound = melody(seconds)
    listener = Listener(patient, RATE_HZ, config=OPEN)
    assert isinstance(listener._strategy, CachedFrames)
    assert listener._schedule.hop == 10 * 512
    for update in stream(listener, sound, sizes):
        window = sound[round(update.start_s * RATE_HZ) : round(update.end_s * RATE_HZ)]
        expected = patient.score(Sound(window, RATE_HZ)).mean()
        assert update.probabilities == pytest.approx(expected, abs=1e-5)


def test_frames_are_kept_after_silence_and_skipped_windows(patient):
    sound = np.concatenate([melody(5), np.zeros(5 * RATE_HZ, np.float32), melody(5)])
    updates = stream(Listener(patient, RATE_HZ, skip_late=True), sound, [3 * RATE_HZ, RATE_HZ // 2, 6 * RATE_HZ])
    assert any(update.answer.label == "silence" for update in updates)
    for update in updates:
        if update.top:
            window = sound[round(update.start_s * RATE_HZ) : round(update.end_s * RATE_HZ)]
            assert update.probabilities == pytest.approx(patient.score(Sound(window, RATE_HZ)).mean(), abs=1e-5)


def test_windows_that_do_not_fit_the_frames_are_heard_anew(patient):
    assert isinstance(Listener(patient, RATE_HZ, config=ListenConfig(hop_s=0.5))._strategy, WholeWindow)


@pytest.fixture(scope="module")
def follower(folder):
    """Return a causal recognizer of ten bands, and its network."""
    torch.manual_seed(0)
    features = LogMel(n_mels=10, hop_samples=512)
    card = tiny_card(features=features, window=Window(length_s=2.0, hop_s=1.0, min_s=0.5), temperature=0.1)
    network = CrnnConfig(widths=(4, 6), hidden=8).build(n_labels=3, input_shape=(1, 10, 87)).eval()
    path = folder / "follower.onnx"
    path.write_bytes(assemble(export_network(network, features), card).SerializeToString())
    return Recognizer.load(path)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(sizes=CHUNKS, seconds=st.sampled_from([0.3, 0.9, 1.9]))
def test_a_network_that_remembers_answers_as_to_the_whole(follower, sizes, seconds):
    sound = melody(seconds)
    listener = Listener(follower, RATE_HZ, config=OPEN)
    assert isinstance(listener._strategy, Recurrent)
    offline = follower.advance(follower.card.features(sound), follower.network.start)[0]
    assert stream(listener, sound, sizes)[-1].probabilities == pytest.approx(offline, abs=1e-5)
    if seconds >= follower.card.window.min_s:
        assert offline == pytest.approx(follower.score(Sound(sound, RATE_HZ)).mean(), abs=1e-5)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(sizes=CHUNKS)
def test_what_is_remembered_does_not_depend_on_chunks(follower, sizes):
    sound = np.concatenate([melody(3), np.zeros(3 * RATE_HZ, np.float32), melody(2)])
    whole, pieces = (stream(Listener(follower, RATE_HZ), sound, chunks) for chunks in ([], sizes))
    assert [update.end_s for update in pieces] == [update.end_s for update in whole]
    assert any(not update.top for update in whole)
    for update, same in zip(pieces, whole, strict=True):
        assert update.probabilities == pytest.approx(same.probabilities, abs=1e-5)


@pytest.mark.slow
def test_nothing_is_remembered_after_a_silence(follower):
    sound, features = melody(3), follower.card.features
    ring = Ring(len(sound))
    ring.extend(sound)
    onwards = Recurrent(follower, ring, features, length=2 * RATE_HZ)
    onwards.score(0, RATE_HZ, is_last=False)
    onwards.reset(RATE_HZ)
    first, last = (Frames(features, ring).n_final(end) for end in (RATE_HZ, 2 * RATE_HZ))
    expected = follower.advance(features(sound)[..., first:last], follower.network.start)[0]
    assert onwards.score(0, 2 * RATE_HZ, is_last=False).mean() == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_a_stream_goes_through_a_batching_session_alone(follower):
    batching = BatchingSession(follower.network.session)
    sound = melody(1.9)
    shared = Listener(Recognizer(batching, follower.card), RATE_HZ, config=OPEN)
    own = Listener(follower, RATE_HZ, config=OPEN)
    for update, same in zip(stream(shared, sound, [9999]), stream(own, sound, [5000]), strict=True):
        assert update.probabilities == pytest.approx(same.probabilities, abs=1e-6)
    batching.close()
