"""Figures against scikit-learn computed independently, and against sums done by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from earmark import extras
from earmark.data import Split
from earmark.errors import ConfigError, DataError, MissingExtraError, ModelError
from earmark.evaluation import (
    Outcome,
    Scores,
    accuracy_interval,
    compare,
    describe_protocol,
    fit_temperature,
    logits_of,
    read_outcome,
    reliability,
    score,
    wilson,
    write_outcome,
)
from tiny import KEY_NAMES

GENRES = ("blues", "disco", "jazz", "metal", "pop", "rock", "never")


def made_up(n=300, *, labels=GENRES, n_groups=20, strength=2.0, seed=0, n_tracks=None):
    """Noisy logits; the last label never occurs."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(labels) - 1, n)
    logits = random.normal(size=(n, len(labels)))
    logits[np.arange(n), truth] += strength
    tracks = None
    if n_tracks is not None:
        row = np.arange(n) % n_tracks
        truth, tracks = truth[row], [f"track{i}" for i in row]
    return Outcome.from_logits(
        logits, truth, labels=labels, groups=[f"artist{i % n_groups}" for i in range(n)], tracks=tracks
    )


@pytest.fixture(scope="module")
def outcome():
    return made_up()


@pytest.fixture(scope="module")
def scores(outcome):
    return score(outcome, protocol="grouped 70/15/15 seed 0, test part", seeds=(0,))


def test_figures_agree_with_scikit_learn(outcome, scores):
    truth, answers = outcome.truth, outcome.logits.argmax(axis=1)
    shares = np.exp(outcome.logits.astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    every = range(len(GENRES))

    assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, answers))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, answers))
    for name, figure in (("precision", scores.macro_precision), ("recall", scores.macro_recall)):
        by_hand = getattr(metrics, f"{name}_score")(truth, answers, average="macro", zero_division=0)
        assert figure == pytest.approx(by_hand)
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(truth, answers, average="macro"))
    assert scores.nll == pytest.approx(metrics.log_loss(truth, shares, labels=every))
    assert scores.top_k[3] == pytest.approx(metrics.top_k_accuracy_score(truth, shares, k=3, labels=every))
    np.testing.assert_array_equal(scores.confusion, metrics.confusion_matrix(truth, answers, labels=every))


def test_figures_worked_out_by_hand():
    # Truth a a a b b, answers a a b b a: a has 2 of 3, b has 1 of 2.
    logits = logits_of([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.55, 0.45]])
    result = score(Outcome.from_logits(logits, [0, 0, 0, 1, 1], labels=("a", "b")), protocol="by hand")
    first, second = result.per_class

    assert result.accuracy == pytest.approx(3 / 5)
    assert result.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result.majority_accuracy == pytest.approx(3 / 5)
    assert result.confusion == ((2, 1), (1, 1))
    assert (first.precision, first.recall, first.support) == pytest.approx((2 / 3, 2 / 3, 3))
    assert (second.confused_with, second.n_confused) == ("a", 1)
    assert result.nll == pytest.approx(-np.log([0.8, 0.6, 0.1, 0.7, 0.45]).mean(), rel=1e-6)
    assert result.top_k == {}


def test_calibration_error_worked_out_by_hand():
    # Two answers at 0.95, one right: gap 0.45; three at 0.5, all right: gap 0.5. Weighted: 0.4*0.45 + 0.6*0.5.
    bins = reliability([0.95, 0.95, 0.5, 0.5, 0.5], [True, False, True, True, True])

    assert bins.error == pytest.approx(0.4 * 0.45 + 0.6 * 0.5)
    assert len(bins.n) == 15
    assert bins.n.sum() == 5


def test_a_bin_holds_its_upper_edge():
    # Guo et al. 2017 define the bins as (low, high].
    bins = reliability([0.25, 0.2500001, 0.0, 1.0], [True] * 4, n_bins=4)
    assert bins.n.tolist() == [2, 1, 0, 1]


