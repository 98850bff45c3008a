"""What the demo does, in order: recognise with the zoo, learn something new, score it honestly, write it all down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from earmark.data import Manifest, read_manifest
from earmark.demo.specimens import UNSEEN_TIMBRE, Specimen, specimens, write_keys
from earmark.errors import DataError
from earmark.evaluation.figures import picture_figure
from earmark.evaluation.templates import template
from earmark.files import write_text
from earmark.recognizer import load
from earmark.runs.artifacts import Run
from earmark.runs.pipeline import train
from earmark.types import Prediction, Progress, no_progress

RECIPES = {"sound": "sound", "ink": "drawing"}


@dataclass(frozen=True, slots=True)
class Showing:
    """A specimen, and what the zoo says about it."""

    specimen: Specimen
    prediction: Prediction
    picture: str  # a data address, for the page


@dataclass(frozen=True, slots=True)
class Story:
    """What happened.

    Attributes
    ----------
    showings
        What the zoo recognised.
    run
        The training.
    learned
        What it was trained on, in words.
    page
        The report of the demo.
    """

    showings: tuple[Showing, ...]
    run: Run
    learned: str
    page: Path


def tell(out: Path | str, *, data: Path | str | None = None, progress: Progress = no_progress) -> Story:
    """Recognise, learn, score and report, into the folder `out`.

    Parameters
    ----------
    out
        Folder for everything that is written; what an earlier, interrupted demo left there is used again.
    data
        Any source of labelled examples to learn from instead of synthesised keys.
    """
    out = Path(out)
    showings = tuple(_show(specimen) for specimen in specimens())
    if data is None:
        manifest = read_manifest(write_keys(out / "keys", progress=progress))
        recipe = "demo/keys"
        learned = f"the 88 keys in six synthesised timbres, scored on one that it never heard ({UNSEEN_TIMBRE})"
    else:
        manifest = read_manifest(data)
        recipe = recipe_for(manifest)
        learned = f"{len(manifest.labels)} labels of {manifest.name}, scored on groups that it never saw"
    run = train(recipe, data=manifest, out=out / f"run-{manifest.fingerprint[:12]}", progress=progress)
    page = out / "index.html"
    write_text(page, _page(showings, run, learned, page.parent))
    return Story(showings, run, learned, page)


def recipe_for(manifest: Manifest) -> str:
    """Return the general recipe that suits the data."""
    if manifest.domain not in RECIPES:
        raise DataError(
            f"{manifest.name}: holds {manifest.domain} data; the demo learns from sounds or drawings; "
            "for others see 'earmark recipes'"
        )
    return RECIPES[manifest.domain]


def _show(specimen: Specimen) -> Showing:
    recognizer = load(specimen.model)
    prediction = recognizer.predict(specimen.content, name=specimen.name)
    seen = recognizer.picture(specimen.content)
    heard = recognizer.card.features.domain == "sound"
    return Showing(specimen, prediction, picture_figure(seen, origin="lower" if heard else "upper"))


def _page(showings: tuple[Showing, ...], run: Run, learned: str, folder: Path) -> str:
    page: str = template("earmark.demo", "page.html.jinja", what="the demo").render(
        showings=showings,
        learned=learned,
        scores=run.scores,
        report=run.report.relative_to(folder).as_posix(),
        model=run.model.relative_to(folder).as_posix(),
    )
    return page
