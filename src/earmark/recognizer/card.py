"""The card: metadata inside a recognizer file, in JSON; reads formats 1 and 2, and writes 2."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, SerializeAsAny, model_validator

from earmark.config import Config, Kind
from earmark.features import FEATURES, Features, SoundFeatures
from earmark.features.window import Window
from earmark.recognizer.frame_outputs import FrameOutputs
from earmark.recognizer.rejection import Rejection
from earmark.text import some_quoted
from earmark.types import Target
from earmark.units import note_midi

if TYPE_CHECKING:
    from earmark.data import Example, Manifest

FORMAT_VERSION: Literal[2] = 2
METADATA_KEY = "earmark"
FAMILIARITY = "familiarity"
"""The output of the out-of-distribution detector: the probability of being in-distribution."""
FEATURES_OUT = "features_out"
"""The output of sound recognizers that gives the features that the network was given."""
FEATURES_OUT_1 = "picture"
"""What `FEATURES_OUT` is called in files of format 1."""
PART_NAMES = {"train": "training", "valid": "validation", "test": "test"}
"""What people read for the parts of a split."""
UNCHOSEN_THRESHOLD = 0.5
"""Of every label of a multi-label recognizer, until thresholds are chosen on a validation part."""
HASHES = {"data": {"content_hashes", "track_hashes", "group_hashes"}}
"""The keys of a card that are for programs alone, in the form that ``model_dump(exclude=…)`` takes."""

Task: TypeAlias = Literal["genre", "note", "symbol", "tag", "label"]


class Score(Config):
    """One figure on held-out examples: what was measured, how, on how many.

    Of a multi-label recognizer, accuracy is the share of examples whose labels are all right and none too many.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    n: int
    n_groups: int
    protocol: str
    seeds: tuple[int, ...]
    macro_f1: float
    ece: float
    mean_average_precision: float | None = None
    roc_auc: float | None = None

    @classmethod
    def of(cls, scores: object) -> Self:
        """Return the figures of a card from those of an evaluation, such as `earmark.evaluation.Scores`."""
        return cls(**{name: getattr(scores, name) for name in cls.model_fields})


class DataSummary(Config):
    """Summary of the training data, with hashes that recognise it.

    Attributes
    ----------
    name, fingerprint, source, licence
        Of the data set.
    n_examples, n_groups
        What the recognizer was trained on.
    learned
        The parts of the recipe's split that it was trained on.
    content_hashes, track_hashes, group_hashes
        Contents, recordings and groups that it was trained on, see `earmark.recognizer.provenance`; empty in format 1.
    """

    name: str
    fingerprint: str
    n_examples: int
    n_groups: int
    source: str
    licence: str
    learned: tuple[str, ...] = ("train",)
    content_hashes: str = Field(default="", repr=False)
    track_hashes: str = Field(default="", repr=False)
    group_hashes: str = Field(default="", repr=False)

    @classmethod
    def of(
        cls, manifest: Manifest, *, learned: Sequence[str] = ("train",), examples: Sequence[Example] | None = None
    ) -> Self:
        """Return the summary of a data set that a recognizer was trained on.

        Parameters
        ----------
        manifest
            The whole data set, divided.
        learned
            The parts of the recipe's split that the training part of `manifest` is made of.
        examples
            What the recognizer was trained on; the training part unless given.
        """
        from earmark.recognizer.provenance import content_key, group_key, hash_set, recording_keys

        manifest = manifest.hashed()
        trained_on = manifest.part("train").examples if examples is None else tuple(examples)
        return cls(
            name=manifest.name,
            fingerprint=manifest.fingerprint,
            n_examples=len(trained_on),
            n_groups=len({example.group for example in trained_on if example.group}),
            source="; ".join(sorted({example.source for example in trained_on} - {""})) or manifest.name,
            licence="; ".join(sorted({example.licence for example in trained_on} - {""})) or "not stated by the data",
            learned=tuple(learned),
            content_hashes=hash_set(key for example in trained_on if (key := content_key(example))),
            track_hashes=hash_set(key for example in trained_on for key in recording_keys(example)),
            group_hashes=hash_set(key for example in trained_on if (key := group_key(example))),
        )