def test_temperature_undoes_overconfidence():
    random = np.random.default_rng(3)
    honest = random.normal(size=(4000, 6)) * 1.5
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(6, p=row) for row in shares])
    boastful = 2.5 * honest

    temperature = fit_temperature(boastful, truth)
    before = Outcome.from_logits(boastful, truth, labels=GENRES[:6])
    scores = score(before.calibrated(temperature), protocol="synthetic", n_resamples=50)

    assert temperature == pytest.approx(2.5, rel=0.08)
    assert scores.accuracy == before.correct.mean()
    assert scores.ece_uncalibrated == pytest.approx(score(before, protocol="x", n_resamples=50).ece)
    assert scores.ece < 0.03
    assert scores.ece_uncalibrated > 0.1
    assert scores.nll < scores.nll_uncalibrated


def test_temperature_of_windows_suits_their_mean():
    # Three windows an example, each 2.5 times too sure; the answer is their mean.
    random = np.random.default_rng(4)
    honest = random.normal(size=(900, 3, 5))
    shares = np.exp(honest) / np.exp(honest).sum(axis=2, keepdims=True)
    truth = np.array([random.choice(5, p=row) for row in shares.mean(axis=1)])
    windows = (2.5 * honest).reshape(-1, 5)
    row = np.repeat(np.arange(900), 3)
    assert fit_temperature(windows, truth, row=row) == pytest.approx(2.5, rel=0.15)
    once = np.tile([1.0, 0.0, 0.0], 900)
    assert fit_temperature(windows, truth, row=row, weights=once) == pytest.approx(
        fit_temperature(windows[::3], truth), rel=1e-3
    )


def test_temperature_needs_numbers():
    with pytest.raises(DataError, match="finite logits; give"):
        fit_temperature(np.full((2, 2), np.nan), [0, 1])


@pytest.mark.parametrize("n_groups", [6, 40])
def test_interval_covers_the_truth_about_as_often_as_it_says(n_groups):
    # The accuracy of each group is drawn around 0.8, so examples of one group resemble each other.
    random = np.random.default_rng(11)
    n_trials, size = 250, 25
    groups = np.repeat(np.arange(n_groups), size)
    covered = 0
    for _ in range(n_trials):
        share = np.repeat(random.beta(8, 2, n_groups), size)
        (low, high), basis = accuracy_interval(random.random(n_groups * size) < share, groups, n_resamples=500)
        covered += low <= 0.8 <= high
        assert basis == "groups"
    # Three standard errors of a share of 250 are 4 points; resampling examples instead would cover some 70 %.
    assert 0.90 <= covered / n_trials <= 0.99


def test_interval_by_groups_is_wider_than_by_examples():
    right = np.repeat([True, True, False, True], 50)
    groups = np.repeat(["a", "b", "c", "d"], 50)
    (low, high), _ = accuracy_interval(right, groups)
    (low_each, high_each), _ = accuracy_interval(right, np.arange(200))
    assert high - low > 3 * (high_each - low_each)


def test_interval_is_the_same_for_the_same_seed(outcome):
    first = accuracy_interval(outcome.correct, outcome.groups, seed=4)
    assert first == accuracy_interval(outcome.correct, outcome.groups, seed=4)
    assert first != accuracy_interval(outcome.correct, outcome.groups, seed=5)


def test_one_group_is_said_to_be_one():
    result = score(made_up(n_groups=1), protocol="p")
    low, high = result.accuracy_interval
    assert result.interval_basis == "examples"
    assert low < result.accuracy < high
    assert "with one group, nothing is known about others" in result.sentence


def test_all_right_is_not_certain():
    # Wilson's interval against scipy's.
    result = score(Outcome.from_logits(np.eye(4) * 9, range(4), labels=tuple("abcd")), protocol="p")
    expected = binomtest(4, 4).proportion_ci(method="wilson")
    assert result.interval_basis == "wilson"
    assert result.accuracy_interval == pytest.approx((expected.low, expected.high))
    assert wilson(7, 9) == pytest.approx(tuple(binomtest(7, 9).proportion_ci(method="wilson")))


