"""Evaluation protocols in words, and train-test overlap: which of the scored examples a recognizer was trained on.

A score on training examples shows that a recognizer works, not how good it is; a score on other recordings of the same
artist, writer or piano is too high as well. Content, recording and group are compared. Files of format 2 carry hashed
sets of what they were trained on. For files of format 1, these sets are made again from the data set, when it is the
very same, or from a published split.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Self

from earmark.data import SPLITS, Example, Manifest, Split, apply_split
from earmark.data.facts import PUBLISHED_SPLITS, published_split
from earmark.errors import EarmarkError
from earmark.recognizer.card import PART_NAMES, Card, DataSummary
from earmark.recognizer.provenance import HashSet, content_key, group_key, gtzan_group_key, recording_keys

LEAKING = "random"
LEAK = " (groups on both sides)"


def describe_protocol(split: str | None, part: str | None, *, source: str = "the data") -> str:
    """Return one line saying how the scored examples were chosen.

    Parameters
    ----------
    split
        The split in words, as `earmark.data.Split.description` gives it; None when the data came with its parts.
    part
        ``"train"``, ``"valid"`` or ``"test"``; None for all examples: nothing was held out here, so the figure is only
        honest for data that was never trained on.
    source
        Name of the data, used when nothing was split.

    Examples
    --------
    >>> describe_protocol("grouped 70/15/15, seed 0", "test")
    'grouped 70/15/15, seed 0, test part'
    >>> describe_protocol("gtzan/fault-filtered", "valid")
    'gtzan/fault-filtered, validation part'
    >>> describe_protocol("random 70/15/15, seed 0", "test")
    'random 70/15/15, seed 0, test part (groups on both sides)'
    >>> describe_protocol(None, None, source="HOMUS.zip")
    'all examples of HOMUS.zip'
    """
    if part is None:
        return f"all examples of {source}"
    if split is None:
        return f"{PART_NAMES.get(part, part)} part of {source}"
    return f"{split}, {PART_NAMES.get(part, part)} part{LEAK if split.startswith(LEAKING) else ''}"


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """Keys of what a recognizer was trained on, see `earmark.recognizer.provenance`."""

    contents: Container[str]
    recordings: Container[str]
    groups: Container[str]

    @classmethod
    def of_summary(cls, data: DataSummary) -> Self:
        """Return the sets that a card of format 2 carries."""
        return cls(HashSet(data.content_hashes), HashSet(data.track_hashes), HashSet(data.group_hashes))

    @classmethod
    def of_examples(cls, examples: Iterable[Example]) -> Self:
        """Return the sets of known training examples."""
        examples = tuple(examples)
        return cls(
            {key for example in examples if (key := content_key(example))},
            {key for example in examples for key in recording_keys(example)},
            {key for example in examples if (key := group_key(example))},
        )

    @classmethod
    def of_tracks(cls, tracks: Iterable[str]) -> Self:
        """Return the sets of known GTZAN tracks."""
        tracks = tuple(tracks)
        return cls(frozenset(), {f"gtzan/{track}" for track in tracks}, {gtzan_group_key(track) for track in tracks})


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of the scored examples a recognizer was trained on.

    Attributes
    ----------
    n
        Scored examples.
    n_learned
        Of these, contents or recordings that it was trained on.
    n_groups_learned
        Of the others, those of groups (artists, writers, pianos) that it was trained on.
    n_same_source
        Examples of the data set that it was trained on, when nothing tells which of it; else 0.
    """

    n: int
    n_learned: int = 0
    n_groups_learned: int = 0
    n_same_source: int = 0

    @property
    def remark(self) -> str:
        """What the protocol of the scores says about it, with a space before; empty without overlap."""
        parts = []
        if self.n_learned:
            parts.append(f"{self.n_learned} of {self.n} examples learned from")
        if self.n_groups_learned:
            parts.append(f"{self.n_groups_learned} of {self.n} of groups learned from")
        if self.n_same_source:
            parts.append(f"{self.n_same_source} of {self.n} of a data set learned from")
        return f" ({', '.join(parts)})" if parts else ""

    def sentence(self, name: str) -> str:
        """Return why the score of the recognizer `name` says too much; empty without overlap."""
        n, n_groups = self.n_learned, self.n_groups_learned
        if n:
            what = f"from {n} of these {self.n} examples"
            more = f", and from others of the groups of {n_groups} more" if n_groups else ""
        elif n_groups:
            groups = "the groups (artists, writers, pianos)"
            what, more = f"from others of {groups} of {n_groups} of these {self.n} examples", ""
        elif self.n_same_source:
            what = f"from the data set of {self.n_same_source} of these {self.n} examples"
            more = ", and its file does not say from which of it"
        else:
            return ""
        return f"{name} has learned {what}{more}; score others to know how good it is"


def training_overlap(card: Card, manifest: Manifest, *, split: str | None = None, protocol: str = "") -> Overlap:
    """Return how much of a part of `manifest`, or of all of it, a recognizer was trained on.

    Parameters
    ----------
    card
        Of the recognizer.
    manifest
        The data set; its contents are read to be hashed, unless they have been.
    split
        The part that is scored; None for all examples.
    protocol
        When it already says that groups are on both sides, only contents that were trained on are counted.
    """
    manifest = _hashed(manifest)
    scored = (manifest if split is None else manifest.part(split)).examples
    sets = _training_sets(card, manifest)
    if sets is None:
        sources = set(card.data.source.split("; "))
        return Overlap(len(scored), n_same_source=sum(example.source in sources for example in scored))
    if LEAK in protocol:
        return Overlap(len(scored), sum(content_key(example) in sets.contents for example in scored))
    learned = [_is_learned(example, sets) for example in scored]
    shares_group = [group_key(example) in sets.groups for example in scored]
    others = sum(shared and not known for known, shared in zip(learned, shares_group, strict=True))
    return Overlap(len(scored), sum(learned), others)


def _is_learned(example: Example, sets: TrainingSets) -> bool:
    """Return whether the content of an example, or another format or excerpt of its recording, was trained on."""
    keys = (content_key(example), example.sha256, *recording_keys(example))
    return any(key in sets.contents or key in sets.recordings for key in keys)


def _training_sets(card: Card, manifest: Manifest) -> TrainingSets | None:
    """Return what the recognizer was trained on; None when nothing tells."""
    if card.data.content_hashes:
        return TrainingSets.of_summary(card.data)
    if "split" not in card.recipe:
        return None
    split = Split.parse(card.recipe["split"], where=f"the recipe of {card.name}")
    if all(example.sha256 for example in manifest) and manifest.fingerprint == card.data.fingerprint:
        if set(card.data.learned) == set(SPLITS):
            return TrainingSets.of_examples(manifest)
        divided = apply_split(manifest, split)
        return TrainingSets.of_examples(example for example in divided if example.split in card.data.learned)
    if split.protocol in PUBLISHED_SPLITS:
        parts = published_split(split.protocol)
        return TrainingSets.of_tracks(track for track, part in parts.items() if part in card.data.learned)
    return None


def _hashed(manifest: Manifest) -> Manifest:
    """Return the manifest with the hashes of its contents; without, when one of them cannot be read."""
    try:
        return manifest.hashed()
    except EarmarkError:
        return manifest
