"""Settings of rejection: the out-of-distribution detector, and how a recipe asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from earmark.config import Config

OLD_NAMES = {
    "gate": "detector",
    "n_check": "n_validation",
    "real_declined": "max_false_rejections",
    "real_share": "prior",
}
"""Names of fields in recipes and cards of earlier versions, and what they are called now."""


class DetectorConfig(Config):
    """Configuration of the out-of-distribution detector, see `earmark.rejection.detector`.

    Attributes
    ----------
    kind
        ``"convolutional"``: `Detector`, which sees the features as well. ``"logistic"``: `LogisticDetector`, a logistic
        regression on the embedding alone. That of a pretrained backbone tells more kinds apart than any made input can
        teach, and a convolution learns what made inputs have in common instead; the settings below, but for
        `penalty`, do not matter then.
    penalty
        Of the logistic regression: half the sum of squares of its weights counts this much beside the mean loss.
    widths
        Channels after each convolution, each of which halves the sides of the features.
    stem_stride
        By how much the first of them shrinks the sides instead: 4 for large features.
    hidden
        Numbers that each of its three sources becomes.
    dropout, input_dropout
        Probability of dropping one of these, and one number of the embedding.
    levels
        Steps that normalised features are rounded to, so that those stored in 8 bits (255) look like others; 0 for
        none.
    embedding, logits
        Whether it sees these outputs of the network, beside the features.
    """

    kind: Literal["convolutional", "logistic"] = "convolutional"
    penalty: float = Field(default=0.05, gt=0)
    widths: tuple[int, ...] = Field(default=(16, 32, 48), min_length=1, max_length=6)
    stem_stride: int = Field(default=2, ge=1, le=8)
    hidden: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    input_dropout: float = Field(default=0.3, ge=0, lt=1)
    levels: int = Field(default=0, ge=0)
    embedding: bool = True
    logits: bool = True


class RejectionConfig(Config):
    """How to fit the rejection of a recognizer, see `earmark.rejection.fit`. Old names of fields are read as well.

    Attributes
    ----------
    precision
        Share of right answers, among those given, that is aimed at; too uncertain ones are rejected to reach it.
    max_false_rejections
        Largest share of real examples of the validation part that may be rejected as out-of-distribution.
    min_pitch_salience
        Sounds whose partials stand out by fewer dB have no pitch and are rejected too, see
        `earmark.recognizer.network.pitch_salience`; None where a pitch does not matter.
    prior
        Share of inputs that will be in-distribution; it scales their probability and changes no order.
    kinds
        Kinds of made out-of-distribution input to learn from; all there are for sound or ink unless given.
    family_weights
        How much an input of a family of kinds counts in the fit, such as ``{"voices": 3.0}``; 1 unless given.
    n_examples
        Real windows to learn from; there are as many out-of-distribution ones, of all kinds together.
    n_validation
        Real and out-of-distribution windows to calibrate with and choose the threshold by.
    epochs, batch_size, learning_rate, weight_decay
        Of the fit of the detector: AdamW, one cycle.
    measure
        Fit once more for every family of kinds, without it, to measure how well it is rejected all the same.
    seed
        Of everything random.
    detector
        The network.
    """

    precision: float = Field(default=0.9, gt=0, le=1)
    max_false_rejections: float = Field(default=0.005, ge=0, lt=1)
    min_pitch_salience: float | None = Field(default=None, ge=0)
    prior: float = Field(default=0.9, gt=0, lt=1)
    kinds: tuple[str, ...] = ()
    family_weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    n_examples: int = Field(default=2000, ge=16)
    n_validation: int = Field(default=600, ge=16)
    epochs: int = Field(default=8, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    measure: bool = False
    seed: int = Field(default=0, ge=0)
    detector: DetectorConfig = Field(default_factory=DetectorConfig)

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, values: Any) -> Any:
        """Read recipes and cards that were written before the fields got their present names.

        >>> RejectionConfig(gate={"hidden": 16}, n_check=300).detector.hidden
        16
        """
        if not isinstance(values, Mapping):
            return values
        renamed = dict(values)
        for old, new in OLD_NAMES.items():
            if old not in renamed:
                continue
            value, there = renamed.pop(old), renamed.get(new)
            # An override by an old name, such as gate.hidden=16, changes one value of a table.
            renamed[new] = {**there, **value} if isinstance(there, Mapping) and isinstance(value, Mapping) else value
        return renamed
