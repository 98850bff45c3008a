"""A command that takes long says what it does: bars in a terminal, lines anywhere else."""

from __future__ import annotations

import time

import pytest

from earmark.cli import progress as module
from earmark.cli.progress import progress_on_stderr


@pytest.fixture
def hurried(monkeypatch):
    """Let lines come after hundredths of a second."""
    monkeypatch.setattr(module, "FIRST_LINE_S", 0.02)
    monkeypatch.setattr(module, "NEXT_LINE_S", 0.05)
    monkeypatch.setattr(module, "_LOOK_S", 0.002)


def lines_until(capsys, wanted):
    """Return the lines on stderr so far, once one holds `wanted`."""
    deadline_s, text = time.monotonic() + 20, ""
    while wanted not in text:
        assert time.monotonic() < deadline_s, f"{wanted!r} is not in {text!r}"
        time.sleep(0.005)
        text += capsys.readouterr().err
    return text.splitlines()


def test_bars_are_drawn_where_there_is_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_on_stderr() as progress:
        progress("nothing", 0, 0, "")
        progress("listening", 1, 2, "")
        progress("listening", 2, 2, "all ears")
        progress("exporting", 0, 1, "")
    output = capsys.readouterr()
    assert output.out == ""
    assert "nothing" not in output.err
    assert "all ears" in output.err
    for stage in ("loading libraries", "listening", "exporting"):
        assert stage in output.err


def test_a_stage_that_reports_nothing_is_named_again_and_again(hurried, capsys):
    with progress_on_stderr() as progress:
        assert lines_until(capsys, "loading")[0] == "loading libraries …"
        progress("exporting", 0, 1, "")
        assert lines_until(capsys, "exporting, 0 s …")[0] == "exporting …"


def test_a_line_says_how_far_a_stage_is_and_that_it_is_finished(hurried, capsys):
    with progress_on_stderr() as progress:
        progress("reading", 0, 2000, "")
        progress("reading", 1234, 2000, "a\x07.wav")
        assert "reading: 1,234 of 2,000, a\\x07.wav" in lines_until(capsys, "1,234")
        progress("reading", 2000, 2000, "")
        assert "reading: 2000 done" in lines_until(capsys, "done")
        assert "still at work, 0 s after: reading" in lines_until(capsys, "still")


def test_what_is_done_at_once_is_said_in_one_line(capsys):
    with progress_on_stderr() as progress:
        progress("nothing", 0, 0, "")
        progress("epoch 1", 1, 2, "")
        progress("epoch 1", 2, 2, "accuracy 0.75")
    assert capsys.readouterr().err == "epoch 1: 2 done, accuracy 0.75\n"


def test_the_second_of_several_processes_is_silent(hurried, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    with progress_on_stderr() as progress:
        progress("reading", 1, 1, "")
    assert capsys.readouterr().err == ""


def test_check_names_its_stages_from_the_start(hurried, capsys, monkeypatch, tmp_path, run):
    said = []
    monkeypatch.setattr(module.StageLines, "__call__", lambda _self, stage, *_: said.append(stage))
    (tmp_path / "a.csv").write_text("path,label\n")
    run("check", tmp_path / "a.csv")
    assert said[:2] == ["loading libraries", "finding examples"]
