"""Scores with their protocol and interval, calibration, comparison, and the report."""

from earmark.evaluation.calibration import (
    Reliability,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from earmark.evaluation.intervals import Comparison, accuracy_interval, compare, wilson
from earmark.evaluation.outcome import Outcome, logits_of, pool
from earmark.evaluation.overlap import Overlap, describe_protocol, training_overlap
from earmark.evaluation.report import worst_mistakes, write_report
from earmark.evaluation.scores import ClassScore, FailedExample, PitchScore, Scores, SelectiveScore, UnitScore
from earmark.evaluation.scoring import score
from earmark.evaluation.storage import read_outcome, write_outcome

__all__ = [
    "ClassScore",
    "Comparison",
    "FailedExample",
    "Outcome",
    "Overlap",
    "PitchScore",
    "Reliability",
    "Scores",
    "SelectiveScore",
    "UnitScore",
    "accuracy_interval",
    "compare",
    "describe_protocol",
    "fit_temperature",
    "logits_of",
    "negative_log_likelihood",
    "pool",
    "read_outcome",
    "reliability",
    "score",
    "training_overlap",
    "wilson",
    "worst_mistakes",
    "write_outcome",
    "write_report",
]
