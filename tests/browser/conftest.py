"""A service of our own, and Debian's Chromium with a microphone that plays a file; all skipped where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from earmark.recognizer import zoo
from earmark.recognizer.answers import SYMBOLS
from earmark.sound.synthesis import synthesize_note
from tiny import save_tiny, tiny_card
from tiny_keys import save_keys
from waiting import until

RATE_HZ = 48_000


def melody(*, seconds: float) -> np.ndarray:
    """Return A4, C4 and E4 on a piano, for so long each; pure tones would be declined."""
    keys = [synthesize_note(midi, duration_s=seconds, sample_rate_hz=RATE_HZ, seed=1) for midi in (69, 60, 64)]
    return np.concatenate([key.samples for key in keys])


def model_arguments(folder: Path) -> list[str]:
    """Return recognizers of notes and symbols, built-in or tiny, a tiny tagger, and a tiny one of keys together."""
    shipped = zoo()
    symbols = tiny_card("ink-raster", task="symbol", labels=tuple(SYMBOLS))
    # Of these everything that sounds has two labels and not the third.
    several = {"task": "tag", "target": "multi-label", "thresholds": (0.01, 0.01, 0.99)}
    made = {
        "notes": shipped.get("notes") or save_tiny(folder / "notes.onnx", tiny_card(temperature=40.0)),
        "symbols": shipped.get("symbols") or save_tiny(folder / "symbols.onnx", symbols),
        "tagger": save_tiny(folder / "tagger.onnx", tiny_card(temperature=200.0, **several)),
        "keys": save_keys(folder / "keys.onnx"),
    }
    return [f"{name}={path}" for name, path in made.items()]


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Start ``earmark serve`` and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    models = model_arguments(tmp_path_factory.mktemp("models"))
    command = [sys.executable, "-m", "earmark.cli", "serve", *models, "--port", str(port), "--limit", "n_own_models=2"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Start Chromium with a microphone that plays A4, C4 and E4 in turn."""
    path = os.environ.get("EARMARK_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium; on Debian: apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the dev group")
    song = tmp_path_factory.mktemp("microphone") / "song.wav"
    soundfile.write(song, melody(seconds=1.5), RATE_HZ)
    options = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={song}",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """Open the page; afterwards check that nothing was asked of anybody else and nothing went wrong in it."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900}, permissions=["microphone"])
    context.set_default_timeout(30_000)
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda stream: asked.append(stream.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(address)
    until(page, "document.querySelector('#model').options.length > 0")
    page.wrong = wrong
    yield page
    context.close()
    own = (address, address.replace("http", "ws"), "blob:", "data:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert wrong == []


@pytest.fixture
def snapshot(request):
    """Give a function that takes a screenshot for the documentation when a folder for them is named."""
    folder = os.environ.get("EARMARK_SCREENSHOTS")

    def take(page, name: str) -> None:
        if folder:
            bottom = page.evaluate("document.querySelector('footer').getBoundingClientRect().bottom + scrollY")
            size = {"width": page.viewport_size["width"], "height": bottom}
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True, clip={"x": 0, "y": 0, **size})

    return take
