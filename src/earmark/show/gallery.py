"""A page of examples of every label: waveform, picture and a play button, and what a network sees of them."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earmark.data import Example, Manifest, read_content
from earmark.errors import DataError
from earmark.evaluation.templates import template
from earmark.files import write_bytes, write_text
from earmark.pictures import Pixels
from earmark.show.render import Look, picture_of, png_of, waveform_of
from earmark.text import encodable
from earmark.types import Content, FloatArray, Progress, Sound, no_progress

if TYPE_CHECKING:
    from earmark.training import Recipe

log = logging.getLogger(__name__)

PLAYED_S = 8.0
_STEM_LETTERS = 60
"""A page plays the first seconds of a sound; more would make it large."""


@dataclass(frozen=True, slots=True)
class _Card:
    """What the page shows of one example."""

    name: str
    group: str
    pictures: tuple[tuple[str, str], ...]
    sound: str


def write_gallery(  # noqa: PLR0913 - what a page shows
    manifest: Manifest,
    out: Path,
    *,
    per_label: int = 3,
    look: Look | None = None,
    recipe: Recipe | None = None,
    n_augmented: int = 0,
    progress: Progress = no_progress,
) -> Path:
    """Write ``gallery.html`` and a PNG of every picture on it; return the page.

    Parameters
    ----------
    manifest
        Sounds, drawings or pictures.
    out
        Folder, made when missing.
    per_label
        Examples of each label, from as many groups as there are.
    look
        How pictures look.
    recipe
        Also show what its network sees.
    n_augmented
        Also so many augmented views of it, as the network is trained on.

    Raises
    ------
    DataError
        When no example can be read.
    MissingExtraError
        When Jinja is not installed.
    """
    outline = template("earmark.show", "gallery.html.jinja", what="a gallery")
    look = look or Look()
    seen = _views(recipe, manifest, n_augmented)
    chosen = {label: _spread(manifest, label, per_label) for label in manifest.labels}
    n_all, done = sum(map(len, chosen.values())), 0
    cards: dict[str, list[_Card]] = {}
    stems = file_stems(manifest.labels)
    for label, examples in chosen.items():
        cards[label] = []
        for number, example in enumerate(examples):
            done += 1
            progress("gallery", done, n_all, label)
            try:
                content = read_content(manifest, example)
                named = [*_plain(content, look), *seen(example)]
            except DataError as error:
                log.warning("%s", error)
                continue
            cards[label].append(_card(example, content, named, out / "pictures" / f"{stems[label]}-{number + 1}"))
    if not any(cards.values()):
        raise DataError(f"{manifest.name}: none of the examples that were looked at can be read")
    counts = {label: sum(example.label == label for example in manifest) for label in manifest.labels}
    page = outline.render(name=manifest.name, labels=cards, counts=counts, n=len(manifest), recipe=recipe)
    path = out / "gallery.html"
    write_text(path, page)
    return path


def file_stems(labels: Sequence[str]) -> dict[str, str]:
    """Return names of files for labels, each another one on every file system.

    >>> file_stems(["R&B", "r b", "hip hop"])
    {'R&B': 'R_B', 'r b': 'r_b_', 'hip hop': 'hip_hop'}
    """
    taken: dict[str, str] = {}
    for label in labels:
        stem = "".join(letter if letter.isalnum() or letter in "-_#" else "_" for letter in label)[:_STEM_LETTERS]
        while stem.casefold() in {other.casefold() for other in taken.values()}:
            stem += "_"
        taken[label] = stem
    return taken


def _spread(manifest: Manifest, label: str, n: int) -> list[Example]:
    """Return examples of a label, of different groups where there are several, in the order of the manifest."""
    members = [example for example in manifest if example.label == label]
    first_of_group = list({example.group: example for example in reversed(members)}.values())[::-1]
    others = [example for example in members if example not in first_of_group]
    among = first_of_group if len(first_of_group) >= n else [*first_of_group, *others][:n]
    places = np.unique(np.linspace(0, len(among) - 1, min(n, len(among))).round().astype(int))
    return [among[place] for place in places]


def _plain(content: Content, look: Look) -> list[tuple[str, Pixels]]:
    pictures = [("waveform", waveform_of(content))] if isinstance(content, Sound) else []
    return [*pictures, ("spectrogram" if isinstance(content, Sound) else "picture", picture_of(content, look))]


def _card(example: Example, content: Content, named: list[tuple[str, Pixels]], stem: Path) -> _Card:
    pictures = []
    for words, pixels in named:
        png = png_of(pixels)
        write_bytes(stem.with_name(f"{stem.name}-{words.replace(' ', '-')}.png"), png)
        pictures.append((words, f"data:image/png;base64,{base64.b64encode(png).decode()}"))
    name = f"{example.track} ({example.path})" if example.path.rpartition("::")[2].isdecimal() else example.path
    group = example.group if example.group != example.path else ""
    return _Card(encodable(name), encodable(group), tuple(pictures), _played(content))


def _played(content: Content) -> str:
    """Return the beginning of a sound as the address of an audio element; nothing for what makes no sound."""
    if not isinstance(content, Sound):
        return ""
    import soundfile

    stream = io.BytesIO()
    samples = content.samples[: round(PLAYED_S * content.sample_rate_hz)]
    soundfile.write(stream, np.clip(samples, -1, 1), content.sample_rate_hz, format="WAV", subtype="PCM_16")
    return f"data:audio/wav;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _views(recipe: Recipe | None, manifest: Manifest, n: int) -> Callable[[Example], list[tuple[str, Pixels]]]:
    """Return what shows the input of a network for an example: plain, and augmented as in training."""
    if recipe is None:
        return lambda _example: []
    from earmark.show.network import network_views

    views = network_views(recipe, manifest, n_augmented=n)

    def shown(example: Example) -> list[tuple[str, Pixels]]:
        return [(words, _drawn(values, recipe)) for words, values in views(example)]

    return shown


def _drawn(values: FloatArray, recipe: Recipe) -> Pixels:
    """Return an input of a network in 0…1 as an image."""
    if recipe.features.domain == "ink":
        grey = np.rint(255 * (1 - np.clip(values, 0, 1))).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    from earmark.show.render import coloured

    return coloured(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8), Look())
