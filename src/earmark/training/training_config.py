"""Settings of the loop: the section ``[training]`` of a recipe."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator

from earmark.config import Config

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]


class Training(Config):
    """Settings of the loop.

    Attributes
    ----------
    epochs, batch_size
        Passes over the training part, and examples a step.
    min_steps
        Fewest steps of a whole training: with few examples batches are smaller than `batch_size` and there are more
        passes (and more patience) than `epochs` says, unless a person sets `epochs`.
    class_weights
        ``"balanced"``: every label counts the same in the loss, however many examples it has. ``"none"``: every example
        does.
    accumulate
        Pieces that a step is computed in, one after the other, to need less memory. Only batch norm notices.
    optimizer
        ``"adamw"`` (Loshchilov & Hutter 2019), or ``"adam"``, whose weight decay is part of the gradient.
    learning_rate
        The peak of the schedule.
    schedule
        ``"one-cycle"`` (Smith & Topin 2017): up, then down to nothing. ``"step"``: constant, multiplied by `drop_to` at
        each of `drop_at`, shares of all steps.
    warmup
        Share of all steps before the peak of one cycle.
    stage_decay
        Learning rate of each stage of a network relative to the stage after it, the head having the full one.
    freeze
        ``"backbone"`` leaves all but the head, and the last `open_stages` stages before it, as they are.
    weight_decay
        On weights but not on biases and norms.
    clip_norm
        Largest norm of the gradient; 0 for no limit.
    label_smoothing
        Share of the target spread over all labels.
    ema_decay
        Decay a step of the moving average of the weights that is validated and kept; 0 for none.
    patience
        Stop after this many epochs without a better validation loss; 0 for never.
    views
        Augmented versions of every training example, beside the clean one. They are computed once and cached.
    fresh_views
        Compute a view whenever it is needed and keep none: for drawings, whose features are quicker made than stored.
    compile
        Let ``torch.compile`` make the network faster; the first steps take minutes, so it suits long runs.
    keep
        Which epoch becomes the recognizer: the ``"best"`` on the validation part, or the ``"last"``, which has not been
        chosen and is the honest one where the validation part is scored for want of a test part.
    refit
        Fit again with the same settings to more: to the training and the ``"valid"`` part together, before the
        test part, which stays unseen, is scored; or to ``"everything"``, once all is scored, for a file that is to
        meet what no part holds. The temperature is that of the first fit.
    refit_epochs
        Passes of that fit, and of the fit to everything after a cross-validation; 0 for as many as `epochs`.
    vary_length
        Give every batch a random length between ``window.min_s`` and ``window.length_s``.
    precision
        ``"auto"``: half precision on CUDA, float32 elsewhere. ``"bfloat16"`` can be nearly twice as fast on a CPU with
        AVX-512 BF16 and much slower on one without.
    seed
        Of the initial weights, the order of the examples and the augmentations.
    """

    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=64, ge=2)
    min_steps: int = Field(default=0, ge=0)
    class_weights: Literal["none", "balanced"] = "none"
    accumulate: int = Field(default=1, ge=1)
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["one-cycle", "step"] = "one-cycle"
    warmup: float = Field(default=0.25, gt=0, lt=1)
    drop_at: tuple[float, ...] = (0.5,)
    drop_to: float = Field(default=0.25, gt=0, le=1)
    stage_decay: float = Field(default=1.0, gt=0, le=1)
    freeze: Literal["none", "backbone"] = "none"
    open_stages: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    clip_norm: float = Field(default=1.0, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)
    views: int = Field(default=0, ge=0, le=64)
    fresh_views: bool = False
    compile: bool = False
    keep: Literal["best", "last"] = "best"
    refit: Literal["none", "valid", "everything"] = "none"
    refit_epochs: int = Field(default=0, ge=0)
    vary_length: bool = False
    precision: Precision = "auto"
    seed: int = Field(default=0, ge=0)

    @field_validator("refit", mode="before")
    @classmethod
    def _was_a_flag(cls, value: Any) -> Any:
        """Read cards of files from when it was one."""
        return {False: "none", True: "valid"}[value] if isinstance(value, bool) else value
