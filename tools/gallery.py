"""Make the pictures of docs/gallery.md that come from commands: a timeline, explanations, and the tops of two pages.

The pages need Debian's Chromium: `make browser`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from earmark import cli

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COMMANDS = (
    "samples",
    "predict notes samples/melody.flac --timeline -o timeline.png",
    "predict notes samples/key.flac --explain -o explained-key.png",
    "predict symbols samples/clef.txt --explain -o explained-clef.png",
    "check samples/instruments.csv --html doctor.html",
    "train drawing --data samples/symbols.csv -o run --set training.batch_size=8 --set training.epochs=15",
)
PAGES = {"doctor": "doctor.html", "report": "run/report.html"}


def main() -> None:
    """Run the commands in a temporary folder and keep their pictures."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for command in COMMANDS:
            try:
                cli.main(command.split())
            except SystemExit as stop:
                if stop.code:
                    sys.exit(f"earmark {command}: ended with {stop.code}")
        for picture in Path(place).glob("*.png"):
            shutil.copy(picture, IMAGES / picture.name)
        _photograph(Path(place))


def _photograph(place: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        for name, source in PAGES.items():
            page.goto((place / source).as_uri())
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
