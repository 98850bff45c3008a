from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import soundfile

from earmark import cli
from earmark.errors import EarmarkError
from earmark.recognizer import zoo
from tiny import LABELS, save_tiny, tiny_card, tone

RATE_HZ = 22050


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return str(
        save_tiny(tmp_path_factory.mktemp("ears") / "ears.onnx", tiny_card(temperature=40.0, about="for a test"))
    )


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"))
    return str(save_tiny(tmp_path_factory.mktemp("eyes") / "eyes.onnx", card))


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    (folder / "deep").mkdir(parents=True)
    soundfile.write(folder / "b.wav", tone(hz=300), RATE_HZ)
    soundfile.write(folder / "deep" / "a.FLAC", tone(hz=3000), RATE_HZ, format="FLAC")
    (folder / "notes.txt").write_text("not a sound")
    (folder / ".hidden.wav").write_text("not a sound")
    return folder


def test_jsonl_has_one_object_a_line(run, ears, sounds):
    code, out, err = run("predict", ears, sounds, "--format", "jsonl", "--top", "2")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["input"] for row in rows] == [str(sounds / "b.wav"), str(sounds / "deep" / "a.FLAC")]
    for row in rows:
        assert row["label"] == row["top"][0]["label"]
        assert row["confidence"] == row["top"][0]["confidence"] <= 1
        assert row["midi"] == row["top"][0]["midi"]
        assert len(row["top"]) == 2


def test_names_that_would_move_the_cursor_are_escaped(run, ears, tmp_path):
    for name in ("e\x1b[31mred.wav", "new\nline.wav", "turned\u202e.wav"):
        soundfile.write(tmp_path / name, tone(), RATE_HZ)
    code, out, err = run("predict", ears, tmp_path, tmp_path / "no\x1b[2J.wav")
    assert code == 1
    assert len(out.splitlines()) == 3
    assert all(shown in out for shown in ("e\\x1b[31mred.wav", "new\\nline.wav", "turned\\u202e.wav"))
    assert "no\\x1b[2J.wav: no such file" in err
    assert "\x1b" not in out + err
    rows = list(csv.DictReader(io.StringIO(run("predict", ears, tmp_path, "--format", "csv")[1], newline="")))
    assert {row["input"] for row in rows} == {str(path) for path in tmp_path.glob("*.wav")}


def test_json_is_one_list(run, ears, sounds):
    code, out, _ = run("predict", ears, sounds / "b.wav", sounds / "b.wav", "--format", "json", "--timeline")
    assert code == 0
    assert [len(row["timeline"]) for row in json.loads(out)] == [1, 1]


def test_csv_has_a_row_a_file(run, ears, sounds):
    code, out, _ = run("predict", ears, sounds, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert len(rows) == 2
    assert {row["label"] for row in rows} <= set(LABELS)
    assert float(rows[0]["confidence"]) >= float(rows[0]["confidence_2"]) >= float(rows[0]["confidence_3"])
    assert rows[0]["note"] == rows[0]["label"]


def test_csv_with_a_timeline_has_a_row_a_window(run, ears, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(RATE_HZ), tone()]), RATE_HZ)
    code, out, _ = run("predict", ears, tmp_path / "a.wav", "--format", "csv", "--timeline")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["start_s"], row["end_s"]) for row in rows] == [("0.0", "1.0"), ("0.5", "1.5"), ("1.0", "2.0")]
    assert (rows[0]["label"], rows[0]["midi"]) == ("unknown", "")


def test_the_table_lines_up(run, ears, sounds):
    code, out, _ = run("predict", ears, sounds, "--timeline")
    first, first_window, second, _ = out.splitlines()
    assert code == 0
    assert first.startswith(str(sounds / "b.wav") + " ")
    assert first.index("(MIDI") == second.index("(MIDI")
    assert " Hz) " in first
    assert first_window.split()[:4] == ["0.00", "–", "1.00", "s"]


def test_drawings_are_recognised(run, eyes, tmp_path):
    (tmp_path / "a.txt").write_text("G-Clef\n0,0;9,9;\n")
    (tmp_path / "b.json").write_text("[[[0, 0], [9, 9]]]")
    PIL.Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(tmp_path / "c.png")
    (tmp_path / "d.wav").write_bytes(b"")
    code, out, err = run("predict", eyes, tmp_path)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 3
    assert any(character in out for character in "𝄞𝅭♭")


