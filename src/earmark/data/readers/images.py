"""Whether images are drawings or pictures of spectrograms: told by their names and looks, else asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from earmark.data.archive import source_of, split_member
from earmark.data.facts import gtzan_group, gtzan_track
from earmark.data.manifest import Example, Manifest
from earmark.errors import UnreadableError, UsageError
from earmark.pictures import GREY, Pixels, cut_margins, find_colour_map, find_margins, to_loudness
from earmark.types import Domain

log = logging.getLogger(__name__)

N_SAMPLED = 24
# Share of the pixels between paper and ink, above which grey images of one size are pictures, and below drawings.
_PICTURE_GREYS, _DRAWING_GREYS = 0.3, 0.15
_PAPER = 0.6


def with_domain(manifest: Manifest, wanted: Domain | None, *, source: object) -> Manifest:
    """Return a manifest of images as one of drawings or of spectrogram pictures.

    Parameters
    ----------
    manifest
        Of the domain ink.
    wanted
        What a person says that they are; None: look at some of them.
    source
        What the person called it, for messages.

    Raises
    ------
    UsageError
        When nobody says it and the images may be both, or pen strokes are called pictures.
    """
    n_strokes = sum(_is_strokes(example.path) for example in manifest.examples)
    if wanted == "picture" and n_strokes:
        raise UsageError(
            f"{source}: holds {n_strokes} files of pen strokes, which are drawings; leave --as picture out"
        )
    if wanted == "ink" or n_strokes == len(manifest):
        return manifest
    if wanted is None:
        found, why = _guess(manifest)
        if found is None:
            raise UsageError(
                f"{source}: its images may be spectrogram pictures or handwriting ({why}); add --as picture or --as ink"
            )
        if found == "ink":
            return manifest
        log.warning(
            "%s: takes its images for spectrogram pictures (%s); add --as ink if they are drawings", source, why
        )
    return replace(manifest, domain="picture", examples=tuple(map(_with_track, manifest.examples)))


def sample_of(manifest: Manifest, *, n: int = N_SAMPLED) -> list[Example]:
    """Return up to `n` examples from all over a manifest."""
    if not len(manifest):
        return []
    return [manifest.examples[place] for place in np.unique(np.linspace(0, len(manifest) - 1, n).astype(int))]


def _with_track(example: Example) -> Example:
    file, member = split_member(example.path)
    track = gtzan_track(PurePosixPath(member or file).stem)
    if track is None:
        return example
    # A group that a person gave stays; a file that stands for itself does not.
    group = gtzan_group(track) if example.group in ("", example.path) else example.group
    return replace(example, track=track, group=group)


def _is_strokes(path: str) -> bool:
    return path.lower().endswith(".txt")


def _guess(manifest: Manifest) -> tuple[Domain | None, str]:
    """Return what the images are and why; None where that is not clear."""
    chosen = sample_of(manifest)
    names = [PurePosixPath(example.path.replace("::", "/")).stem for example in chosen]
    if sum(gtzan_track(name) is not None for name in names) > len(names) / 2:
        return "picture", f"names of GTZAN tracks such as {names[0]}"
    images = _read(manifest, chosen)
    if not images:
        return "ink", "none of those looked at can be read"
    sizes = {image.shape[:2] for image in images}
    inside = [cut_margins(image, find_margins(images)) for image in images]
    colours = find_colour_map(inside)
    height, width = images[0].shape[:2]
    if colours not in (None, GREY) and len(sizes) == 1:
        return "picture", f"the colours of {colours}, all {height} × {width} pixels"
    return _guess_by_grey([to_loudness(image, GREY) for image in inside], colours, one_size=len(sizes) == 1)


def _guess_by_grey(
    planes: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]], colours: str | None, *, one_size: bool
) -> tuple[Domain | None, str]:
    """Tell by how much there is of neither paper nor ink."""
    between, paper = (float(np.median(each)) for each in zip(*map(_greys, planes), strict=True))
    size = "one size" if one_size else "different sizes"
    what = f"{size}, {100 * between:.0f} % of them half-tones"
    if colours is GREY and (not one_size or between < _DRAWING_GREYS) and paper >= _PAPER:
        return "ink", what
    if colours is GREY and one_size and between > _PICTURE_GREYS:
        return "picture", f"grey, {what}"
    if colours is GREY and not one_size and between < _PICTURE_GREYS:
        return "ink", what
    return None, what if colours is GREY else f"colours of no known map, {what}"


def _greys(plane: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    """Return the share of half-tones, and the share of pixels like the commonest one when that is bright, else 0."""
    counts, edges = np.histogram(plane, bins=16, range=(0, 1))
    paper = float(edges[counts.argmax()]) + 1 / 32
    darkest = float(plane.min())
    if paper - darkest < 1 / 8:
        # Blank paper, or white on black.
        like = float((np.abs(plane - paper) < 1 / 8).mean())
        brightest = float(plane.max())
        low, high = paper + (brightest - paper) / 4, paper + 3 * (brightest - paper) / 4
        return float(((plane > low) & (plane < high)).mean()), like if paper > 1 / 2 else 0.0
    low, high = darkest + (paper - darkest) / 4, darkest + 3 * (paper - darkest) / 4
    like = float((np.abs(plane - paper) < 1 / 8).mean())
    return float(((plane > low) & (plane < high)).mean()), like if paper > 1 / 2 else 0.0


def _read(manifest: Manifest, examples: Sequence[Example]) -> list[Pixels]:
    from earmark.ink import read_image

    images = []
    for example in examples:
        if _is_strokes(example.path):
            continue
        try:
            image = read_image(source_of(manifest.root, example.path))
        except UnreadableError:
            # Whoever reads the examples names those that are bad.
            continue
        images.append(image.pixels)
    return images
