"""Rejection: the out-of-distribution detector, its thresholds, and the sources of out-of-distribution inputs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import ConfigError, DataError, ModelError, UnknownNameError
from earmark.evaluation import Outcome, read_outcome
from earmark.recognizer import Recognizer
from earmark.rejection.detector import Detector, LogisticDetector, export_detector
from earmark.rejection.fit import add_rejection, min_confidence_for, rejection_config_of
from earmark.rejection.fit_detector import DetectorTrainer, log_odds, min_familiarity_for
from earmark.rejection.sources import OodSource, ood_sources
from earmark.rejection.windows import REAL, Windows
from earmark.runs.pipeline import train
from earmark.training import Recipe
from earmark.training.recipe import RejectionConfig
from earmark.training.rejection_config import DetectorConfig
from earmark.types import Ink, Sound
from test_training import SMALL, homus  # noqa: F401 - a fixture
from tiny import save_tiny, tiny_card, tone

QUICK = RejectionConfig(
    n_examples=96,
    n_validation=48,
    epochs=6,
    batch_size=32,
    learning_rate=0.01,
    kinds=("scribble", "spiral", "cyrillic"),
)
SMALL_DETECTOR = DetectorConfig(widths=(4, 8), hidden=8)


def detector_of(config=SMALL_DETECTOR, *, n_rows=20):
    torch.manual_seed(0)
    return Detector(
        config, normalize="peak", floor_db=80.0, n_channels=1, n_rows=n_rows, n_labels=3, n_embedding=6
    ).eval()


def taken(n=4, *, width=30, n_rows=20):
    rng = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, *shape, generator=rng) * 20 for shape in ((1, n_rows, width), (3,), (6,)))


@pytest.mark.parametrize(
    "config", [SMALL_DETECTOR, DetectorConfig(embedding=False, logits=False, levels=255, stem_stride=4)]
)
def test_the_file_says_the_same_as_the_detector_whatever_the_length(config):
    import onnxruntime

    detector = detector_of(config)
    session = onnxruntime.InferenceSession(export_detector(detector, taken(2)).SerializeToString())
    for n, width in ((1, 30), (5, 47), (2, 9)):
        inputs = taken(n, width=width)
        feed = dict(zip(("features", "logits", "embedding"), (tensor.numpy() for tensor in inputs), strict=True))
        with torch.no_grad():
            expected = detector(*inputs).sigmoid().numpy()
        (familiarity,) = session.run(["familiarity"], feed)
        np.testing.assert_allclose(familiarity, expected, atol=1e-5)


def test_a_detector_is_small_and_ignores_loudness_and_numbers_below_the_picture():
    assert (
        sum(
            parameter.numel()
            for parameter in Detector(
                DetectorConfig(),
                normalize="peak",
                floor_db=80.0,
                n_channels=1,
                n_rows=293,
                n_labels=88,
                n_embedding=704,
            ).parameters()
        )
        < 300_000
    )
    detector, (features, logits, embedding) = detector_of(), taken()
    with torch.no_grad():
        odds = detector(features, logits, embedding)
        louder = detector(features + 30, logits, embedding)
        beside = detector(torch.cat([features, torch.ones(4, 1, 7, 30)], dim=2), logits, embedding)
    assert torch.allclose(odds, louder, atol=1e-4)
    assert torch.equal(odds, beside)


def windows(n=120, *, seed=0):
    """Real windows are bright above, out-of-distribution ones of two kinds below or everywhere."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 4 - 2
    kinds[kinds < 0] = REAL
    pictures = rng.normal(-60, 5, (n, 1, 20, 30)).astype(np.float32)
    pictures[kinds == REAL, :, 10:] += 40
    pictures[kinds == 0, :, :10] += 40
    return Windows(
        pictures, rng.normal(size=(n, 3)).astype(np.float32), rng.normal(size=(n, 6)).astype(np.float32), kinds
    )


def trainer(**changes):
    recipe = Recipe.parse(
        {
            "name": "x",
            "features": {"kind": "log-mel", "n_mels": 20},
            "model": {"kind": "cnn", "normalize": "peak"},
            "window": {"length_s": 1, "hop_s": 1, "min_s": 1},
        },
        where="test",
    )
    given = {"detector": SMALL_DETECTOR, **changes}
    settings = RejectionConfig(epochs=6, batch_size=16, learning_rate=0.01, **given)
    sources = [OodSource(kind, family, lambda rng: Sound(rng, 1)) for kind, family in (("a", "x"), ("b", "y"))]
    return DetectorTrainer(
        tiny_card(),
        recipe,
        settings,
        train=[windows()],
        validation=[windows(seed=1)],
        sources=sources,
        progress=lambda *_: None,
    )