def test_stdin_is_read(run, ears, sounds, monkeypatch):
    data = io.BytesIO((sounds / "b.wav").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(data))
    code, out, _ = run("predict", ears, "-", "--format", "jsonl")
    assert code == 0
    assert json.loads(out)["input"] == "-"


def test_a_bad_file_does_not_stop_the_others(run, ears, sounds):
    code, out, err = run("predict", ears, sounds / "missing.wav", sounds / "notes.txt", sounds, "--format", "jsonl")
    assert code == 1
    assert len(out.splitlines()) == 2
    assert [line.removeprefix("earmark: ").split(": ")[0] for line in err.splitlines()] == [
        str(sounds / "missing.wav"),
        str(sounds / "notes.txt"),
        "2 of 4 inputs could not be recognised; see above",
    ]


def test_a_folder_without_sounds_is_named(run, ears, tmp_path):
    code, out, err = run("predict", ears, tmp_path)
    assert (code, out) == (1, "")
    assert "a folder without files that this recognizer reads (.aac" in err


def test_silence_is_said_in_a_sentence(run, ears, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE_HZ), RATE_HZ)
    code, out, err = run("predict", ears, tmp_path / "a.wav", "--format", "jsonl")
    values = json.loads(out)
    assert code == 1
    assert (values["label"], values["confidence"]) == ("unknown", 0)
    assert values["reason"].startswith("silence: ")
    assert err.count("\n") == 1
    assert "silence" in err
    code, out, _ = run("predict", ears, tmp_path / "a.wav")
    assert (code, "unknown (silence" in out) == (1, True)


def test_info_shows_the_card(run, ears, eyes):
    code, out, _ = run("info", ears)
    assert code == 0
    assert "3: A4, C4, E4" in out
    assert "1 s every 0.5 s" in out
    code, out, _ = run("info", eyes, "--json")
    values = json.loads(out)
    assert values["labels"] == ["G-Clef", "Dot", "Flat"]
    assert values["features"]["kind"] == "ink-raster"
    assert values["file"] == eyes


def test_models_lists_the_zoo(run):
    code, out, _ = run("models", "--json")
    assert code == 0
    assert [model["name"] for model in json.loads(out)] == sorted(zoo())
    assert run("models")[1].startswith("NAME ")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["predict"], "Missing argument"),
        (["predict", "MODEL"], "Missing argument"),
        (["predict", "MODEL", "a.wav", "--top", "0"], "--top"),
        (["predict", "MODEL", "a.wav", "--format", "xml"], "--format"),
        (["predikt"], "No such command"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_wrong_call_exits_with_2(run, arguments, match):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert match in err


def test_a_timeline_of_drawings_is_a_wrong_call(run, eyes):
    code, _, err = run("predict", eyes, "a.txt", "--timeline")
    assert code == 2
    assert "drawings, which have no timeline" in err


def test_debug_shows_where_an_error_comes_from(run):
    assert run("info", "nowhere")[0] == 1
    with pytest.raises(EarmarkError, match="no recognizer called 'nowhere'"):
        cli.main(["info", "nowhere", "--debug"])


def test_an_interrupt_is_one_line(run, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("earmark.recognizer.find", interrupt)
    code, out, err = run("info", "x")
    assert (code, out) == (130, "")
    assert err.strip() == "earmark: interrupted"


def test_version_and_help(run):
    assert run("--version")[1].startswith("earmark 0.")
    assert "predict" in run("--help")[1]


def earmark(*arguments: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "earmark.cli", *arguments], check=False, text=True, **options)


@pytest.mark.parametrize(("closed", "first"), [(">&-", ""), ("2>&-", "NAME"), ("<&- >&- 2>&-", "")])
def test_closed_streams_are_no_mistake(closed, first):
    command = f"{sys.executable} -m earmark.cli models {closed}"
    done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)  # noqa: S602
    assert (done.returncode, done.stderr, done.stdout[:4]) == (0, "", first)


def test_a_closed_pipe_is_no_error(ears, sounds):
    command = f"{sys.executable} -m earmark.cli predict {ears} {sounds} --format json | head -c 1"
    done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)  # noqa: S602
    assert (done.stdout, done.stderr) == ("[", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence(ears, sounds):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = earmark("predict", ears, str(sounds), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "earmark: the output: No space left on device; choose another place or free some space\n"
