"""The page in a real browser."""

from __future__ import annotations

import time

import pytest
import soundfile

from browser.conftest import RATE_HZ, melody
from earmark.notes import read_midi
from tiny import save_tiny, tiny_card
from tiny_keys import RATE_HZ as KEYS_RATE_HZ
from tiny_keys import played
from waiting import until


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, melody(seconds=1.2), RATE_HZ)
    return path


def choose(page, model: str) -> None:
    page.get_by_label("Model").select_option(model)


def answered(page) -> None:
    until(page, "document.querySelectorAll('#bars li').length > 0")


def forgive_refusals(page) -> None:
    """Forget what the browser says by itself of every status of 400 and more."""
    page.wrong[:] = [text for text in page.wrong if "status of 422" not in text]


def draw(page, strokes) -> None:
    """Draw strokes of points in 0…1 with the mouse."""
    box = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=3)
        page.mouse.up()


SHARP = [
    [(0.4, 0.2), (0.4, 0.85)],
    [(0.6, 0.15), (0.6, 0.8)],
    [(0.3, 0.45), (0.7, 0.35)],
    [(0.3, 0.65), (0.7, 0.55)],
]


def test_a_song_is_heard_seen_and_played_from_a_moment(page, song, snapshot):
    choose(page, "notes")
    page.locator("#sound-file").set_input_files(song)
    answered(page)
    assert page.locator("#answer").text_content() == "3 notesC4E4A4"  # one after the other, so no chord
    buttons = page.locator("#roll button")
    assert buttons.count() >= 3  # three keys
    painted = "id => new Set(document.getElementById(id).getContext('2d').getImageData(0,0,600,100).data).size"
    assert page.evaluate(painted, "waveform") > 1
    assert page.evaluate(painted, "spectrogram") > 50
    buttons.last.click()
    until(page, "document.querySelector('#player').currentTime > 0.5")
    assert page.locator("#piano .lit").count() >= 1
    assert "lit" in page.locator("#piano").get_attribute("aria-label")
    snapshot(page, "sound")


def test_several_labels_are_chips_and_lanes(page, song, snapshot):
    choose(page, "tagger")
    page.locator("#sound-file").set_input_files(song)
    until(page, "document.querySelectorAll('.chip').length == 2")
    given = page.locator(".chip").all_text_contents()
    assert page.locator("#bars .given span:first-child").all_text_contents() == given
    assert page.locator("#bars li").count() == 3
    assert sorted(page.locator(".lane > span:first-child").all_text_contents()) == sorted(given)
    page.locator(".track button").first.click()
    until(page, "document.querySelector('#player').currentTime > 0")
    snapshot(page, "tags")


def test_all_keys_of_a_chord_light_up_and_its_notes_are_a_roll(page, tmp_path, snapshot):
    notes = [(0.2, 1.6, midi) for midi in (64, 67, 72)] + [(1.8, 2.8, midi) for midi in (65, 69, 72, 76)]
    for name, chosen, seconds in (("chord", notes[:3], 1.6), ("piece", notes, 3.0)):
        soundfile.write(tmp_path / f"{name}.wav", played(*chosen, seconds=seconds), KEYS_RATE_HZ)
    choose(page, "keys")
    page.locator("#sound-file").set_input_files(tmp_path / "chord.wav")
    until(page, "document.querySelectorAll('.chip').length == 3")
    assert page.locator("#answer strong").text_content() == "C major over E"
    assert page.locator(".chip").all_text_contents() == ["E4", "G4", "C5"]
    assert page.locator("#piano .lit").count() == 3
    assert page.locator("#piano").get_attribute("aria-label") == "Piano keyboard, E4 G4 C5 lit"
    snapshot(page, "chord")
    page.locator("#sound-file").set_input_files(tmp_path / "piece.wav")
    until(page, "document.querySelectorAll('#roll button').length == 7")
    assert page.locator("#answer strong").text_content().startswith("7 notes")
    page.locator("#roll button").last.click()
    until(page, "document.querySelectorAll('#piano .lit').length == 4")
    assert "F4 A4 C5 E5 lit" in page.locator("#piano").get_attribute("aria-label")
    snapshot(page, "roll")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save MIDI").click()
    assert download.value.suggested_filename == "piece.mid"
    assert len(read_midi(download.value.path())) == 7
    choose(page, "notes")
    assert page.locator("#roll").is_hidden()
    assert page.locator("#piano .lit").count() == 0


def test_the_microphone_is_heard_while_it_records(page, snapshot):
    choose(page, "notes")
    page.get_by_role("button", name="Record").click()
    answered(page)
    assert page.evaluate("document.querySelector('#level').value") > -40
    snapshot(page, "live")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("#roll button")
    assert page.evaluate("document.querySelector('#player').src").startswith("blob:")
    assert page.get_by_role("button", name="Record").get_attribute("aria-pressed") == "false"


