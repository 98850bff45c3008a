"""Steps of the demo: recognise with the zoo, train a new recognizer, score it, and write a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from earmark.data import Manifest, read_manifest
from earmark.demo.samples import UNSEEN_TIMBRE, Sample, samples, write_keys
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
class Recognition:
    """Prediction of a built-in recognizer for one sample."""

    sample: Sample
    prediction: Prediction
    picture: str  # a data address, for the page


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Outcome of a demo.

    Attributes
    ----------
    recognitions
        What the built-in recognizers answered.
    run
        The training.
    learned
        What it was trained on, in words.
    page
        The report of the demo.
    """

    recognitions: tuple[Recognition, ...]
    run: Run
    learned: str
    page: Path


def run_demo(out: Path | str, *, data: Path | str | None = None, progress: Progress = no_progress) -> DemoResult:
    """Recognise, train, score and report, into the folder `out`.

    Parameters
    ----------
    out
        Folder for everything that is written; what an earlier, interrupted demo left there is used again.
    data
        Any source of labelled examples to learn from instead of synthesised keys.
    """
    out = Path(out)
    recognitions = tuple(_show(sample) for sample in samples())
    if data is None:
        manifest = read_manifest(write_keys(out / "keys", progress=progress))
        recipe = "demo/keys"
        learned = f"the 88 keys in six synthesised timbres, scored on one that training never used ({UNSEEN_TIMBRE})"
    else:
        manifest = read_manifest(data)
        recipe = recipe_for(manifest)
        learned = f"{len(manifest.labels)} labels of {manifest.name}, scored on groups that training never used"
    run = train(recipe, data=manifest, out=out / f"run-{manifest.fingerprint[:12]}", progress=progress)
    page = out / "index.html"
    write_text(page, _page(recognitions, run, learned, page.parent))
    return DemoResult(recognitions, run, learned, page)


def recipe_for(manifest: Manifest) -> str:
    """Return the general recipe that suits the data."""
    if manifest.domain not in RECIPES:
        raise DataError(
            f"{manifest.name}: holds {manifest.domain} data; the demo learns from sounds or drawings; "
            "for others see 'earmark recipes'"
        )
    return RECIPES[manifest.domain]


def _show(sample: Sample) -> Recognition:
    recognizer = load(sample.model)
    prediction = recognizer.predict(sample.content, name=sample.name)
    seen = recognizer.feature_map(sample.content)
    heard = recognizer.card.features.domain == "sound"
    return Recognition(sample, prediction, picture_figure(seen, origin="lower" if heard else "upper"))


def _page(recognitions: tuple[Recognition, ...], run: Run, learned: str, folder: Path) -> str:
    page: str = template("earmark.demo", "page.html.jinja", what="the demo").render(
        recognitions=recognitions,
        learned=learned,
        scores=run.scores,
        report=run.report.relative_to(folder).as_posix(),
        model=run.model.relative_to(folder).as_posix(),
    )
    return page