def test_recordings_are_scored_by_their_mean_probability():
    # The pieces say 0.9, 0.4 and 0.4 for "a": two of three are wrong, the mean 0.567 is right.
    logits = logits_of([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.2, 0.8]])
    clips = Outcome.from_logits(
        logits, [0, 0, 0, 1], labels=("a", "b"), groups=["g", "g", "g", "h"], tracks=["t", "t", "t", "u"]
    )
    tracks = clips.by_track()
    result = score(clips, protocol="p")

    np.testing.assert_allclose(tracks.probabilities, [[1.7 / 3, 1.3 / 3], [0.2, 0.8]], rtol=1e-6)
    assert tracks.groups.tolist() == ["g", "h"]
    assert result.accuracy == pytest.approx(0.5)
    assert (result.per_track.accuracy, result.per_track.n) == (1.0, 2)
    assert score(tracks, protocol="p", clips=clips).per_clip.accuracy == pytest.approx(0.5)


def test_pieces_of_one_recording_have_one_label():
    clips = Outcome.from_logits(np.eye(2), [0, 1], labels=("a", "b"), tracks=["t", "t"])
    with pytest.raises(DataError, match="pieces of 't' have different labels"):
        clips.by_track()
    # Spans of one recording may be of several labels; there is no score by recording then.
    assert score(clips, protocol="p").per_track is None


def test_wrong_octaves_and_near_misses_are_told_apart():
    keys = KEY_NAMES
    # A4 is taken for A4, A5, A#4 and C2.
    answers = [keys.index(name) for name in ("A4", "A5", "A#4", "C2")]
    logits = np.eye(88)[answers] * 9
    pitch = score(Outcome.from_logits(logits, [keys.index("A4")] * 4, labels=keys), protocol="p").pitch
    assert (pitch.octave_error_rate, pitch.within_one_semitone) == (0.25, 0.5)


def test_labels_that_are_not_notes_have_no_pitch(scores):
    assert scores.pitch is None


def test_json_round_trip_and_keys(scores):
    values = json.loads(scores.to_json())
    asked = (
        "accuracy accuracy_interval n n_groups balanced_accuracy macro_precision macro_recall macro_f1 top_k ece nll"
    )
    assert {*asked.split(), "per_class", "confusion", "labels", "protocol", "seeds"} <= set(values)
    assert values["top_k"].keys() == {"3", "5"}
    assert Scores.from_json(scores.to_json()) == scores
    with pytest.raises(DataError, match="not JSON"):
        Scores.from_json("accuracy: 1")
    with pytest.raises(ConfigError, match="acuracy"):
        Scores.from_json(json.dumps({**values, "acuracy": 1}))


def test_the_sentence_says_what_was_measured(scores):
    low, high = scores.accuracy_interval
    assert scores.sentence == (
        f"{100 * scores.accuracy:.1f} % of 300 examples of 20 groups are right (95 % interval {100 * low:.1f}–"
        f"{100 * high:.1f} %, by resampling the groups). Protocol: grouped 70/15/15 seed 0, test part; seed 0."
    )


def test_failures_are_listed_and_not_counted(outcome):
    result = score(replace(outcome, failures=(("bad.wav", "bad.wav: empty"),)), protocol="p")
    assert (result.n, result.n_failed, result.failures[0].input) == (300, 1, "bad.wav")
    assert "1 more could not be read" in result.sentence


def test_nothing_to_score():
    empty = Outcome.from_logits(np.zeros((0, 2)), [], labels=("a", "b"))
    with pytest.raises(DataError, match="no examples to score"):
        score(empty, protocol="p")


def test_outcomes_refuse_what_does_not_fit():
    with pytest.raises(DataError, match=r"need \(2, 2\)"):
        Outcome.from_logits(np.zeros((2, 3)), [0, 1], labels=("a", "b"))
    with pytest.raises(DataError, match="indices 0…1"):
        Outcome.from_logits(np.zeros((1, 2)), [2], labels=("a", "b"))
    with pytest.raises(ModelError, match="not finite"):
        Outcome.from_logits([[np.nan, 0.0]], [0], labels=("a", "b"))


