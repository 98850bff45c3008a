"""``earmark show``: pictures of a data set, as a gallery or of everything in it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.output import complain
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import Groups, Kind, read_source
from earmark.errors import UsageError
from earmark.text import counted

if TYPE_CHECKING:
    from earmark.features import SoundFeatures
    from earmark.show import Look
    from earmark.training import Recipe


class Form(StrEnum):
    """What a whole set is written as."""

    png = "png"
    npz = "npz"


def show(
    source: Annotated[str, typer.Argument(help="Folder of classes, manifest, HOMUS zip, GTZAN folder, npz.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    per_label: Annotated[
        int, typer.Option("--per-label", min=1, help="Number of examples of each label in the gallery.")
    ] = 3,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="Also show what the network of this recipe sees."),
    ] = None,
    augmented: Annotated[
        int,
        typer.Option("--augmented", min=0, help="With --recipe: number of augmented inputs to show for each example."),
    ] = 0,
    everything: Annotated[
        bool, typer.Option("--all", help="Write a picture of every example instead of a gallery.")
    ] = False,
    form: Annotated[Form, typer.Option("--as", help="With --all: write PNG files, or one array.")] = Form.png,
    segment_s: Annotated[
        float | None,
        typer.Option(
            "--segment-s",
            min=0.05,
            help="With --all: cut sounds into segments of so many seconds, and write a picture of each.",
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            "--features", metavar="KIND", help="Kind of spectrogram for sounds: log-mel, linear or constant-q."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the spectrogram: --set n_mels=64."),
    ] = None,
    colour_map: Annotated[
        str, typer.Option("--colours", metavar="NAME", help="Colours of spectrograms: magma, viridis, grey, …")
    ] = "magma",
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="Height and width of every picture in pixels.")
    ] = None,
    pen: Annotated[float, typer.Option("--pen", min=0.5, help="Width of the pen that draws strokes, in pixels.")] = 2.5,
    kind: Annotated[
        Kind | None, typer.Option("--read-as", help="Read images as picture (of a spectrogram) or ink (a drawing).")
    ] = None,
    groups: Groups = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Number of processes; by default one for each core.")
    ] = None,
) -> None:
    """Write a gallery of examples of each label, or with --all a picture of every example.

    If a command with --all was stopped, the same command continues it. An example that cannot be read is
    named on stderr, the others are still done, and the exit code is 1.
    """
    from earmark.show import render_all, write_gallery

    if augmented and recipe is None:
        raise UsageError("--augmented shows what a network is trained on; say which by --recipe")
    settings = _recipe(recipe, changes)
    if augmented and settings is not None and not settings.augment:
        raise UsageError(f"--augmented {augmented}: the recipe '{recipe}' augments nothing; leave --augmented out")
    manifest = read_source(source, kind=kind, groups=groups)
    look = _look(_features(features, changes, settings), colour_map=colour_map, size=size, pen=pen)
    with progress_on_stderr() as progress:
        if not everything:
            page = write_gallery(
                manifest, out, per_label=per_label, look=look, recipe=settings, n_augmented=augmented, progress=progress
            )
            print(page)
            return
        made = render_all(
            manifest, out, look=look, form=form.value, segment_s=segment_s, workers=workers, progress=progress
        )
    print(f"{made.manifest}: {counted(made.n_pictures, 'picture')}")
    for failure in made.failures:
        complain(failure)
    if made.failures:
        raise typer.Exit(1)


def _recipe(name: str | None, changes: list[str] | None) -> Recipe | None:
    if name is None:
        return None
    from earmark.training import load_recipe

    return load_recipe(name, overrides=changes or ())


def _features(kind: str | None, changes: list[str] | None, recipe: Recipe | None) -> SoundFeatures:
    """Return the features that sounds are drawn by: those named, those of the recipe, or log-mel."""
    from earmark.config import apply_overrides, parse_kind
    from earmark.features import FEATURES, LogMel, SoundFeatures

    if kind is None and recipe is not None:
        return recipe.features if isinstance(recipe.features, SoundFeatures) else LogMel()
    values: dict[str, Any] = apply_overrides({"kind": kind or "log-mel"}, () if recipe else changes or ())
    found = parse_kind(FEATURES, values, where="--features")
    if not isinstance(found, SoundFeatures):
        raise UsageError(f"--features {kind}: is no spectrogram of a sound; choose log-mel, linear or constant-q")
    return found


def _look(features: SoundFeatures, *, colour_map: str, size: str | None, pen: float) -> Look:
    from earmark.errors import UnknownNameError
    from earmark.pictures import COLOUR_MAPS
    from earmark.show import Look

    if colour_map not in COLOUR_MAPS:
        raise UnknownNameError("colour map", colour_map, COLOUR_MAPS)
    sides = None
    if size is not None:
        height, _, width = size.lower().partition("x")
        if not (height.isdecimal() and (width or height).isdecimal()) or min(int(height), int(width or height)) < 8:
            raise UsageError(f"--size {size}: write height and width of 8 pixels or more, such as 96x192")
        sides = int(height), int(width or height)
    return Look(features=features, colour_map=colour_map, size=sides, pen_px=pen)
