from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

import earmark
from earmark.data import SPLITS, Example, Manifest, Split, apply_split, read_manifest
from earmark.data.facts import published_split
from earmark.evaluation import training_overlap
from earmark.evaluation.overlap import LEAK
from earmark.recognizer import DataSummary, Recognizer
from earmark.recognizer.provenance import HashSet, hash_set
from tiny import LABELS, save_tiny, tiny_card, tone

GENRE = {"split": {"protocol": "gtzan/fault-filtered"}}
TRACKS = published_split("gtzan/fault-filtered")


def manifest(*examples: Example, name: str = "made up") -> Manifest:
    return Manifest(examples=examples, domain="sound", root=Path(), name=name)


def example(path: str, group: str = "", **fields) -> Example:
    return Example(path=path, label="A4", group=group, sha256=fields.pop("sha256", f"sha of {path}"), **fields)


def trained_on(*examples: Example):
    """Return a card of format 2 of a recognizer that was trained on `examples`."""
    data = manifest(*(replace(each, split="train") for each in examples))
    return tiny_card(data=DataSummary.of(data))


def counts(card, *scored: Example, **options) -> tuple[int, int, int]:
    overlap = training_overlap(card, manifest(*scored), **options)
    assert overlap.n == len(scored)
    return overlap.n_learned, overlap.n_groups_learned, overlap.n_same_source


def test_the_same_content_under_another_name_is_found():
    card = trained_on(example("a.wav"), example("b.wav"))
    assert counts(card, example("copy.wav", sha256="sha of a.wav"), example("new.wav")) == (1, 0, 0)


def test_excerpts_of_one_file_are_one_recording():
    whole, first, second = (example("a.wav", start_s=start_s) for start_s in (None, 0.0, 3.0))
    assert counts(trained_on(whole), first) == (1, 0, 0)
    assert counts(trained_on(first), second) == (1, 0, 0)
    assert counts(trained_on(first), whole) == (1, 0, 0)
    assert counts(trained_on(first), example("b.wav", start_s=0.0)) == (0, 0, 0)


def test_a_track_and_a_group_are_found_within_their_data_set():
    card = trained_on(example("a.wav", "Nina", track="7", source="mine"))
    assert counts(card, example("b.wav", "Nina", track="7", source="mine")) == (1, 0, 0)
    assert counts(card, example("b.wav", "Nina", track="8", source="mine")) == (0, 1, 0)
    assert counts(card, example("b.wav", "Nina", track="7", source="yours")) == (0, 0, 0)
    assert counts(card, example("b.wav", source="mine")) == (0, 0, 0)


def test_a_protocol_that_names_the_leak_only_counts_contents():
    card = trained_on(example("a.wav", "Nina", track="7"))
    protocol = f"random 70/15/15, seed 0, test part{LEAK}"
    assert counts(card, example("b.wav", "Nina", track="7"), example("a.wav", "Nina"), protocol=protocol) == (1, 0, 0)


@pytest.mark.parametrize(
    "shape", ["{genre}.{number}.3.png", "images/{genre}{number}.png", "zip.zip::x/{genre}.{number}.au"]
)
def test_a_copy_of_gtzan_in_any_format_is_found_by_its_names(shape):
    data = tiny_card().data.model_copy(update={"learned": ("train", "valid")})
    card = tiny_card(data=data, recipe=GENRE, format_version=1)
    files = {part: [track for track, of in TRACKS.items() if of == part] for part in SPLITS}

    def named(track: str) -> Example:
        genre, number = track.split(".")
        return example(shape.format(genre=genre, number=number))

    learned = [named(track) for part in ("train", "valid") for track in files[part]]
    assert counts(card, *learned) == (len(learned), 0, 0)
    unlearned = [named(track) for track in files["test"]]
    n_learned, n_groups, _ = counts(card, *unlearned)
    assert (n_learned, n_groups < len(unlearned) / 3) == (0, True)
    assert counts(card, example("rock/my song 00012.wav"), example("pop.00112.wav")) == (0, 0, 0)