class Card(Config):
    """The metadata of a recognizer, stored as JSON under the key ``earmark`` of the ONNX file.

    Attributes
    ----------
    format_version
        Of the file that the card was read from: 1 or 2; files are written in format 2.
    name, about
        What it is called and what it is for, in one sentence.
    task
        Which details an answer has: a piano key with MIDI number and Hz, a symbol with its Unicode character, …
    labels
        In the order of the logits.
    target
        ``"multi-class"``: an input has one label, and the logits go through a softmax. ``"multi-label"``: it has any
        number of them, and each logit goes through a sigmoid.
    thresholds
        Of a multi-label recognizer: the probability from which on each label is given; empty for others.
    features
        The feature kind and its settings; the spectrogram itself is inside the graph.
    window
        How sounds are cut; None for ink.
    frames
        Of a recognizer of notes whose graph also answers for every frame: when the frames are; None for others.
    temperature
        Divides the logits before the softmax or sigmoid (Guo et al. 2017), fitted on examples not trained on.
    rejection
        Thresholds of the answer ``"unknown"``; None: only silence is unknown.
    scores
        Figures on groups that were never trained on.
    data
        What it was trained on.
    limits
        What it cannot do, in plain sentences.
    recipe
        The recipe it was trained by.
    licence
        Of the file.
    created, versions
        ISO date, and the versions of Earmark and of the libraries that made it.
    """

    format_version: Literal[1, 2] = FORMAT_VERSION
    name: str
    about: str = ""
    task: Task
    labels: tuple[str, ...] = Field(min_length=2)
    target: Target = "multi-class"
    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    features: Annotated[SerializeAsAny[Features], Kind(FEATURES, where="card: features")]
    window: Window | None = None
    frames: FrameOutputs | None = None
    temperature: float = Field(default=1.0, gt=0)
    rejection: Rejection | None = None
    scores: tuple[Score, ...] = ()
    data: DataSummary
    limits: tuple[str, ...] = ()
    recipe: dict[str, Any] = Field(default_factory=dict)
    licence: str = "MIT"
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def draft(
        cls,
        recipe: Mapping[str, Any],
        manifest: Manifest,
        *,
        name: str | None = None,
        data: DataSummary | None = None,
        libraries: Sequence[str] = (),
    ) -> Self:
        """Return the card of a recognizer before it is calibrated and scored.

        Parameters
        ----------
        recipe
            Plain values, of which ``name``, ``about``, ``task``, ``target``, ``features``, ``window`` and ``limits``
            also fill the fields of the card.
        manifest
            What it is trained on, divided.
        name
            Of the recognizer; that of the recipe unless given.
        data
            Summary of it; that of the training part unless given.
        libraries
            Whose versions are noted beside that of Earmark.
        """
        copied = ("about", "task", "target", "features", "window", "limits")
        fields = {field: recipe[field] for field in copied if field in recipe}
        if fields.get("target") == "multi-label":
            fields["thresholds"] = (UNCHOSEN_THRESHOLD,) * len(manifest.labels)
        return cls(
            **fields,
            name=name or recipe["name"],
            labels=manifest.labels,
            data=data or DataSummary.of(manifest),
            recipe=dict(recipe),
            created=dt.datetime.now(dt.UTC).date().isoformat(),
            versions={library: metadata.version(library) for library in ("earmark", *libraries)},
        )

    @model_validator(mode="after")
    def _sounds_are_cut(self) -> Self:
        if (self.window is None) == (self.features.domain == "sound"):
            needs = "needs a window" if self.window is None else "takes no window"
            raise ValueError(f"a recognizer of {self.features.domain} {needs}")
        return self

    @model_validator(mode="after")
    def _each_label_has_its_threshold(self) -> Self:
        wanted = len(self.labels) if self.is_multi_label else 0
        if len(self.thresholds) != wanted:
            raise ValueError(
                f"a {self.target} recognizer of {len(self.labels)} labels has {wanted} thresholds, not"
                f" {len(self.thresholds)}"
            )
        return self

    @model_validator(mode="after")
    def _frames_are_of_sounds(self) -> Self:
        if self.frames is None:
            return self
        if self.task != "note" or not self.is_multi_label or not isinstance(self.features, SoundFeatures):
            raise ValueError("frames are of multi-label recognizers of notes whose spectrogram is in the graph")
        strangers = [label for label in self.labels if note_midi(label) is None]
        if strangers:
            raise ValueError(f"frames are of labels that are names of notes, not {some_quoted(strangers)}")
        hop_samples = self.frames.hop_s * self.features.sample_rate_hz
        if abs(hop_samples - round(hop_samples)) > 1e-3 or round(hop_samples) < 1:
            raise ValueError(f"frames every {self.frames.hop_s} s are {hop_samples:g} samples apart, no whole number")
        return self

    @property
    def is_multi_label(self) -> bool:
        """Whether an input may have several labels, or none."""
        return self.target == "multi-label"

    @property
    def has_detector(self) -> bool:
        """Whether the graph has an out-of-distribution detector."""
        return self.rejection is not None and self.rejection.min_familiarity is not None
