"""Scores of multi-label answers: those of scikit-learn, intervals over groups, thresholds, and a whole training."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from earmark.errors import DataError
from earmark.evaluation import Outcome, compare, read_outcome, score, write_outcome, write_report
from earmark.evaluation.multi_label import choose_thresholds, fit_decision_temperature, ranking
from earmark.evaluation.outcome import logits_of, pool
from earmark.recognizer import Recognizer
from earmark.runs.compare import compare_runs, write_comparison
from earmark.runs.pipeline import cross_validate, train
from earmark.training import load_recipe

LABELS = ("a", "b", "c", "never")
RATE_HZ = 16000


def made_up(n=120, *, seed=0, noise=1.0, thresholds=()):
    """Return answers that are right more often than not, of groups of three."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 4)) < [0.5, 0.3, 0.1, 0.0]).astype(np.int64)
    logits = (3.0 * truth - 2 + noise * rng.normal(size=truth.shape)).astype(np.float32)
    names = tuple(f"{i}.wav" for i in range(n))
    return Outcome(
        labels=LABELS,
        logits=logits,
        truth=truth,
        groups=np.array([f"g{i // 3}" for i in range(n)]),
        tracks=np.array(names),
        inputs=names,
        thresholds=thresholds,
    )


class TestScores:
    def test_they_are_those_of_scikit_learn(self):
        outcome = made_up()
        truth, claimed = outcome.truth[:, :3], outcome.probabilities[:, :3]
        scores = score(outcome, protocol="p", n_resamples=200)
        found = scores.multi_label
        assert found.mean_average_precision == pytest.approx(average_precision_score(truth, claimed, average="macro"))
        assert found.roc_auc == pytest.approx(roc_auc_score(truth, claimed, average="macro"))
        assert found.micro_f1 == pytest.approx(f1_score(outcome.truth, outcome.answers, average="micro"))
        assert found.n_labels == 3
        assert scores.accuracy == (outcome.truth == outcome.answers).all(axis=1).mean()
        for row, f1 in zip(scores.per_class, f1_score(truth, outcome.answers[:, :3], average=None), strict=False):
            assert row.f1 == pytest.approx(f1)
            assert row.f1_interval[0] <= row.f1 <= row.f1_interval[1]
        low, high = found.mean_average_precision_interval
        assert low < found.mean_average_precision < high
        assert scores.per_class[3].average_precision is None
        assert "over 3 labels of 120 examples of 40 groups" in scores.sentence
        assert scores.from_json(scores.to_json()) == scores

    def test_resampled_ranking_equals_scikit_learn_with_weights(self):
        rng = np.random.default_rng(3)
        truth, claimed = rng.integers(0, 2, 60), rng.integers(0, 12, 60) / 12  # with ties
        counts = np.concatenate([np.ones((1, 60)), rng.integers(0, 3, (5, 60))]).astype(np.float64)
        precisions, areas = ranking(truth, claimed, counts)
        for row, weights in enumerate(counts):
            assert precisions[row] == pytest.approx(average_precision_score(truth, claimed, sample_weight=weights))
            assert areas[row] == pytest.approx(roc_auc_score(truth, claimed, sample_weight=weights))

    def test_a_resample_without_a_label_says_nothing(self):
        precisions, areas = ranking(np.array([1, 0]), np.array([0.9, 0.1]), np.array([[0.0, 2.0]]))
        assert np.isnan(precisions).all()
        assert np.isnan(areas).all()

    def test_groups_make_intervals_wider(self):
        outcome = made_up()
        repeated = Outcome.concatenate([outcome] * 4)
        apart = score(repeated, protocol="p", n_resamples=300).multi_label.mean_average_precision_interval
        alone = np.array([f"{i}" for i in range(repeated.n)])
        single = Outcome(**{name: getattr(repeated, name) for name in repeated.__slots__} | {"groups": alone})
        close = score(single, protocol="p", n_resamples=300).multi_label.mean_average_precision_interval
        assert apart[1] - apart[0] > 1.3 * (close[1] - close[0])

    def test_no_label_that_can_be_ranked(self):
        outcome = Outcome.from_logits(np.zeros((3, 2)), np.ones((3, 2)), labels=("a", "b"))
        scores = score(outcome, protocol="p")
        assert scores.multi_label is None
        assert scores.accuracy == 1

    def test_truth_of_another_shape(self):
        with pytest.raises(DataError, match=r"the truth of 3 examples is of shape \(3, 4\); need \(3, 2\)"):
            Outcome.from_logits(np.zeros((3, 2)), np.ones((3, 4)), labels=("a", "b"))

    def test_two_runs_are_compared_by_the_f1_of_examples(self):
        better, worse = made_up(noise=0.3), made_up(noise=3.0)
        found = compare(better, worse)
        assert found.difference == pytest.approx(better.credit.mean() - worse.credit.mean())
        assert found.interval[0] > 0
        assert compare(better, better).difference == 0

    def test_outcomes_survive_storage(self, tmp_path):
        outcome = made_up(thresholds=(0.1, 0.2, 0.3, 0.4))
        write_outcome(tmp_path / "o.npz", outcome)
        back = read_outcome(tmp_path / "o.npz")
        assert back.thresholds == outcome.thresholds
        np.testing.assert_array_equal(back.answers, outcome.answers)

    def test_the_report_has_a_table_of_labels_and_no_confusion(self, tmp_path):
        outcome = made_up(thresholds=(0.4,) * 4)
        write_report(tmp_path / "r.html", title="tags", scores=score(outcome, protocol="p"), outcome=outcome)
        page = (tmp_path / "r.html").read_text()
        assert "Mean average precision" in page
        assert "What it confuses" not in page
        assert "Given from" in page