def test_a_detector_learns_and_its_familiarity_is_calibrated():
    learned = trainer(prior=0.5)
    detector = learned.fit()
    real = learned.real_familiarity(detector)
    assert np.median(real) > 0.95
    usual = trainer(prior=0.9)
    assert np.median(usual.real_familiarity(usual.fit())) > np.median(real)
    again = learned.fit()
    assert all(
        torch.equal(a, b) for a, b in zip(detector.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_families_are_left_out_together():
    scores = trainer().measure()
    assert [score.kind for score in scores] == ["a", "b"]
    assert all(0 <= score.rejected <= 1 and score.n == 60 for score in scores)
    assert scores[0].auroc > 0.9


def embedded(n=400, *, seed=0):
    """Windows that only the first two numbers of an embedding tell apart; the last number is dead but for rounding."""
    rng = np.random.default_rng(seed)
    given = windows(n, seed=seed)
    embedding = rng.normal(size=(n, 6)).astype(np.float32)
    embedding[given.kinds == 0, 0] -= 4
    embedding[given.kinds == 1, 1] -= 2
    embedding[:, 5] = 3e-7 * np.arange(n) / n
    return Windows(given.pictures, given.logits, embedding, given.kinds)


def test_a_logistic_detector_learns_from_the_embedding_alone_and_leaves_dead_numbers():
    learned = dataclasses.replace(
        trainer(detector={"kind": "logistic"}), train=[embedded()], validation=[embedded(seed=1)]
    )
    detector = learned.fit()
    odds, kinds = log_odds(detector, learned.validation)
    assert np.mean(odds[kinds == REAL, None] > odds[kinds == 0]) > 0.9
    weight = detector.head.weight[0].abs()
    assert weight[5] < 1e-3 * weight[0]
    assert torch.equal(learned.fit().head.weight, detector.head.weight)


def test_a_family_that_counts_more_is_rejected_more():
    def gap(**changes):
        learned = dataclasses.replace(
            trainer(detector={"kind": "logistic"}, **changes), train=[embedded()], validation=[embedded(seed=1)]
        )
        odds, kinds = log_odds(learned.fit(), learned.validation)
        real, *foreign = (odds[kinds == kind].mean() for kind in (REAL, 0, 1))
        return (real - foreign[1]) / (real - foreign[0])

    assert gap(family_weights={"y": 10.0}) > gap() > gap(family_weights={"y": 0.1})


def test_the_file_says_the_same_as_a_logistic_detector():
    import onnxruntime

    torch.manual_seed(0)
    detector = LogisticDetector(6)
    detector.learn_scales(torch.randn(50, 6))
    session = onnxruntime.InferenceSession(export_detector(detector.eval(), taken(2)).SerializeToString())
    inputs = taken(5, width=47)
    feed = dict(zip(("features", "logits", "embedding"), (tensor.numpy() for tensor in inputs), strict=True))
    with torch.no_grad():
        expected = detector(*inputs).sigmoid().numpy()
    np.testing.assert_allclose(session.run(["familiarity"], feed)[0], expected, atol=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 0.99))
def test_the_threshold_declines_no_more_real_ones_than_allowed(familiarity, share):
    real = np.array(familiarity)
    least = min_familiarity_for(real, RejectionConfig(max_false_rejections=share, prior=0.9))
    assert least <= 0.9
    assert (real < least).sum() <= share * len(real)


@given(st.lists(st.tuples(st.floats(0.34, 0.99), st.booleans()), min_size=1, max_size=60), st.floats(0.1, 1.0))
def test_the_least_confidence_reaches_the_precision_or_says_that_it_cannot(answers, precision):
    logits = [[np.log(sure), np.log((1 - sure) / 2), np.log((1 - sure) / 2)] for sure, _ in answers]
    outcome = Outcome.from_logits(logits, [0 if right else 1 for _, right in answers], labels=("a", "b", "c"))
    least = min_confidence_for(outcome, precision)
    given_, confidence = outcome.confidence >= least, outcome.confidence
    reachable = max(outcome.correct[confidence >= value].mean() for value in confidence)
    assert outcome.correct[given_].mean() >= min(precision, reachable) - 1e-12
    more = confidence[confidence < least]
    assert all(outcome.correct[confidence >= value].mean() < precision for value in more)


@pytest.fixture(scope="module")
def run_folder(homus, tmp_path_factory):  # noqa: F811
    recipe = {**SMALL, "training": {**SMALL["training"], "epochs": 12}, "rejection": QUICK.model_dump(mode="json")}
    folder = tmp_path_factory.mktemp("guarded")
    run = train(Recipe.parse(recipe, where="test"), data=homus, out=folder / "run", cache=folder / "cache")
    return run.folder


def test_a_recipe_that_says_so_adds_rejection(run_folder, homus):  # noqa: F811
    recognizer = Recognizer.load(run_folder / "model.onnx")
    rejection = recognizer.card.rejection
    validation, outcome = (read_outcome(run_folder / f"{name}.npz") for name in ("validation", "outcome"))
    assert not set(validation.groups) & set(outcome.groups)
    assert rejection.min_confidence == min_confidence_for(validation, QUICK.precision)
    scores = json.loads((run_folder / "scores.json").read_text())
    assert scores["selective"]["n"] == (outcome.confidence >= rejection.min_confidence).sum()
    assert (rejection.n_real, rejection.n_groups) == (outcome.n, len(set(outcome.groups)))
    assert rejection.ood_kinds == QUICK.kinds
    assert (rejection.precision, rejection.ood_scores) == (QUICK.precision, ())
    assert 0 < rejection.min_familiarity <= QUICK.prior
    assert rejection.n_real > 0
    kinds = ood_sources(recognizer.card)
    rng = np.random.default_rng(1)
    foreign = [
        recognizer.predict(kinds[kind].make(rng)).confidence for kind in (*QUICK.kinds, "zigzag") for _ in range(9)
    ]
    real = [recognizer.predict(path).confidence for path in sorted(homus.rglob("*.txt"))[::3]]
    assert np.mean([each > other for each in real for other in foreign]) > 0.9


def test_a_finished_file_is_given_rejection_by_a_command(run_folder, homus, run, tmp_path):  # noqa: F811
    before = Recognizer.load(run_folder / "model.onnx")
    code, out, _ = run(
        "guard",
        run_folder,
        "--data",
        homus,
        "-o",
        tmp_path / "new.onnx",
        "--outcome",
        run_folder / "validation.npz",
        "--set",
        "kinds=['star']",
        "--set",
        "epochs=1",
        "--set",
        "n_examples=16",
        "--set",
        "n_validation=16",
    )
    assert code == 0
    assert "star" in out
    after = Recognizer.load(tmp_path / "new.onnx")
    rasters = np.random.default_rng(0).random((3, *before.card.features.shape)).astype(np.float32)
    outputs = [r.network.run(["logits", "embedding"], features=rasters) for r in (before, after)]
    for old, new in zip(*outputs, strict=True):
        np.testing.assert_array_equal(new, old)
    assert after.card.rejection.ood_kinds == ("star",)
    assert after.card.model_copy(update={"rejection": None}) == before.card.model_copy(update={"rejection": None})


def test_what_a_file_has_not_learned_is_scored_for_want_of_an_outcome(run_folder, homus, tmp_path):  # noqa: F811
    quick = QUICK.model_copy(update={"n_examples": 16, "n_validation": 16, "epochs": 1})
    options = {"settings": quick, "cache": tmp_path / "cache"}
    scored = add_rejection(run_folder, homus, out=tmp_path / "a.onnx", **options)
    outcome = read_outcome(run_folder / "validation.npz")
    given_ = add_rejection(run_folder, homus, out=tmp_path / "b.onnx", outcome=outcome, **options)
    assert scored == given_
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_changes_of_how(run_folder):
    for name in ("detector", "gate"):
        changed = rejection_config_of(run_folder, overrides=[f"{name}.hidden=16"])
        assert (changed.detector.hidden, changed.n_examples) == (16, QUICK.n_examples)
    with pytest.raises(ConfigError, match=r"\[rejection\]: unknown key 'epoch' \(did you mean 'epochs'\?\)"):
        rejection_config_of(run_folder, overrides=["epoch=3"])


def test_recognizers_that_cannot_be_given_rejection(tmp_path):
    path = save_tiny(tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="its card holds no recipe to learn by; train it again"):
        rejection_config_of(path)


def test_kinds_and_folders_that_are_not_there(tmp_path):
    card = tiny_card()
    with pytest.raises(
        UnknownNameError, match=r"no kind of out-of-distribution input called 'rian'.*did you mean 'rain'"
    ):
        ood_sources(card, kinds=("rian",))
    with pytest.raises(DataError, match=r"holds no file that 'tiny' reads \(.*\.wav"):
        ood_sources(card, folders=(tmp_path / "nowhere",))
    (tmp_path / "rain").mkdir()
    with pytest.raises(DataError, match="already a kind of out-of-distribution input called 'rain'; rename it"):
        ood_sources(card, folders=(tmp_path / "rain",))


def test_foreign_sounds_have_the_length_and_rate_of_the_recognizer(tmp_path):
    card = tiny_card()
    (tmp_path / "talk").mkdir()
    soundfile.write(tmp_path / "talk" / "long.wav", tone(seconds=5, rate_hz=8000), 8000)
    soundfile.write(tmp_path / "talk" / "short.wav", tone(seconds=0.3, rate_hz=8000), 8000)
    notes = ood_sources(card, folders=(tmp_path / "talk",), real=lambda _, __: Sound(tone(), 22050))
    assert "real-chord" in notes
    assert "real-chord" not in ood_sources(card)
    assert "chord" not in ood_sources(tiny_card(task="genre"))
    for kind in ("rain", "chord", "real-chord"):
        sound = notes[kind].make(np.random.default_rng(0))
        assert (len(sound.samples), sound.sample_rate_hz, sound.samples.dtype) == (22050, 22050, np.float32)
    lengths = {len(notes["talk"].make(np.random.default_rng(seed)).samples) for seed in range(9)}
    assert lengths == {8000, 2400}


def test_foreign_drawings_are_ink():
    kinds = ood_sources(tiny_card("ink-raster"))
    assert isinstance(kinds["spiral"].make(np.random.default_rng(0)), Ink)