def test_a_symbol_is_recognised_while_it_is_drawn_and_printed(page, snapshot):
    choose(page, "symbols")
    draw(page, SHARP[:2])
    answered(page)
    draw(page, SHARP[2:])
    until(page, "document.querySelectorAll('#print svg').length === 1")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Add to the line").click()
    assert page.locator("#line g").count() == 1
    assert page.locator("#line").get_attribute("aria-label").startswith("Staff with ")
    assert page.locator("#bars li").count() == 0
    draw(page, [[(0.5, 0.2), (0.5, 0.8)]])
    answered(page)
    snapshot(page, "ink")
    page.get_by_role("button", name="Undo stroke").click()
    until(page, "document.querySelectorAll('#bars li').length === 0")
    page.get_by_role("button", name="Remove the last").click()
    assert page.locator("#line").get_attribute("aria-label") == "Empty staff"


def test_examples_are_answered_and_explained(page, snapshot):
    choose(page, "notes")
    page.get_by_role("button", name="A melody").click()
    page.locator("#why:enabled").click()
    page.locator("#reasons:not([hidden])").wait_for(timeout=180_000)  # hundreds of inputs are recognised
    assert page.locator("#reasons-text").inner_text().startswith("Orange is what speaks for ")
    assert page.locator("#player").get_attribute("src").startswith("blob:")
    page.get_by_text("What it is, and what it is not").click()
    assert page.locator("#card-facts li").first.inner_text().startswith("It answers with ")
    snapshot(page, "why")
    choose(page, "symbols")
    assert page.locator("#reasons").is_hidden()
    page.get_by_role("button", name="Sharp", exact=True).click()
    answered(page)
    page.locator("#why:enabled").click()
    page.locator("#reasons:not([hidden])").wait_for(timeout=180_000)  # hundreds of inputs are recognised
    page.get_by_role("button", name="Clear", exact=True).click()
    assert page.locator("#reasons").is_hidden()
    assert page.locator("#why").is_disabled()


def test_a_finger_draws_on_a_phone_in_the_dark(chromium, address, snapshot):
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    page = context.new_page()
    page.goto(address)
    until(page, "document.querySelector('#model').options.length > 0")
    choose(page, "symbols")
    box = page.locator("#pad").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    answered(page)
    for model in ("symbols", "notes"):
        choose(page, model)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert max(light) < 60
    choose(page, "symbols")
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    answered(page)
    snapshot(page, "phone")
    context.close()


def test_a_model_of_ones_own_is_used_at_once(page, tmp_path):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Sharp"), about="Mine alone")
    page.locator("#model-file").set_input_files(save_tiny(tmp_path / "my model.onnx", card))
    until(page, "document.querySelector('#model').value === 'my-model'")
    assert page.locator("#about").text_content() == "Mine alone"
    draw(page, SHARP)
    answered(page)
    assert page.locator("#bars li").count() == 2
    page.locator("#model-file").set_input_files({"name": "bad.onnx", "mimeType": "", "buffer": b"nonsense"})
    page.wait_for_selector("#error:not([hidden])")
    assert "not a readable ONNX model" in page.locator("#error").text_content()
    forgive_refusals(page)


def test_an_error_is_shown_in_the_words_of_the_service(page, tmp_path, snapshot):
    (tmp_path / "song.mp3").write_bytes(b"no song at all" * 100)
    choose(page, "notes")
    page.locator("#sound-file").set_input_files(tmp_path / "song.mp3")
    page.wait_for_selector("#error:not([hidden])")
    assert "song.mp3: is not a sound that can be decoded" in page.get_by_role("alert").text_content()
    snapshot(page, "error")
    choose(page, "symbols")
    assert page.locator("#error").is_hidden()
    forgive_refusals(page)


def test_the_keyboard_reaches_everything(page):
    choose(page, "symbols")
    page.get_by_label("Model").focus()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert {"undo", "clear", "ink-file"} <= set(reached)
    nameless = page.evaluate(
        "[...document.querySelectorAll('button,input,select,canvas,meter,[role=img]')]"
        ".filter(e => !e.ariaLabel && !e.labels?.length && !e.textContent.trim()).map(e => e.id)"
    )
    assert nameless == []


@pytest.mark.slow
def test_twenty_people_at_once(chromium, address, song):
    began_s = time.monotonic()
    contexts = [chromium.new_context() for _ in range(20)]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.set_default_timeout(60_000)
        page.goto(address)
    for page in pages:
        until(page, "document.querySelector('#model').options.length > 0")
        choose(page, "notes")
    for page in pages:
        page.locator("#sound-file").set_input_files(song)
    for page in pages:
        answered(page)
    answers = {page.locator("#answer").text_content() for page in pages}
    assert len(answers) == 1, f"{answers} after {time.monotonic() - began_s:.0f} s"
    for context in contexts:
        context.close()
