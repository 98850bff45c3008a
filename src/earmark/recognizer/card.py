"""What a recognizer says about itself: the metadata inside the file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, SerializeAsAny, model_validator

from earmark.config import Config, Kind
from earmark.features import FEATURES, Features
from earmark.features.window import Window

FORMAT_VERSION: Literal[1] = 1
METADATA_KEY = "earmark"
FAMILIARITY = "familiarity"
"""The output of the gate, of recognizers that have one."""

Task: TypeAlias = Literal["genre", "note", "symbol", "label"]


class Score(Config):
    """One honest figure: what was measured, how, on how many."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    n: int
    n_groups: int
    protocol: str
    seeds: tuple[int, ...]
    macro_f1: float
    ece: float


class OodScore(Config):
    """How one kind of foreign input fares, measured with a gate that had learned from all kinds but this family.

    Attributes
    ----------
    kind
        Such as ``"speech"``.
    n
        How many inputs of the kind were tried.
    auroc
        Chance that an input of the kind gets less confidence than a real one.
    declined
        Share of them answered with ``"unknown"``.
    """

    kind: str
    n: int
    auroc: float
    declined: float


class Rejection(Config):
    """When a recognizer declines, and how that was chosen.

    Attributes
    ----------
    min_familiarity
        Inputs that the gate finds less like what was learned, 0…1, are unlike anything learned; None without a gate.
    min_confidence
        Answers whose label is less probable, given that the input is familiar, are too uncertain.
    precision
        The share of right answers, among those given, that `min_confidence` was chosen for; None when there were no
        answers to unseen examples to choose it by.
    min_pitch_salience
        Sounds whose partials stand out less, in dB, have no pitch, see `pitch_salience`; None when it does not matter.
    foreign
        The kinds of foreign input that the gate learned to tell from real ones.
    declines
        Share of real examples, from groups that the gate did not learn from, that are declined for being unfamiliar.
    n_real, n_groups
        How many of them, and of how many groups.
    measured
        Figures on foreign kinds, each left out of what the gate learned.
    """

    min_familiarity: float | None = Field(default=None, ge=0, le=1)
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    precision: float | None = Field(default=None, gt=0, le=1)
    min_pitch_salience: float | None = Field(default=None, ge=0)
    foreign: tuple[str, ...] = ()
    declines: float | None = None
    n_real: int = 0
    n_groups: int = 0
    measured: tuple[OodScore, ...] = ()

    @property
    def looks(self) -> bool:
        """Whether it takes more to decide than the answer."""
        return self.min_familiarity is not None or self.min_pitch_salience is not None


class DataSummary(Config):
    """Where the examples came from, and in `learned` which parts of the recipe's split were learned from."""

    name: str
    fingerprint: str
    n_examples: int
    n_groups: int
    source: str
    licence: str
    learned: tuple[str, ...] = ("train",)


class Card(Config):
    """The metadata of a recognizer, stored as JSON under the key ``earmark`` of the ONNX file.

    Attributes
    ----------
    name, about
        What it is called and what it is for, in one sentence.
    task
        How answers are dressed: a piano key with MIDI number and Hz, a symbol with its Unicode character, …
    labels
        In the order of the logits.
    features
        The feature kind and its settings; the spectrogram itself is inside the graph.
    window
        How sounds are cut; None for ink.
    temperature
        Divides the logits before the softmax (Guo et al. 2017), fitted on examples that were not trained on.
    rejection
        When it declines to answer; None: only in silence.
    scores
        Figures on groups that were never trained on.
    data
        What it learned from.
    limits
        What it cannot do, in plain sentences.
    recipe
        The recipe it was trained by.
    licence
        Of the file.
    created, versions
        ISO date, and the versions of Earmark and of the libraries that made it.
    """

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    about: str = ""
    task: Task
    labels: tuple[str, ...] = Field(min_length=2)
    features: Annotated[SerializeAsAny[Features], Kind(FEATURES, where="card: features")]
    window: Window | None = None
    temperature: float = Field(default=1.0, gt=0)
    rejection: Rejection | None = None
    scores: tuple[Score, ...] = ()
    data: DataSummary
    limits: tuple[str, ...] = ()
    recipe: dict[str, Any] = Field(default_factory=dict)
    licence: str = "MIT"
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sounds_are_cut(self) -> Self:
        if (self.window is None) == (self.features.domain == "sound"):
            needs = "needs a window" if self.window is None else "takes no window"
            raise ValueError(f"a recognizer of {self.features.domain} {needs}")
        return self

    @property
    def has_detector(self) -> bool:
        """Whether the graph says how familiar its input is."""
        return self.rejection is not None and self.rejection.min_familiarity is not None
