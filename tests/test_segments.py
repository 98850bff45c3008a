"""The stretches of one answer: the best path, its borders, and what silence and strangeness do to it."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.recognizer import as_dict
from earmark.recognizer.network import WindowScores
from earmark.recognizer.segments import CHANGE_COST, _best_path, segments
from earmark.types import Sound
from tiny import tiny_card, tiny_recognizer, tone


def scored(
    answers: list[int], *, sure: float = 0.98, hop_s: float = 0.5, familiarity: float | list[float] = 1.0
) -> WindowScores:
    """Return windows of 1 s that are `sure` of one of three labels each; -1 is silence."""
    labels = np.array(answers)
    probabilities = np.full((len(labels), 3), (1 - sure) / 2, np.float32)
    probabilities[np.arange(len(labels)), labels] = sure
    starts_s = hop_s * np.arange(len(labels))
    heard = (labels >= 0).astype(np.float32)
    known = np.broadcast_to(np.float32(familiarity), labels.shape).copy()
    return WindowScores(
        starts_s, starts_s + 1, probabilities * heard[:, None], heard, known, np.full(labels.shape, np.inf)
    )


def found(windows: WindowScores) -> list[tuple[float, float, int]]:
    """Return the segments with the label that their windows agree on."""
    return [(start_s, end_s, int(part.mean().argmax())) for start_s, end_s, part in segments(windows)]


def test_a_change_is_found_between_the_middles_of_two_windows():
    assert found(scored([0] * 6 + [2] * 5)) == [(0.0, 3.25, 0), (3.25, 6.0, 2)]


def test_one_doubtful_window_changes_nothing():
    windows = scored([0] * 8)
    windows.probabilities[4] = [0.3, 0.6, 0.1]
    assert found(windows) == [(0.0, 4.5, 0)]


def test_silence_ends_a_segment():
    parts = list(segments(scored([0, 0, 0, -1, -1, 0, 0, 0])))
    assert [part.is_silent for _, _, part in parts] == [False, True, False]
    assert [len(part.weights) for _, _, part in parts] == [3, 2, 3]


def test_what_is_unlike_anything_learned_is_a_segment_of_its_own():
    windows = scored([0] * 9, familiarity=[1, 1, 1, 0.01, 0.01, 0.01, 1, 1, 1])
    assert [round(part.mean_familiarity(), 2) for _, _, part in segments(windows)] == [1, 0.01, 1]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=1, max_size=40), st.floats(0.4, 0.999))
def test_segments_cover_the_sound_and_every_window_once(answers, sure):
    windows = scored(answers, sure=sure)
    spans = list(segments(windows))
    assert (spans[0][0], spans[-1][1]) == (windows.starts_s[0], windows.ends_s[-1])
    assert all(first[1] == second[0] for first, second in pairwise(spans))
    for field in fields(WindowScores):
        whole = np.concatenate([getattr(part, field.name) for _, _, part in spans])
        np.testing.assert_array_equal(whole, getattr(windows, field.name))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_no_path_explains_the_windows_better(seed):
    evidence = np.random.default_rng(seed).normal(scale=2.0, size=(5, 3))

    def worth(path) -> float:
        n_changes = sum(first != second for first, second in pairwise(path))
        return sum(row[label] for row, label in zip(evidence, path, strict=True)) - CHANGE_COST * n_changes

    assert worth(_best_path(evidence)) == pytest.approx(max(map(worth, product(range(3), repeat=5))))


def test_a_prediction_with_a_timeline_has_its_segments(tmp_path):
    recognizer = tiny_recognizer(tmp_path, tiny_card(temperature=0.05))
    silence = np.zeros(3 * 22050, np.float32)
    sound = Sound(np.concatenate([tone(seconds=3), silence, tone(seconds=3, hz=5000)]), 22050)
    assert recognizer.predict(sound).segments is None
    prediction = recognizer.predict(sound, timeline=True)
    assert prediction.segments[0][0] == 0
    assert prediction.segments[-1][1] == 9
    assert "unknown" in {answer.label for _, _, answer in prediction.segments}
    values = as_dict(prediction)["segments"]
    assert [row["start_s"] for row in values] == [round(start_s, 3) for start_s, _, _ in prediction.segments]
    assert set(values[0]) >= {"start_s", "end_s", "label", "confidence"}
