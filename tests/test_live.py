from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import cli
from earmark.errors import ConfigError, ModelError, UnreadableError, UsageError
from earmark.features import Window
from earmark.live import DenoiseConfig, FileSource, ListenConfig, Listener
from earmark.live.answering import SteadyRejection
from earmark.live.listener import level_db
from earmark.live.ring import Ring
from earmark.live.smoother import AnswerSmoother
from earmark.recognizer import Recognizer, Rejection
from earmark.types import Answer, Sound
from tiny import LABELS, save_tiny, tiny_card, tone

RATE_HZ = 22050
HOP = ("--hop-s", "0.2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("live") / "tiny.onnx", tiny_card(temperature=40.0))


@pytest.fixture(scope="module")
def recognizer(model):
    return Recognizer.load(model)


def melody(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return tones that change every 0.4 s."""
    steps = range(int(np.ceil(seconds / 0.4)))
    tones = [tone(seconds=0.4, rate_hz=rate_hz, hz=220 * (1 + step % 7)) for step in steps]
    return np.concatenate(tones)[: round(seconds * rate_hz)]


def stream(listener: Listener, pieces: list[np.ndarray]) -> list:
    updates = [update for piece in pieces for update in listener.feed(piece)]
    return updates + listener.finish()


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=12),
    rate_hz=st.sampled_from([16_000, 22_050, 44_100, 48_000]),
    seconds=st.sampled_from([0.1, 0.9, 1.0, 1.3, 2.75]),
)
def test_streaming_equals_offline(recognizer, sizes, rate_hz, seconds):
    sound = melody(seconds, rate_hz)
    ends = np.cumsum(sizes)
    updates = stream(
        Listener(recognizer, rate_hz, config=ListenConfig(hop_s=0.5, gate_db=-120, early=False)),
        np.split(sound, ends[ends < len(sound)]),
    )
    offline = recognizer.score(Sound(sound, rate_hz))
    assert [update.start_s for update in updates] == pytest.approx(offline.starts_s)
    assert [update.end_s for update in updates] == pytest.approx(offline.ends_s)
    assert np.array([update.probabilities for update in updates]) == pytest.approx(offline.probabilities, abs=1e-5)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=12))
def test_answers_do_not_depend_on_chunks(recognizer, sizes):
    sound = np.concatenate([melody(2), np.zeros(RATE_HZ * 2, np.float32), melody(1)])
    config = ListenConfig(denoise=DenoiseConfig(noise_s=0.2))
    whole = stream(Listener(recognizer, 44_100, config=config), [sound])
    ends = np.cumsum(sizes)
    pieces = stream(Listener(recognizer, 44_100, config=config), np.split(sound, ends[ends < len(sound)]))
    assert [update.answer.label for update in pieces] == [update.answer.label for update in whole]
    for update, same in zip(pieces, whole, strict=True):
        assert update.probabilities == pytest.approx(same.probabilities, abs=1e-5)
        assert update.answer.confidence == pytest.approx(same.answer.confidence, abs=1e-5)


def test_there_are_four_answers_a_second(recognizer):
    updates = Listener(recognizer, RATE_HZ).feed(melody(3))
    assert [update.end_s for update in updates] == pytest.approx([0.25 + 0.25 * i for i in range(12)], abs=1e-3)
    assert [update.is_partial for update in updates] == [True] * 3 + [False] * 9
    offline = recognizer.score(Sound(melody(3)[: round(0.25 * RATE_HZ)], RATE_HZ))
    assert updates[0].probabilities == pytest.approx(offline.probabilities[0], abs=1e-5)


def test_late_windows_are_skipped_and_counted(recognizer):
    listener = Listener(recognizer, RATE_HZ, skip_late=True)
    updates = listener.feed(melody(3.1), arrived_s=time.monotonic())
    assert [update.end_s for update in updates] == pytest.approx([3.0], abs=1e-3)
    assert listener.n_skipped == 11
    assert 0 < updates[0].latency_s < 60


def test_silence_is_gated_and_starts_anew(recognizer):
    quiet = (1e-4 * np.random.default_rng(0).standard_normal(RATE_HZ * 2)).astype(np.float32)
    heard = np.concatenate([melody(1), quiet, melody(1)])
    updates = Listener(recognizer, RATE_HZ, config=ListenConfig(early=False)).feed(heard)
    labels = [update.answer.label for update in updates]
    assert labels[0] in LABELS
    silent = [update for update in updates if update.answer.label == "silence"]
    assert [update.end_s for update in silent] == pytest.approx([2.0, 2.25, 2.5, 2.75, 3.0], abs=0.001)
    assert all(not update.top and not update.probabilities.any() for update in silent)
    after = updates[labels.index("silence") + 5]
    assert [answer.confidence for answer in after.top] == pytest.approx(sorted(after.probabilities, reverse=True))


def test_hysteresis_keeps_a_label_until_another_is_clearly_better():
    smoother = AnswerSmoother(keep=0.0, margin=0.1, unknown_below=0.3)
    given = [(0.5, 0.4), (0.45, 0.5), (0.4, 0.55), (0.5, 0.45), (0.25, 0.22), (0.1, 0.15), (0.28, 0.25), (0.35, 0.2)]
    followed = [smoother.update(np.float32(row))[0] for row in given]
    assert followed == [0, 0, 1, 1, 1, None, None, 0]
    smoother.reset()
    assert smoother.update(np.float32([0.2, 0.9]))[0] == 1


def test_smoothing_is_exponential():
    smoother = AnswerSmoother(keep=0.75, margin=0.0, unknown_below=0.0)
    smoother.update(np.float32([1, 0]))
    assert smoother.update(np.float32([0, 1]))[1] == pytest.approx([0.75, 0.25])


def test_a_rejection_does_not_flicker():
    steady = SteadyRejection(Rejection(min_familiarity=0.5), margin=0.1)

    def is_rejected(familiarity):
        return steady.reason(Answer("A4", familiarity, {}), familiarity=familiarity, salience=0.0) is not None

    assert [is_rejected(each) for each in (0.48, 0.52, 0.48, 0.46, 0.44, 0.48)] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert not is_rejected(0.6)
    steady.reset()
    assert is_rejected(0.48)
    assert SteadyRejection(None, margin=0.1).reason(Answer("A4", 0.1, {}), familiarity=0, salience=0) is None


@settings(deadline=None)
@given(capacity=st.integers(1, 20), sizes=st.lists(st.integers(0, 50), max_size=10))
def test_a_ring_holds_the_latest(capacity, sizes):
    ring, n = Ring(capacity), sum(sizes)
    samples = np.arange(n, dtype=np.float32)
    for piece in np.split(samples, np.cumsum(sizes)):
        ring.extend(piece)
    assert ring.end == n
    np.testing.assert_array_equal(ring.between(ring.start, n), samples[max(0, n - capacity) :])
    with pytest.raises(UsageError, match="the ring holds"):
        ring.between(ring.start, n + 1)


def test_levels():
    assert level_db(np.ones(10, np.float32)) == 0
    assert level_db(np.zeros(10, np.float32)) == level_db(np.zeros(0, np.float32)) == -120


def test_a_recognizer_of_drawings_does_not_listen(tmp_path):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"))
    with pytest.raises(ModelError, match="reads drawings"):
        Listener(Recognizer.load(save_tiny(tmp_path / "eyes.onnx", card)), RATE_HZ)


def test_a_short_window_and_a_long_hop(tmp_path):
    card = tiny_card(window=Window(length_s=0.1, hop_s=0.1, min_s=0.1))
    listener = Listener(Recognizer.load(save_tiny(tmp_path / "a.onnx", card)), RATE_HZ, config=ListenConfig(hop_s=0.5))
    assert [update.start_s for update in listener.feed(melody(1.2))] == pytest.approx([0, 0.5, 1.0])


def test_a_file_is_a_source(tmp_path):
    sound = melody(0.3)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, sound], axis=1), RATE_HZ, "FLOAT")
    source = FileSource(tmp_path / "a.wav", chunk_s=0.02)
    began_s = time.monotonic()
    chunks = list(source.chunks())
    assert (source.sample_rate_hz, source.n_dropped, len(chunks)) == (RATE_HZ, 0, 15)
    np.testing.assert_array_equal(np.concatenate([chunk.samples for chunk in chunks]), sound)
    # Real time: no chunk comes before its last sample would have been played.
    assert all(chunk.arrived_s - began_s >= 0.02 * (i + 1) - 1e-3 for i, chunk in enumerate(chunks[:-1]))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        FileSource(tmp_path / "no.wav")


@pytest.fixture
def listen(capsys, model):
    def listen(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main(["listen", "--model", str(model), *map(str, arguments)])
        output = capsys.readouterr()
        return stop.value.code, output.out, output.err

    return listen


def test_json_has_a_line_an_update(listen, recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", melody(3), RATE_HZ)
    code, out, err = listen(
        "--input", tmp_path / "a.wav", "--fast", "--json", "--save", tmp_path / "b.flac", "--seconds", "2", *HOP
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["end_s"] for row in rows] == [0.25, 0.45, 0.65, 0.85, 1, 1.2, 1.4, 1.6, 1.8, 2]
    assert {row["label"] for row in rows} <= {*LABELS, "unknown"}
    assert {"n_dropped", "n_skipped", "latency_ms", "level_db", "top"} <= set(rows[0])
    assert "10 answers" in err
    assert "0 buffers dropped, 0 windows skipped" in err
    assert soundfile.info(tmp_path / "b.flac").frames == 2 * RATE_HZ


def test_lines_and_noise(listen, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([melody(1.5), np.zeros(RATE_HZ * 62)]), RATE_HZ)
    soundfile.write(tmp_path / "noise.wav", 0.01 * np.random.default_rng(0).standard_normal(RATE_HZ), RATE_HZ)
    code, out, err = listen("--input", tmp_path / "a.wav", "--fast", "--noise", tmp_path / "noise.wav", "--hop-s", 1)
    assert code == 0
    assert out.splitlines()[-1].split() == ["63.50", "s", "-120.0", "dB", "silence"]
    assert err.count("only silence for a minute") == 1
    assert re.search(r"noise removal took \d+\.\d dB away", err)


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--fast"], 2, "--fast is for files"),
        (["--input", "no.wav"], 1, "no such file"),
        (["--input", "no.wav", "--hop-s", "0"], 2, "hop_s"),
        (["--input", "no.wav", "--model", "nothing"], 1, "no recognizer called"),
    ],
)
def test_wrong_calls(listen, arguments, code, match):
    given_code, out, err = listen(*arguments)
    assert (given_code, out) == (code, "")
    assert match in err


def test_what_cannot_be_saved_is_said_before_listening(listen, tmp_path):
    soundfile.write(tmp_path / "a.wav", melody(1), RATE_HZ)
    code, out, err = listen("--input", tmp_path / "a.wav", "--fast", "--save", tmp_path / "b.mp3")
    assert (code, out) == (2, "")
    assert "written as" in err


def test_a_stream_that_breaks_keeps_what_was_heard(listen, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", melody(2), RATE_HZ)
    chunks = FileSource.chunks

    def interrupted(self):
        for index, chunk in enumerate(chunks(self)):
            if index == 25:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(FileSource, "chunks", interrupted)
    code, out, err = listen("--input", tmp_path / "a.wav", "--fast", "--save", tmp_path / "b.wav")
    assert (code, len(out.splitlines())) == (0, 5)
    assert "heard 1.2 s" in err
    assert "all of it: " in err
    assert soundfile.info(tmp_path / "b.wav").duration == pytest.approx(1.25, abs=0.01)


def test_a_stream_too_short_for_an_answer_is_kept_all_the_same(listen, tmp_path):
    soundfile.write(tmp_path / "a.wav", melody(0.02), RATE_HZ)
    code, out, err = listen("--input", tmp_path / "a.wav", "--fast", "--save", tmp_path / "b.wav")
    assert (code, out) == (1, "")
    assert "lasts 0.02 s" in err
    assert soundfile.info(tmp_path / "b.wav").frames == 441


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="gate_db"):
        ListenConfig.parse({"gate_db": 5}, where="test")