def test_comparison_agrees_with_an_exact_sign_test():
    better, worse = made_up(strength=2.5), made_up(strength=1.5, seed=0)
    comparison = compare(better, worse)
    only_better = int((better.correct & ~worse.correct).sum())
    only_worse = int((~better.correct & worse.correct).sum())

    assert (comparison.only_first, comparison.only_second) == (only_better, only_worse)
    assert comparison.p_value == pytest.approx(binomtest(only_better, only_better + only_worse).pvalue)
    assert comparison.difference == pytest.approx(better.correct.mean() - worse.correct.mean())
    assert 0 < comparison.interval[0] < comparison.difference < comparison.interval[1]
    assert "not chance" in comparison.sentence


def test_comparison_of_a_recognizer_with_itself(outcome):
    comparison = compare(outcome, outcome)
    assert (comparison.difference, comparison.interval, comparison.p_value) == (0.0, (0.0, 0.0), 1.0)
    assert "may be chance" in comparison.sentence


def test_comparison_pairs_by_input(outcome):
    order = np.random.default_rng(0).permutation(outcome.n)
    shuffled = Outcome.from_logits(
        outcome.logits[order],
        outcome.truth[order],
        labels=GENRES,
        groups=outcome.groups[order],
        inputs=[outcome.inputs[row] for row in order],
    )
    assert compare(outcome, shuffled).only_first == 0
    with pytest.raises(DataError, match="not the same ones"):
        compare(outcome, made_up(n=299))
    with pytest.raises(DataError, match="different truths"):
        compare(outcome, made_up(seed=1))


def test_outcomes_are_kept_in_files(tmp_path, outcome):
    kept = replace(outcome.calibrated(2.0), failures=(("ü.wav", "ü.wav: empty"),))
    write_outcome(tmp_path / "outcome.npz", kept)
    again = read_outcome(tmp_path / "outcome.npz")
    assert (again.labels, again.inputs, again.failures) == (kept.labels, kept.inputs, kept.failures)
    for name in ("logits", "truth", "groups", "tracks", "logits_uncalibrated"):
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))


def test_an_outcome_without_a_temperature_is_kept_too(tmp_path, outcome):
    write_outcome(tmp_path / "outcome.npz", outcome)
    again = read_outcome(tmp_path / "outcome.npz")
    assert again.logits_uncalibrated is None
    assert again.failures == ()


def test_files_that_are_not_outcomes_are_refused(tmp_path):
    path = tmp_path / "outcome.npz"
    with pytest.raises(DataError, match="no such file"):
        read_outcome(path)
    np.savez(path, X=np.zeros(3))
    with pytest.raises(DataError, match="not the outcome of an evaluation"):
        read_outcome(path)
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="not the outcome of an evaluation"):
        read_outcome(path)
    np.savez(path, labels=np.array([object()]))
    with pytest.raises(DataError, match="not the outcome of an evaluation"):
        read_outcome(path)


def test_protocols_in_words():
    split = Split(folds=5, fold=1)
    assert describe_protocol(split.description, "test") == "grouped, fold 2 of 5, seed 0, test part"
    leaking = Split(protocol="random", seed=3)
    assert describe_protocol(leaking.description, "test") == "random 70/15/15, seed 3, test part (groups on both sides)"
    assert describe_protocol(None, "valid", source="pianos") == "validation part of pianos"


def test_scoring_without_scikit_learn_says_how_to_get_it(monkeypatch, outcome):
    monkeypatch.setattr(extras, "installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"earmark\[train\]"):
        score(outcome, protocol="p")


def test_importing_evaluation_is_light():
    code = "import sys, earmark.evaluation; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "sklearn", "matplotlib", "jinja2", "PIL"} & {*done.stdout.split()}


def test_a_temperature_is_not_certain_of_a_hundred_right_answers():
    logits = np.tile([4.0, 0.0, 0.0], (100, 1))
    temperature = fit_temperature(logits, np.zeros(100, dtype=np.int64))
    confidence = 1 / (1 + 2 * np.exp(-4 / temperature))
    assert 1 - confidence == pytest.approx(1 / 102, rel=1e-3)
