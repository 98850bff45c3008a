"""The report: whole, self-contained, readable by machines and people."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from earmark.errors import DataError
from earmark.evaluation import Outcome, score, worst_mistakes, write_report
from earmark.evaluation.figures import confusion_figure, curves_figure, picture_figure
from tiny import KEY_NAMES

LABELS = ("gClef", "<b>bold</b> & co", "4-4-Time", "Sharp")
CURVES = [
    {"epoch": "1", "train_loss": "1.9", "train_accuracy": "0.3", "valid_loss": "", "learning_rate": "0.001"},
    {"epoch": 2, "train_loss": 1.1, "train_accuracy": 0.6, "valid_loss": 1.2, "valid_accuracy": 0.55},
]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def outcome():
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 120)
    logits = 3 * random.normal(size=(120, 4)) + 4 * np.eye(4)[truth]
    made = Outcome.from_logits(logits, truth, labels=LABELS, groups=[f"writer{i % 12}" for i in range(120)])
    return made.calibrated(1.7)


@pytest.fixture(scope="module")
def report(tmp_path_factory, outcome):
    path = tmp_path_factory.mktemp("report") / "report.html"
    asked = []

    def picture(row):
        asked.append(row)
        return np.outer(np.linspace(0, 1, 20), np.ones(30)).astype(np.float32)

    write_report(
        path,
        title="symbols <3",
        scores=score(outcome, protocol="grouped 70/15/15 seed 0, test part", seeds=(0,), n_resamples=100),
        outcome=outcome,
        curves=CURVES,
        picture=picture,
        origin="upper",
        card={"about": "Reads symbols.", "limits": ["Ink only."]},
    )
    assert asked == list(worst_mistakes(outcome))
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(report):
    return Page(report)


def test_the_page_asks_for_nothing_else(page, report):
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "href", "srcset", "data") if name in attrs]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert "url(" not in report
    assert "@import" not in report


def test_the_page_is_well_formed_and_accessible(page):
    assert page.open == []
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    assert all(header["scope"] in {"row", "col"} for header in page.all("th"))
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_page_holds_every_figure(page, outcome):
    alts = " ".join(image["alt"] for image in page.all("img"))
    for words in ("Training and validation loss", "Confusion matrix of 4 labels", "Reliability diagram"):
        assert words in alts
    pictures = [image["src"] for image in page.all("img") if image["src"].startswith("data:image/png")]
    assert len(pictures) == len(worst_mistakes(outcome)) == 12


def test_figures_are_self_contained_svg_in_the_readers_colours(page):
    figures = [image["src"] for image in page.all("img") if image["src"].startswith("data:image/svg+xml")]
    assert len(figures) == 3
    for figure in figures:
        text = base64.b64decode(figure.partition(",")[2]).decode()
        root = ET.fromstring(text)  # noqa: S314 - made by ourselves
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme:dark" in text
        assert "currentColor" in text
        links = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
        assert all(link.startswith("#") for link in links)


def test_no_accuracy_is_numbered_above_100():
    row = {"epoch": 1, "train_loss": 0.1, "train_accuracy": 1.0, "valid_loss": 0.2, "valid_accuracy": 1.0}
    root = ET.fromstring(base64.b64decode(curves_figure([row]).partition(",")[2]))  # noqa: S314 - made by ourselves
    texts = [(node.text or "").strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]
    numbers = [float(text) for text in texts if re.fullmatch(r"\d+(\.\d+)?", text)]
    assert max(numbers) == 100


def test_the_page_says_what_was_measured(page, outcome):
    text = re.sub(r"\s+", " ", page.text)
    scores = score(outcome, protocol="grouped 70/15/15 seed 0, test part", seeds=(0,), n_resamples=100)
    assert scores.sentence in text
    assert "symbols <3" in text
    assert "<b>bold</b> & co" in text
    assert "Reads symbols." in text
    assert "Ink only." in text
    assert "resampled whole" in text
    assert f"{100 * scores.ece_uncalibrated:.1f} % before the temperature" in text


def test_worst_mistakes_are_wrong_and_sorted(outcome):
    rows = worst_mistakes(outcome, 5)
    assert not outcome.correct[list(rows)].any()
    assert list(rows) == sorted(rows, key=lambda row: -outcome.confidence[row])
    assert outcome.confidence[rows[0]] == outcome.confidence[~outcome.correct].max()


def test_a_bare_report_of_a_perfect_recognizer(tmp_path):
    perfect = Outcome.from_logits(9 * np.eye(4), range(4), labels=LABELS)
    path = tmp_path / "report.html"
    write_report(path, title="t", scores=score(perfect, protocol="p"), outcome=perfect)
    text = Page(path.read_text(encoding="utf-8")).text
    assert "None: every answer is right." in text
    assert "Wilson" in text
    assert "Learning" not in text


def test_unreadable_files_are_listed(tmp_path, outcome):
    lost = replace(outcome, failures=(("bad.wav", "bad.wav: holds no samples"),))
    path = tmp_path / "report.html"
    write_report(path, title="t", scores=score(lost, protocol="p", n_resamples=100), outcome=lost)
    assert "bad.wav: holds no samples" in Page(path.read_text(encoding="utf-8")).text


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path, outcome):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_report(
            tmp_path / "file" / "report.html",
            title="t",
            scores=score(outcome, protocol="p", n_resamples=100),
            outcome=outcome,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_confusion_of_88_keys_names_every_key():
    keys = KEY_NAMES
    text = base64.b64decode(confusion_figure(3 * np.eye(88, dtype=int), keys).partition(",")[2]).decode()
    for key in keys:
        assert text.count(f">{key}<") == 2
    # Only cells that hold something are drawn.
    assert text.count("<path") < 300


def test_pictures_are_drawn_the_right_way_up():
    ramp = np.outer(np.arange(8), np.ones(8))
    brightness = {}
    for origin in ("lower", "upper"):
        data = base64.b64decode(picture_figure(ramp, origin=origin).partition(",")[2])
        grey = np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean(axis=1)
        brightness[origin] = (grey[0], grey[-1])
    # A spectrogram is brightest where it is loudest, here in the last row, drawn at the top.
    assert brightness["lower"][0] > brightness["lower"][1]
    # Ink is dark, here in the last row, drawn at the bottom.
    assert brightness["upper"][0] > brightness["upper"][1]


def test_a_flat_picture_is_drawn():
    data = base64.b64decode(picture_figure(np.full((4, 6), 7.0), origin="lower").partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (6, 4)
