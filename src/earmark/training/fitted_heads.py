"""Heads that are fitted at once, without the loop."""

from __future__ import annotations

import time
from functools import partial

from earmark.models import StandardizedHead, TransferConfig
from earmark.training.examples import FeatureSet
from earmark.training.logistic import fit_logistic
from earmark.training.loop import Row, validate
from earmark.training.ridge import fit_ridge
from earmark.training.training_config import Training

FEW_AT_ONCE = 1024
"""Embeddings that are scored at once."""


def fitted_row(
    head: StandardizedHead,
    train: FeatureSet,
    valid: FeatureSet | None,
    *,
    model: TransferConfig,
    training: Training,
) -> Row:
    """Fit the dense layer of `head` as `model` says and return the one row of the log."""
    started_s = time.perf_counter()
    fit = fit_logistic if model.head == "logistic" else partial(fit_ridge, strength=model.strength)
    fit(head, train, balanced=training.class_weights == "balanced", seed=training.seed)
    judge = partial(validate, head, batch_size=FEW_AT_ONCE, device=head.standardize.mean.device)
    row: Row = {"epoch": 1}
    row |= {name.replace("valid", "train"): value for name, value in judge(train).items()}
    if valid is not None:
        row |= judge(valid)
    return {**row, "seconds": time.perf_counter() - started_s}
