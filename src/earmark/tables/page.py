"""An exploration as one HTML page: the table of transforms and models, and every figure."""

from __future__ import annotations

import base64
from pathlib import Path

from earmark.evaluation.templates import template
from earmark.files import write_text
from earmark.tables.exploration import ExplorationResult


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
        (place.relative_to(folder).with_suffix("").as_posix(), base64.b64encode(place.read_bytes()).decode())
        for place in places
        if place.is_file()
    ]
    path = folder / "exploration.html"
    write_text(path, outline.render(findings=findings, figures=figures))
    return path
