"""Settings of rejection: the out-of-distribution detector, and how a recipe asks for one."""

from __future__ import annotations

from pydantic import Field

from earmark.config import Config


class DetectorConfig(Config):
    """Configuration of a `Detector`.

    Attributes
    ----------
    widths
        Channels after each convolution, each of which halves the sides of the picture.
    stem_stride
        By how much the first of them shrinks the sides instead: 4 for large pictures.
    hidden
        Numbers that each of its three sources becomes.
    dropout, input_dropout
        Probability of dropping one of these, and one number of the embedding.
    levels
        Steps that a normalised picture is rounded to, so that pictures stored in 8 bits (255) look like others; 0 for
        none.
    embedding, logits
        Whether it sees what the network made of the picture, beside the picture.
    """

    widths: tuple[int, ...] = Field(default=(16, 32, 48), min_length=1, max_length=6)
    stem_stride: int = Field(default=2, ge=1, le=8)
    hidden: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    input_dropout: float = Field(default=0.3, ge=0, lt=1)
    levels: int = Field(default=0, ge=0)
    embedding: bool = True
    logits: bool = True


class RejectionConfig(Config):
    """How a recognizer learns to decline, see `earmark.rejection.fit`.

    Attributes
    ----------
    precision
        Share of right answers, among those given, that is aimed at; too uncertain ones are declined to reach it.
    real_declined
        Largest share of real examples, of groups not learned, that may be declined for being unfamiliar.
    min_pitch_salience
        Sounds whose partials stand out by fewer dB have no pitch and are declined too, see
        `earmark.recognizer.decide.pitch_salience`; None where a pitch does not matter.
    real_share
        Share of inputs that will be of the kind that was learned; it scales familiarity and changes no order.
    kinds
        Kinds of made input to learn to decline; all there are for sound or ink unless given.
    n_examples
        Real windows to learn from; there are as many foreign ones, of all kinds together.
    n_check
        Real and foreign windows to choose the thresholds by.
    epochs, batch_size, learning_rate, weight_decay
        Of the gate: AdamW, one cycle.
    measure
        Teach once more for every family of kinds, without it, to measure how well it is declined all the same.
    seed
        Of everything random.
    gate
        The network.
    """

    precision: float = Field(default=0.9, gt=0, le=1)
    real_declined: float = Field(default=0.005, ge=0, lt=1)
    min_pitch_salience: float | None = Field(default=None, ge=0)
    real_share: float = Field(default=0.9, gt=0, lt=1)
    kinds: tuple[str, ...] = ()
    n_examples: int = Field(default=2000, ge=16)
    n_check: int = Field(default=600, ge=16)
    epochs: int = Field(default=8, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    measure: bool = False
    seed: int = Field(default=0, ge=0)
    gate: DetectorConfig = Field(default_factory=DetectorConfig)