def test_a_file_of_format_1_knows_its_own_data_and_no_more():
    examples = [example(f"{k}.wav", f"group {k // 2}", source="mine") for k in range(20)]
    split = Split(fractions=(0.5, 0.25, 0.25), seed=3)
    data = manifest(*examples)
    summary = tiny_card().data.model_copy(update={"fingerprint": data.fingerprint, "source": "mine; other"})
    card = tiny_card(data=summary, recipe={"split": split.model_dump()}, format_version=1)
    divided = apply_split(data, split)
    for part in SPLITS:
        n = len(divided.part(part))
        assert training_overlap(card, divided, split=part).n_learned == (n if part == "train" else 0)
    # A part of the data has another fingerprint, and nothing tells which part it is.
    assert counts(card, *examples[:5]) == (0, 0, 5)
    assert counts(card, example("a.wav", source="another")) == (0, 0, 0)
    assert counts(card.model_copy(update={"recipe": {}}), *examples) == (0, 0, 20)


def test_evaluate_warns_and_its_protocol_says_so(tmp_path, caplog):
    for number, label in enumerate(LABELS):
        (tmp_path / "data" / label).mkdir(parents=True)
        for take in range(2):
            samples = tone(hz=300.0 + 100 * number + take, seconds=0.5)
            soundfile.write(tmp_path / "data" / label / f"{take}.wav", samples, 22050)
    data = read_manifest(tmp_path / "data")
    half = data.with_splits(["train" if each.path.endswith("0.wav") else "test" for each in data])
    card = tiny_card(data=DataSummary.of(half), temperature=40.0)
    recognizer = Recognizer.load(save_tiny(tmp_path / "model.onnx", card))
    with caplog.at_level(logging.WARNING, logger="earmark"):
        _, scores = earmark.evaluate(recognizer, data)
        assert caplog.messages == ["tiny has learned from 3 of these 6 examples; score others to know how good it is"]
        assert scores.protocol == "all examples of data (3 of 6 examples learned from)"
        assert scores.protocol in scores.sentence
        caplog.clear()
        _, scores = earmark.evaluate(recognizer, half, split="test")
        assert (caplog.messages, scores.protocol) == ([], "test part of data")


def test_sentences_name_what_was_learned():
    group = trained_on(example("a.wav", "Nina"))
    overlap = training_overlap(group, manifest(example("b.wav", "Nina"), example("c.wav")))
    assert overlap.sentence("mine") == (
        "mine has learned from others of the groups (artists, writers, pianos) of 1 of these 2 examples; score others"
        " to know how good it is"
    )
    assert overlap.remark == " (1 of 2 of groups learned from)"
    both = training_overlap(group, manifest(example("b.wav", "Nina"), example("a.wav", "Nina")))
    assert both.sentence("mine").startswith(
        "mine has learned from 1 of these 2 examples, and from others of the groups"
    )
    none = training_overlap(group, manifest(example("c.wav")))
    assert (none.sentence("mine"), none.remark) == ("", "")


def test_a_set_of_hashes_is_small_and_knows_its_members():
    keys = [f"key {number}" for number in range(10_000)]
    encoded = hash_set(keys)
    assert len(encoded) == pytest.approx(10_000 * 8 * 4 / 3, abs=4)
    members = HashSet(encoded)
    assert all(key in members for key in keys)
    assert not any(f"other {number}" in members for number in range(10_000))
    assert "" not in HashSet("")


def test_what_cannot_be_read_is_still_known_by_name(tmp_path):
    data = tiny_card().data
    card = tiny_card(data=data, recipe=GENRE, format_version=1)
    track = next(track for track, part in TRACKS.items() if part == "train")
    missing = Manifest((Example(f"{track}.wav", "A4", ""),), "sound", tmp_path, "lost")
    assert training_overlap(card, missing).n_learned == 1


def test_a_card_does_not_print_its_hashes(run, tmp_path):
    card = trained_on(example("a.wav", "Nina"))
    model = save_tiny(tmp_path / "model.onnx", card)
    assert card.data.content_hashes
    assert card.data.content_hashes not in repr(card)
    code, out, _ = run("info", model, "--json")
    assert (code, json.loads(out)["data"]["name"]) == (0, "made up")
    assert "hashes" not in out
    assert Recognizer.load(model).card == card
