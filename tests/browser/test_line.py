"""Writing a line on the page, in a real browser."""

from __future__ import annotations

import io
import json
import zipfile
from xml.etree import ElementTree as ET

import numpy as np

from browser.test_page import choose
from waiting import until
from written import line_of

LABELS = ("Sharp", "Half-Note", "Barline", "Whole-Note", "Quarter-Note", "Barline")
HEIGHTS = (0, -4, 0, 8, -20, 0)


def write(page, strokes) -> None:
    """Write strokes in the unit of HOMUS with the mouse; height 0 is the middle line of the staff."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    scale = 24 / 16 * box["width"] / 1800
    middle = box["y"] + (117 + 48) * box["width"] / 1800
    for stroke in strokes:
        points = [
            (box["x"] + 30 + scale * float(x), middle + scale * float(y))
            for x, y in stroke[:: max(1, len(stroke) // 30)]
        ]
        points.append((box["x"] + 30 + scale * float(stroke[-1][0]), middle + scale * float(stroke[-1][1])))
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


def printed(page):
    return page.evaluate("[...document.querySelectorAll('#engraved .symbol title')].map((title) => title.textContent)")


def settled(page, n) -> None:
    until(page, f"document.querySelectorAll('#engraved .symbol').length === {n}")
    page.wait_for_timeout(600)


def downloaded(page, button) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_bytes()


def test_a_line_is_written_corrected_engraved_and_saved(page, snapshot):
    choose(page, "symbols")
    ink, _ = line_of(*LABELS, gap=26.0, heights=HEIGHTS)
    write(page, ink.strokes)
    settled(page, len(LABELS))
    read = printed(page)
    assert sum(a == b for a, b in zip(read, LABELS, strict=True)) >= len(LABELS) - 1
    snapshot(page, "line")
    page.locator("#engraved .symbol").nth(1).click()
    assert page.locator("#rivals button").count() >= 2
    snapshot(page, "line-rivals")
    page.get_by_label("Another symbol").select_option("Natural")
    until(page, "document.querySelectorAll('#engraved .symbol title')[1].textContent === 'Natural'")
    page.get_by_role("button", name="Undo", exact=True).click()
    until(page, "document.querySelectorAll('#engraved .symbol title')[1].textContent !== 'Natural'")

    page.locator("#engraved .symbol").nth(1).click()
    page.get_by_label("Another symbol").select_option("Half-Note")
    page.wait_for_timeout(600)
    music = ET.fromstring(downloaded(page, "Save MusicXML").decode().partition('.dtd">\n')[2])  # noqa: S314 - it is our own
    notes = [(note.findtext("type"), note.findtext("pitch/step")) for note in music.iter("note")]
    assert notes[0] == ("half", "G")
    assert len(music.findall("part/measure")) >= 2
    assert ET.fromstring(downloaded(page, "Save SVG")).tag.endswith("svg")  # noqa: S314 - as above
    saved = json.loads(downloaded(page, "Save strokes"))
    assert len(saved["strokes"]) == len(ink.strokes)
    assert saved["known"] == [{"label": "Half-Note", "strokes": [4, 5]}]

    page.get_by_role("button", name="Keep as examples").click()
    until(page, "document.querySelectorAll('#engraved .symbol').length === 0")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, f"Save {len(LABELS)} examples")))
    assert archive.namelist() == [f"own/own-{n}.txt" for n in range(1, len(LABELS) + 1)]
    page.locator("#line-file").set_input_files({"name": "a.json", "mimeType": "", "buffer": json.dumps(saved).encode()})
    settled(page, len(LABELS))
    assert printed(page)[1] == "Half-Note"


def test_a_scribble_is_unknown_and_the_line_can_be_emptied(page, snapshot):
    choose(page, "symbols")
    t = np.linspace(0, 1, 60)
    write(page, [np.stack([500 * t, 50 * np.sin(40 * t)], axis=1)])
    settled(page, 1)
    assert printed(page) == ["unknown"]
    snapshot(page, "line-unknown")
    page.get_by_role("button", name="Clear the line").click()
    until(page, "document.querySelectorAll('#engraved .symbol').length === 0")
    page.get_by_role("button", name="Undo", exact=True).click()
    settled(page, 1)
    page.locator("#line-file").set_input_files({"name": "a.json", "mimeType": "", "buffer": b"[]"})
    page.wait_for_selector("#error:not([hidden])")
    assert "a.json: holds no strokes" in page.locator("#error").text_content()
