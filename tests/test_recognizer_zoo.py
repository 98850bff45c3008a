"""Every recognizer in the package is small, honest about itself, and loads by its name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from earmark.recognizer import as_dict, load, zoo
from earmark.recognizer.answers import DETAIL_NAMES
from earmark.types import Ink, Sound

FILES = zoo()
LARGEST_BYTES = 5_000_000
CROSS = Ink((np.float32([[0, 0], [9, 9]]), np.float32([[9, 0], [0, 9]])))


@pytest.fixture(params=sorted(FILES))
def name(request):
    return request.param


def test_it_is_small_and_says_where_it_comes_from(name):
    card = load(name).card
    assert FILES[name].stat().st_size <= LARGEST_BYTES
    assert card.name == name
    assert card.about
    assert card.limits
    assert card.data.source
    assert card.data.licence
    assert {"earmark", "torch"} <= set(card.versions)


def test_its_score_has_protocol_and_interval(name):
    card = load(name).card
    if not card.scores:  # trained elsewhere
        assert any("measured" in limit for limit in card.limits)
        return
    score = card.scores[0]
    low, high = score.accuracy_interval
    assert 0 < low <= score.accuracy <= high <= 1
    assert score.protocol
    assert score.n >= score.n_groups > 1


def test_it_names_no_folder_of_the_machine_that_made_it(name):
    assert not re.search(rb"/(work|tmp|home|root|Users)/", FILES[name].read_bytes())


def test_it_answers_ready_to_use(name):
    recognizer = load(name)
    noise = np.random.default_rng(0).normal(scale=0.1, size=44_100).astype(np.float32)
    drawn_or_heard = CROSS if recognizer.card.features.domain == "ink" else Sound(noise, 22_050)
    values = as_dict(recognizer.predict(drawn_or_heard, force=True))
    if recognizer.card.is_multi_label:
        assert {answer["label"] for answer in values["labels"]} <= set(recognizer.card.labels)
    else:
        assert values["label"] in recognizer.card.labels
        assert sum(answer["confidence"] for answer in values["top"]) <= 1.001
    # A multi-label recognizer may give no label of noise; its best guess has the details all the same.
    best = values["top"][0] if recognizer.card.is_multi_label else values
    for detail in DETAIL_NAMES.get(recognizer.card.task, ()):
        assert best[detail]


def test_tags_say_what_a_genre_is(shared_data):
    """Tracks whose genre is a tag have that tag among their three likeliest, mostly: see docs/zoo.md."""
    recognizer = load("tags")
    tags = {"blues": "blues", "hiphop": "Hip-Hop", "jazz": "jazz", "pop": "pop", "rock": "rock"}
    tracks = [
        (path, tag)
        for genre, tag in tags.items()
        for path in sorted((shared_data / "gtzan/audio" / genre).glob("*"))[:4]
    ]
    found = [tag in {answer.label for answer in recognizer.predict(path, top=3).top} for path, tag in tracks]
    assert np.mean(found) >= 0.75
