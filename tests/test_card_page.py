"""The page beside each built-in recognizer is the one that its file gives."""

from __future__ import annotations

import pytest

from earmark.recognizer import load, zoo


@pytest.mark.parametrize("name", sorted(zoo()))
def test_the_page_beside_the_file_is_up_to_date(run, name):
    code, page, _ = run("info", name, "--markdown")
    path = zoo()[name].with_suffix(".md")
    assert code == 0
    assert path.read_text() == page, f"write it again: earmark info {name} --markdown > {path}"


@pytest.mark.parametrize("name", sorted(zoo()))
def test_the_page_says_what_a_card_has_to_say(run, name):
    _, page, _ = run("info", name, "--markdown")
    card = load(name).card
    for heading in ("Data", "Scores", "Calibration", "What it refuses", "Limits", "Cost"):
        assert f"\n## {heading}\n" in page
    assert all(limit in page for limit in card.limits)
    assert all(score.protocol in page for score in card.scores)
    assert card.data.licence in page


def test_info_says_what_it_costs(run):
    _, text, _ = run("info", "notes")
    assert "train again" in text
    assert "ms: A second of sound" in text
