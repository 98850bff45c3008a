"""HTML page of a report, with pictures: it needs no script and no network."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data import Example, Manifest, read_content, read_manifest
from earmark.doctor.findings import FAMILIES, Finding, Report
from earmark.doctor.landmarks import RATE_HZ, power_spectra
from earmark.doctor.survey import whatever_is_there
from earmark.errors import DataError, EarmarkError
from earmark.evaluation.figures import Origin, picture_figure
from earmark.evaluation.templates import template
from earmark.files import write_text
from earmark.ink import draw_strokes, trace
from earmark.pictures import as_picture
from earmark.storage import as_path
from earmark.text import encodable
from earmark.types import Domain, FloatArray, Image, Ink, Picture, Sound

N_SHOWN = 40
"""Findings of one kind on the page; the JSON has all."""

N_PICTURED = 8
"""Of them with pictures."""

SHOWN_S = 30.0


def write_page(
    path: Path | str, report: Report, *, source: Manifest | Path | str, domain: Domain | None = None
) -> None:
    """Write the page.

    Parameters
    ----------
    path
        Where to; written atomically.
    report
        What was found.
    source, domain
        What was looked at; examples are read again for their pictures.

    Raises
    ------
    MissingExtraError
        When Jinja or Matplotlib is not installed.
    DataError
        When `path` cannot be written.
    """
    outline = template("earmark.doctor", "page.html.jinja", what="a report")
    manifest = _manifest(source, domain)
    families = [(family, list(_kinds(report, family, manifest))) for family in FAMILIES]
    page = outline.render(
        report=report,
        families=[(family, kinds) for family, kinds in families if kinds],
        n_of={level: sum(f.severity == level for f in report.findings) for level in ("error", "warning", "note")},
    )
    write_text(path, encodable(page))


def _manifest(source: Manifest | Path | str, domain: Domain | None) -> Manifest | None:
    if isinstance(source, Manifest):
        return source
    try:
        return read_manifest(source, domain=domain, quarantined=True)
    except DataError:
        try:
            return whatever_is_there(as_path(source).absolute()) if as_path(source).is_dir() else None
        except DataError:
            return None


def _kinds(report: Report, family: str, manifest: Manifest | None) -> Iterable[dict[str, Any]]:
    """Yield what the page shows of each kind of finding."""
    by_path = {example.path: example for example in manifest or ()}
    of_family = [finding for finding in report.findings if finding.family == family]
    for (severity, kind), found in groupby(of_family, key=lambda finding: (finding.severity, finding.kind)):
        findings = list(found)
        yield {
            "kind": kind,
            "severity": severity,
            "n": len(findings),
            "advice": list(dict.fromkeys(finding.advice for finding in findings if finding.advice)),
            "shown": [
                {"finding": finding, "pictures": _pictures(finding, manifest, by_path) if n < N_PICTURED else []}
                for n, finding in enumerate(findings[:N_SHOWN])
            ],
        }


def _pictures(finding: Finding, manifest: Manifest | None, by_path: dict[str, Example]) -> list[tuple[str, str]]:
    """Return names and pictures of the examples of a finding about one or two of them, as far as they can be read."""
    if manifest is None or not 1 <= len(finding.paths) <= 2 or manifest.domain == "table":
        return []
    shown = []
    for path in finding.paths:
        try:
            values, origin = _picture(manifest, by_path[path])
        except (EarmarkError, OSError, KeyError):
            # What is broken or gone has no picture.
            continue
        shown.append((path, picture_figure(values, origin=origin)))
    return shown


def _picture(manifest: Manifest, example: Example) -> tuple[FloatArray, Origin]:
    content = read_content(manifest, example)
    if isinstance(content, Ink):
        return draw_strokes(content, height=96, width=96, pen_width_px=2.5), "upper"
    if isinstance(content, Image) and manifest.domain == "picture":
        return as_picture(content).values, "lower"
    if isinstance(content, Image):
        return trace(content, height=96, width=96, pen_width_px=2.5), "upper"
    if isinstance(content, Picture):
        return np.asarray(content.values, np.float32), "lower"
    if not isinstance(content, Sound):  # tables have no pictures
        raise TypeError(f"{example.path} cannot be shown")
    return spectrogram(content), "lower"


def spectrogram(sound: Sound) -> FloatArray:
    """Return a small picture of at most the first 30 s, in dB over 80 dB, ``(freq, time)``."""
    samples = sound.samples[: round(SHOWN_S * sound.sample_rate_hz)]
    size = 1024 if sound.sample_rate_hz > RATE_HZ else 512
    power = power_spectra(samples, n_fft=size, hop_samples=max(size // 4, len(samples) // 480))
    level_db = 10 * np.log10(power.T[:: size // 256] + 1e-9)
    return np.asarray(np.maximum(level_db, level_db.max() - 80), dtype=np.float32)
