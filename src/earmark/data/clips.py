"""Clips: spans of equal length that sounds are cut into before they are divided."""

from __future__ import annotations

from dataclasses import replace

from earmark.data.archive import source_of
from earmark.data.manifest import Example, Manifest
from earmark.errors import DataError


def clips_of(manifest: Manifest, length_s: float) -> Manifest:
    """Return an example for each clip of each sound, with the label, group, track and split of the sound.

    Clips follow one another. A rest of at least half a clip becomes one that is aligned with the end; a sound shorter
    than a clip is one. With ``protocol = "random"`` they are dealt as in most class projects: clips of one track are in
    several parts, and scores are too good.

    Raises
    ------
    DataError
        When the manifest holds no sounds, or the header of one cannot be read.
    """
    if manifest.domain != "sound":
        raise DataError(f"{manifest.name}: holds {manifest.domain} data; only sounds are cut into clips")
    clips = (clip for example in manifest for clip in _clips(manifest, example, length_s))
    return replace(manifest, examples=tuple(clips))


def _clips(manifest: Manifest, example: Example, length_s: float) -> list[Example]:
    from earmark import sound

    source = source_of(manifest.root, example.path)
    begin_s = example.start_s or 0.0
    whole_s = example.duration_s or sound.info(source).duration_s - begin_s
    starts_s = [place * length_s for place in range(max(1, int(whole_s / length_s + 1e-6)))]
    if whole_s - starts_s[-1] - length_s >= length_s / 2:
        starts_s.append(whole_s - length_s)
    duration_s = min(length_s, whole_s)
    return [replace(example, start_s=begin_s + start_s, duration_s=duration_s) for start_s in starts_s]
