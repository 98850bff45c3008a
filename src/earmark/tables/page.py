"""An exploration as one HTML page: the table of transforms and models, and every figure."""

from __future__ import annotations

import base64
from pathlib import Path

from earmark.evaluation.templates import template
from earmark.files import write_text
from earmark.tables.exploration import ExplorationResult

_CAPTIONS = {
    "heatmap": "Accuracy of every transform with every model",
    "importances": "What the best model loses when one column is shuffled",
    "components": "Principal components: the variance that they explain, and the rows on the first two",
    "clusters": "Clusters without labels: how well k of them fit, and which labels are in which",
    "learning": "Loss over the epochs",
    "search": "Accuracy by setting, of the training rows and of those that settings are chosen by",
    "confusion": "Answers (columns) to each label (rows)",
}


def _caption(place: Path) -> str:
    """Return what a figure shows, in words."""
    if len(place.parts) == 1:
        return _CAPTIONS[place.stem]
    transform, _, model = place.stem.partition("-")
    return f"{_CAPTIONS[place.parts[0]]}: {transform} + {model}"


def write_page(findings: ExplorationResult, folder: Path) -> Path:
    """Write ``exploration.html`` beside the figures that `write_results` has written; return it.

    Raises
    ------
    MissingExtraError
        When Jinja is not installed.
    DataError
        When it cannot be written.
    """
    outline = template("earmark.tables", "exploration.html.jinja", what="a page")
    places = [folder / name for name in ("heatmap.png", "importances.png", "components.png", "clusters.png")]
    places += sorted((folder / "learning").glob("*.png")) + sorted((folder / "search").glob("*.png"))
    places += sorted((folder / "confusion").glob("*.png"))
    figures = [
        (_caption(place.relative_to(folder)), base64.b64encode(place.read_bytes()).decode())
        for place in places
        if place.is_file()
    ]
    path = folder / "exploration.html"
    write_text(path, outline.render(findings=findings, figures=figures))
    return path
