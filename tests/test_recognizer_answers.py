from __future__ import annotations

import unicodedata
import zipfile

import librosa
import pytest

from earmark.recognizer import as_dict
from earmark.recognizer.answers import DETAIL_NAMES, SYMBOLS, make_answer
from earmark.types import Answer, Prediction
from tiny import KEY_NAMES


@pytest.mark.parametrize("name", KEY_NAMES)
def test_keys_come_with_midi_number_and_frequency(name):
    details = make_answer(name, 1.0, task="note").details
    assert details == {
        "note": name,
        "midi": librosa.note_to_midi(name),
        "hz": round(float(librosa.note_to_hz(name)), 2),
    }
    assert tuple(details) == DETAIL_NAMES["note"]


def test_flats_are_named_by_the_key_they_are():
    assert make_answer("Db4", 1.0, task="note").details["note"] == "C#4"


def test_every_symbol_has_a_character_of_its_own():
    characters = [character for character, _ in SYMBOLS.values()]
    assert len(SYMBOLS) == len(set(characters)) == 32
    for label, (character, name) in SYMBOLS.items():
        if label.endswith("-Time") and label[0].isdigit():
            assert unicodedata.normalize("NFKC", character).replace("\N{FRACTION SLASH}", "/") == name.split()[0]
        else:
            assert unicodedata.name(character).startswith(("MUSICAL SYMBOL", "MUSIC "))


def test_every_class_of_homus_is_known(shared_data):
    with zipfile.ZipFile(shared_data / "homus" / "HOMUS-80-writers.zip") as archive:
        texts = [name for name in archive.namelist() if name.endswith(".txt")][:400]
        labels = {archive.read(name).split(b"\n")[0].strip().decode() for name in texts}
    assert labels == set(SYMBOLS)


@pytest.mark.parametrize("task", ["genre", "label", "note", "symbol"])
def test_other_labels_stay_plain(task):
    assert make_answer("jazz", 0.5, task=task) == Answer("jazz", 0.5, {})


def test_predictions_become_json_values():
    answer = make_answer("A4", 0.75, task="note")
    prediction = Prediction("a.wav", "A4", 0.75, (answer,), timeline=((0.0, 1.0, answer),))
    facts = {"label": "A4", "confidence": 0.75, "note": "A4", "midi": 69, "hz": 440.0}
    assert as_dict(prediction) == {
        "input": "a.wav",
        **facts,
        "top": [facts],
        "timeline": [{"start_s": 0.0, "end_s": 1.0, **facts}],
    }


def test_a_declined_prediction_says_why():
    values = as_dict(Prediction("a.wav", "unknown", 0.0, (), reason="silence"))
    assert values == {"input": "a.wav", "label": "unknown", "confidence": 0.0, "top": [], "reason": "silence"}
