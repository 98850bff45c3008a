"""The figures on the cards are made again, and those that cannot be are named."""

from __future__ import annotations

import json
import zipfile

import pytest
import soundfile

from earmark.data import read_manifest
from earmark.demo.samples import drawings
from earmark.recognizer import Card, Score, load, zoo
from earmark.sound.synthesis import synthesize_note
from earmark.zoo.costs import cost_of
from earmark.zoo.verify import _plan
from tiny import DATA, tiny_card

TRACKS = {"blues": "blues.00029", "rock": "rock.00026", "metal": "metal.00015"}


def write_homus(folder):
    folder.mkdir()
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        for writer in ("W1", "W2", "W3"):
            for number, (label, ink) in enumerate(drawings().items()):
                strokes = "\n".join(";".join(f"{x:.0f},{y:.0f}" for x, y in stroke) + ";" for stroke in ink.strokes)
                archive.writestr(f"HOMUS/{writer}/{writer}-{number}.txt", f"{label}\n{strokes}\n")


def write_pianos(folder):
    folder.mkdir()
    rows = ["file,midi,note,piano"]
    for piano, timbre in (("one", "grand"), ("two", "upright")):
        for midi, name in ((60, "C4"), (69, "A4")):
            note = synthesize_note(midi, timbre=timbre, duration_s=1.2, sample_rate_hz=16_000, seed=midi)
            soundfile.write(folder / f"{piano}_{midi}.wav", note.samples, note.sample_rate_hz)
            rows.append(f"{piano}_{midi}.wav,{midi},{name},{piano}")
    (folder / "labels.csv").write_text("\n".join(rows))


def write_gtzan(folder):
    for number, (genre, track) in enumerate(TRACKS.items()):
        (folder / genre).mkdir(parents=True)
        note = synthesize_note(50 + number, timbre="organ", duration_s=2.5, sample_rate_hz=16_000)
        soundfile.write(folder / genre / f"{track}.wav", note.samples, note.sample_rate_hz)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_homus(folder / "homus")
    write_pianos(folder / "pianos")
    write_gtzan(folder / "gtzan")
    return folder


def test_a_small_slice_of_made_up_data_is_scored(run, made):
    code, out, _ = run("bench", "zoo", "--data", made, "--limit", "12", "--json")
    assert code == 0
    values = json.loads(out)
    figures = {figure["model"]: figure for figure in values["figures"]}
    assert set(figures) == {"genre", "notes", "symbols"}
    assert {figure["status"] for figure in figures.values()} == {"other examples"}
    assert figures["notes"]["now"]["accuracy"] == 1.0
    assert figures["symbols"]["now"]["n"] == 12
    assert all(figure["agrees"] is None for figure in figures.values())
    for cost in values["costs"]:
        assert cost["n_bytes"] == zoo()[cost["model"]].stat().st_size
        assert cost["ms"] > 0


def test_the_table_says_what_each_figure_is(run, made):
    code, out, err = run("bench", "zoo", "--data", made, "--only", "notes")
    assert code == 0
    assert "other examples" in out
    assert "notes: pianos is not the data of the card; how much of it the file has learned is not known." in out
    assert "evaluating: 4 done" in err


def test_a_recognizer_without_data_is_refused(run, made, tmp_path):
    write_pianos(tmp_path / "pianos")
    code, _, err = run("bench", "zoo", "--data", tmp_path, "--only", "genre")
    assert code == 2
    assert "known: notes" in err
    code, _, err = run("bench", "zoo", "--data", made / "homus")
    assert code == 1
    assert "holds none of the folders gtzan, homus, pianos" in err


def card(protocol: str, manifest, learned: tuple[str, ...], split: dict) -> tuple[Card, Score]:
    score = Score(
        accuracy=0.9, accuracy_interval=(0.8, 1), n=1, n_groups=1, protocol=protocol, seeds=(0,), macro_f1=0.9, ece=0.1
    )
    data = DATA.model_copy(update={"fingerprint": manifest.fingerprint, "learned": learned})
    return tiny_card("ink-raster", task="symbol", data=data, scores=(score,), recipe={"split": split}), score


@pytest.mark.parametrize(
    ("protocol", "learned", "status", "n", "says"),
    [
        ("grouped 34/33/33, seed 0, test part", ("train",), "redone", 6, "test part"),
        ("grouped 34/33/33, seed 0, validation part", ("train", "valid"), "other examples", 6, "has not learned"),
        ("grouped 34/33/33, seed 0, test part", ("train", "valid", "test"), "learned since", 6, "cannot be redone"),
        ("every fold in turn", ("train", "valid", "test"), "learned since", None, "cannot be redone"),
    ],
)
def test_only_what_the_file_has_not_learned_is_redone(made, protocol, learned, status, n, says):
    manifest = read_manifest(made / "homus" / "made.zip").hashed()
    values, score = card(protocol, manifest, learned, {"fractions": [0.34, 0.33, 0.33]})
    plan = _plan(values, manifest, score, is_same=True)
    assert plan[0] == status
    assert (None if plan[1] is None else len(plan[1])) == n
    assert says in plan[2]


@pytest.mark.parametrize("name", sorted(zoo()))
def test_what_it_costs_is_stated(name):
    cost = cost_of(name)
    assert cost.train.startswith((f"earmark train zoo/{name} --data ", f"python tools/build_{name}.py "))
    assert cost.training
    assert cost.answer_ms
    assert cost.machine


def test_a_slice_of_the_real_data_comes_out_as_the_card_says(run, shared_data):
    code, out, _ = run("bench", "zoo", "--data", shared_data, "--only", "symbols", "--limit", "60", "--json")
    (figure,) = json.loads(out)["figures"]
    assert code == 0
    assert figure["card"]["accuracy"] == load("symbols").card.scores[0].accuracy
    assert figure["status"] in {"redone", "learned since"}
    assert figure["now"]["accuracy"] > 0.9