class TestCalibration:
    def test_the_temperature_is_found(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(0, 2, (4000, 3))
        truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64)
        assert fit_decision_temperature((3 * logits).astype(np.float32), truth) == pytest.approx(3, rel=0.1)
        with pytest.raises(DataError, match=r"at least one row of finite logits"):
            fit_decision_temperature(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))

    def test_thresholds_have_the_best_f1(self):
        outcome = made_up(noise=1.5)
        chosen = choose_thresholds(outcome.probabilities, outcome.truth)
        for place in range(3):
            truth, claimed = outcome.truth[:, place], outcome.probabilities[:, place]
            best = max(f1_score(truth, claimed >= least) for least in np.unique(claimed))
            assert f1_score(truth, claimed >= chosen[place]) == pytest.approx(best)
        assert chosen[3] == 0.5

    def test_equal_probabilities_are_given_together(self):
        (threshold,) = choose_thresholds(np.array([[0.9], [0.5], [0.5], [0.1]]), np.array([[1], [1], [0], [0]]))
        assert 0.1 < threshold <= 0.5 or 0.5 < threshold <= 0.9

    def test_windows_are_pooled_as_sigmoids(self):
        logits = logits_of([[0.2, 0.8], [0.4, 0.2]], target="multi-label")
        pooled = pool(logits, [0, 0], target="multi-label")
        np.testing.assert_allclose(1 / (1 + np.exp(-pooled)), [[0.3, 0.5]], rtol=1e-5)


def sound(labels, rng):
    """Return 1.5 s in which a low tone, a high tone and clicks sound at once, as labelled."""
    t = np.arange(round(1.5 * RATE_HZ)) / RATE_HZ
    parts = {
        "low": 0.3 * np.sin(2 * np.pi * 110 * 2 ** rng.uniform(-0.2, 0.2) * t),
        "high": 0.2 * np.sin(2 * np.pi * 1760 * 2 ** rng.uniform(-0.2, 0.2) * t),
        "clicks": 0.5 * (rng.random(len(t)) < 0.002),
    }
    return sum((parts[label] for label in labels), rng.normal(0, 0.002, len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A manifest of sounds with one to three labels."""
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    rows = [("path", "label", "group")]
    for number in range(48):
        labels = [label for label in ("low", "high", "clicks") if rng.random() < 0.5] or ["low"]
        soundfile.write(folder / f"{number}.wav", sound(labels, rng), RATE_HZ)
        rows.append((f"{number}.wav", ";".join(labels), f"take {number // 2}"))
    with (folder / "tags.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder / "tags.csv"


def recipe(**training):
    base = load_recipe("sound-tags", overrides=["window.length_s=1.0", "window.hop_s=0.5"])
    return base.model_copy(update={"training": base.training.model_copy(update={"min_steps": 150, **training})})


@pytest.mark.slow
def test_a_tagger_of_ones_own(sounds, tmp_path, run):
    made = train(recipe(), data=sounds, out=tmp_path / "one", cache=tmp_path / "cache")
    assert made.scores.multi_label.mean_average_precision > 0.9
    recognizer = Recognizer.load(made.model)
    assert recognizer.card.is_multi_label
    assert recognizer.card.scores[0].mean_average_precision == made.scores.mean_average_precision
    rng = np.random.default_rng(9)
    answer = recognizer.predict(sound(["low", "clicks"], rng), sample_rate_hz=RATE_HZ)
    assert {each.label for each in answer.labels} == {"low", "clicks"}

    code, out, _ = run("evaluate", made.model, "--data", sounds, "--split", "test")
    assert code == 0
    assert "Mean average precision" in out
    assert "best F1" in out
    train(recipe(seed=1, min_steps=20, epochs=2), data=sounds, out=tmp_path / "two", cache=tmp_path / "cache")
    entries = compare_runs([tmp_path / "one", tmp_path / "two"])
    write_comparison(tmp_path / "c.html", entries)
    assert "Mean average precision" in (tmp_path / "c.html").read_text()
    _, out, _ = run("compare", tmp_path / "one", tmp_path / "two")
    assert "mAP" in out


@pytest.mark.slow
def test_cross_validation_chooses_thresholds_on_all_folds(sounds, tmp_path):
    asked = recipe(min_steps=60, epochs=5)
    asked = asked.model_copy(update={"split": asked.split.model_copy(update={"folds": 3})})
    made = cross_validate(asked, data=sounds, out=tmp_path / "run", cache=tmp_path / "cache")
    card = Recognizer.load(made.model).card
    assert made.scores.n == 48
    assert card.thresholds == read_outcome(tmp_path / "run" / "outcome.npz").thresholds
