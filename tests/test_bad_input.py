"""Whatever is handed to the command line: one sentence that says what, what is allowed and what to do."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import soundfile

from tiny import save_tiny, tiny_card, tone

RATE_HZ = 22050


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("ears") / "ears.onnx", tiny_card(temperature=40.0))


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"))
    return save_tiny(tmp_path_factory.mktemp("eyes") / "eyes.onnx", card)


@pytest.fixture
def notes(tmp_path):
    """Return a folder of classes with two sounds of two notes."""
    for name in ("A4", "C4"):
        (tmp_path / "notes" / name).mkdir(parents=True)
        for take in range(2):
            soundfile.write(tmp_path / "notes" / name / f"{take}.wav", tone(hz=300 + 99 * take), RATE_HZ)
    return tmp_path / "notes"


def cut_flac(path: Path) -> None:
    soundfile.write(path, np.random.default_rng(0).normal(scale=0.1, size=RATE_HZ), RATE_HZ, format="FLAC")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_png(path: Path) -> None:
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])


def is_one_sentence(text: str) -> bool:
    return text.startswith("earmark: ") and text.count("\n") == 1 and "Traceback" not in text


BAD_SOUNDS = {
    "missing.wav": (lambda _: None, "no such file; check the path"),
    "empty.wav": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "text.wav": (lambda path: path.write_text("dear diary"), "is not a sound that can be decoded"),
    "cut.flac": (cut_flac, "cop(y|ied).*again"),
    "nan.wav": (
        lambda path: soundfile.write(path, np.full(99, np.nan), RATE_HZ, subtype="FLOAT"),
        "samples that are NaN or infinite",
    ),
    "click.wav": (lambda path: soundfile.write(path, np.ones(1), RATE_HZ), r"at least 0\.05 s are needed"),
    "none.wav": (lambda path: soundfile.write(path, np.zeros(0), RATE_HZ), "holds no samples"),
    "loud.wav": (
        lambda path: soundfile.write(path, 1e30 * tone(), RATE_HZ, subtype="FLOAT"),
        "samples as large as 3.0e",
    ),
    "silent.wav": (lambda path: soundfile.write(path, np.zeros(RATE_HZ), RATE_HZ), "silence: the sound never rises"),
    "drawing.png": (lambda path: path.write_bytes(b"x"), "a drawing, but this recognizer listens"),
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_a_bad_sound(run, ears, tmp_path, name):
    make, sentence = BAD_SOUNDS[name]
    make(tmp_path / name)
    code, _, err = run("predict", ears, tmp_path / name)
    assert code == 1
    assert is_one_sentence(err)
    assert re.search(sentence, err)
    assert str(tmp_path / name) in err


def test_bad_sounds_among_good_ones(run, ears, tmp_path):
    for name, (make, _) in BAD_SOUNDS.items():
        make(tmp_path / name)
    soundfile.write(tmp_path / "good.wav", tone(), RATE_HZ)
    code, out, err = run("predict", ears, tmp_path, "--format", "jsonl")
    labels = {Path(row["input"]).name: row["label"] for row in map(json.loads, out.splitlines())}
    assert code == 1
    assert labels.pop("good.wav") in {"A4", "C4", "E4"}
    assert labels == {"silent.wav": "unknown"}
    for name in BAD_SOUNDS.keys() - {"missing.wav", "drawing.png"}:
        assert str(tmp_path / name) in err
    assert err.endswith("8 of 9 inputs could not be recognised; see above\n")


@pytest.mark.parametrize(
    ("n_samples", "rate_hz", "n_channels"),
    [(4000, 8000, 1), (96_000, 192_000, 2), (11_025, 22050, 8), (48_000, 48_000, 2)],
)
def test_odd_sounds_are_not_bad(run, ears, tmp_path, n_samples, rate_hz, n_channels):
    samples = np.ones((1, n_channels)) * tone(seconds=n_samples / rate_hz, rate_hz=rate_hz)[:, None]
    soundfile.write(tmp_path / "odd.wav", samples, rate_hz)
    code, out, err = run("predict", ears, tmp_path / "odd.wav", "--format", "jsonl")
    assert (code, err) == (0, "")
    assert json.loads(out)["label"] in {"A4", "C4", "E4"}


BAD_DRAWINGS = {
    "missing.png": (lambda _: None, "no such file"),
    "missing.txt": (lambda _: None, "cannot be read|no such file"),
    "empty.png": (lambda path: path.write_bytes(b""), "cannot be decoded as an image|is empty"),
    "empty.txt": (lambda path: path.write_bytes(b""), "is empty; a stroke file is HOMUS text or JSON"),
    "text.png": (lambda path: path.write_text("dear diary"), "cannot be decoded as an image"),
    "cut.png": (cut_png, "cannot be decoded as an image"),
    "huge.png": (lambda path: PIL.Image.new("1", (9000, 8000)).save(path), "at most 64 million"),
    "noise.txt": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "HOMUS text or JSON in UTF-8"),
    "cut.json": (lambda path: path.write_text("[[[0, 1"), "not valid JSON"),
    "words.txt": (lambda path: path.write_text("Dot\na,b;"), "is not a point; write x,y with two numbers"),
    "song.mp3": (lambda path: path.write_bytes(b"x"), "this recognizer reads drawings; give a stroke file"),
}


@pytest.mark.parametrize("name", BAD_DRAWINGS)
def test_a_bad_drawing(run, eyes, tmp_path, name):
    make, sentence = BAD_DRAWINGS[name]
    make(tmp_path / name)
    code, out, err = run("predict", eyes, tmp_path / name)
    assert (code, out) == (1, "")
    assert is_one_sentence(err)
    assert re.search(sentence, err)
    assert str(tmp_path / name) in err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no recognizer called"),
        (b"", "the file is empty; give an .onnx file"),
        (b"hello", "not a readable ONNX model"),
        (b"\x80\x04junk", "a pickled or zipped checkpoint, which Earmark never opens"),
    ],
)
@pytest.mark.parametrize("command", [["info"], ["predict"], ["evaluate"]])
def test_not_a_recognizer(run, tmp_path, command, content, sentence):
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    rest = {"info": [], "predict": ["a.wav"], "evaluate": ["--data", tmp_path]}[command[0]]
    code, out, err = run(*command, tmp_path / "model.onnx", *rest)
    assert (code, out) == (1, "")
    assert is_one_sentence(err)
    assert sentence in err


def test_evaluate_scores_what_can_be_read(run, ears, notes):
    code, out, err = run("evaluate", ears, "--data", notes, "--json")
    values = json.loads(out)
    assert (code, values["n"], values["protocol"]) == (0, 4, "all examples of notes")
    (notes / "A4" / "0.wav").write_text("no sound")
    code, out, err = run("evaluate", ears, "--data", notes)
    assert code == 1
    assert "of 3 examples" in out
    assert "A4/0.wav: is not a sound that can be decoded" in err.replace(str(notes), "").replace("/A4", "A4")
    assert "1 example could not be scored" in err


def test_a_label_that_the_recognizer_does_not_know(run, ears, notes):
    (notes / "C4").rename(notes / "C9")
    code, out, err = run("evaluate", ears, "--data", notes)
    assert (code, out) == (1, "")
    assert is_one_sentence(err)
    assert "does not know 1 of the 2 labels of the data: 'C9'" in err


def test_sounds_for_a_recognizer_of_drawings(run, eyes, notes):
    code, out, err = run("evaluate", eyes, "--data", notes)
    assert (code, out) == (1, "")
    assert "takes ink, but notes holds sound" in err


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--split", "tset"], 2, "there is no split called 'tset'"),
        (["--split", "test", "--protocol", "magic"], 2, "there is no split protocol called 'magic'"),
        (["--protocol", "grouped"], 2, "say which part to score: --split test"),
        (["--split", "test", "--protocol", "gtzan/fault-filtered"], 1, "none of its 4 examples is a track"),
    ],
)
def test_a_part_that_does_not_exist(run, ears, notes, options, code, sentence):
    result, out, err = run("evaluate", ears, "--data", notes, *options)
    assert (result, out) == (code, "")
    assert sentence in err


def test_evaluate_divides_as_it_is_told(run, ears, notes):
    rows = [f"{label}/{take}.wav,{label},{take}" for label in ("A4", "C4") for take in range(2)]
    (notes / "list.csv").write_text("\n".join(["path,label,split", *(row[:-1] + "test" for row in rows)]))
    code, out, _ = run("evaluate", ears, "--data", notes / "list.csv", "--split", "test", "--json")
    assert (code, json.loads(out)["protocol"]) == (0, "test part of list")


def test_check_names_what_is_wrong(run, notes):
    code, out, err = run("check", notes)
    assert "earmark:" not in err
    assert "4 examples, 2 labels" in out
    (notes / "A4" / "0.wav").write_bytes(b"")
    (notes / "E4").mkdir()
    code, out, _ = run("check", notes, "--json")
    findings = json.loads(out)["findings"]
    assert code == 1
    assert findings[0]["severity"] == "error"
    assert any("E4" in finding["message"] for finding in findings if finding["severity"] == "error")


def test_check_of_nothing(run, tmp_path):
    code, out, _ = run("check", tmp_path / "nowhere")
    assert code == 1
    assert "nowhere" in out


def test_a_full_disk_leaves_nothing_behind(run, ears, notes, tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(Path, "write_bytes", fail)
    code, out, err = run("evaluate", ears, "--data", notes, "--html", folder / "report.html")
    assert (code, out) == (1, "")
    assert "report.html: cannot be written (No space left on device); choose another place" in err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "there is no recipe called 'nonsense'"),
        (["sound", "--set", "training.epohs=2"], "unknown key 'training.epohs' (did you mean 'epochs'?)"),
        (["sound", "--set", "training.epochs=0"], "training.epochs"),
        (["missing.toml"], "missing.toml: no such file"),
        (["sound", "--resume"], "holds no run to continue"),
    ],
)
def test_a_wrong_recipe_is_a_wrong_call(run, notes, tmp_path, arguments, sentence):
    code, out, err = run("train", *arguments, "--data", notes, "-o", tmp_path / "run")
    assert (code, out) == (2, "")
    assert is_one_sentence(err)
    assert sentence in err
    assert not (tmp_path / "run").exists()
