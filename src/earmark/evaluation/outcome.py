"""The table of answers beside the truth, which every score is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError, ModelError
from earmark.recognizer.answers import NO_TAG
from earmark.recognizer.network import log_probabilities
from earmark.types import FloatArray, IntArray, RealArray, Target

TextArray: TypeAlias = npt.NDArray[np.str_]

# A probability of exactly 0 would make the logarithm infinite.
SMALLEST_PROBABILITY = 1e-30
# Of float32 the smallest difference from a probability of 1.
SMALLEST_DOUBT = 2.0**-24


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Answers to `n` examples; row `i` of every field belongs to example `i`.

    Attributes
    ----------
    labels
        In the order of the logits.
    logits
        float32 of shape ``(n, n_labels)``; their softmax, of multi-label answers their sigmoid, is what the recognizer
        claims. Log-probabilities are logits of a softmax.
    truth
        int64 of shape ``(n,)``, indices into `labels`. Of multi-label answers ``(n, n_labels)``, 1 for each
        right label.
    groups
        Shape ``(n,)``: what must not be split (artist, writer, piano); intervals resample these.
    tracks
        Shape ``(n,)``: which rows are pieces of one recording.
    inputs
        One name an example, for people.
    logits_uncalibrated
        The same before the temperature, or None; the report then shows calibration before and after.
    failures
        ``(input, reason)`` of examples that could not be read; they are in none of the arrays.
    answered
        Shape ``(n,)``: whether the recognizer answers or, if it may, declines; None where it always answers.
    thresholds
        Of multi-label answers: the probability from which on each label is given; 0.5 unless stated.

    Raises
    ------
    DataError
        When the lengths disagree or a truth lies outside the labels.
    ModelError
        When a logit is not a finite number.
    """

    labels: tuple[str, ...]
    logits: FloatArray
    truth: IntArray
    groups: TextArray
    tracks: TextArray
    inputs: tuple[str, ...]
    logits_uncalibrated: FloatArray | None = None
    failures: tuple[tuple[str, str], ...] = ()
    answered: npt.NDArray[np.bool_] | None = None
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.truth)
        shape = (n, len(self.labels))
        lengths = {"groups": len(self.groups), "tracks": len(self.tracks), "inputs": len(self.inputs)}
        if self.answered is not None:
            lengths["answered"] = len(self.answered)
        wrong = [f"{length} {name}" for name, length in lengths.items() if length != n]
        if self.logits.shape != shape or wrong:
            given = ", ".join([f"logits {self.logits.shape}", *wrong])
            raise DataError(f"an outcome of {n} truths and {len(self.labels)} labels was given {given}; need {shape}")
        if self.is_multi_label and self.truth.shape != shape:
            raise DataError(f"the truth of {n} examples is of shape {self.truth.shape}; need {shape}")
        if n and not self.is_multi_label and not 0 <= self.truth.min() <= self.truth.max() < len(self.labels):
            raise DataError(f"truths must be indices 0…{len(self.labels) - 1} into the labels; map the labels first")
        for logits in (self.logits, self.logits_uncalibrated):
            if logits is not None and not np.isfinite(logits).all():
                raise ModelError("the recognizer answered with numbers that are not finite; train it again")

    @classmethod
    def from_logits(
        cls,
        logits: npt.ArrayLike,
        truth: npt.ArrayLike,
        *,
        labels: Sequence[str],
        groups: Sequence[str] | None = None,
        tracks: Sequence[str] | None = None,
        inputs: Sequence[str] | None = None,
    ) -> Self:
        """Build the table; without `groups` or `tracks` every example is its own, without `inputs` it is numbered.

        >>> Outcome.from_logits([[2.0, 0.0]], [0], labels=("jazz", "rock")).answers
        array([0])
        """
        truths = np.asarray(truth, dtype=np.int64)
        names = tuple(str(name) for name in (inputs if inputs is not None else range(len(truths))))
        return cls(
            labels=tuple(labels),
            logits=np.asarray(logits, dtype=np.float32),
            truth=truths,
            groups=np.asarray(names if groups is None else groups, dtype=np.str_),
            tracks=np.asarray(names if tracks is None else tracks, dtype=np.str_),
            inputs=names,
        )

    @classmethod
    def concatenate(cls, outcomes: Sequence[Self]) -> Self:
        """Return the rows of several outcomes, such as those of folds, with the logits before any temperature."""
        first = outcomes[0]
        bare = [each.logits if each.logits_uncalibrated is None else each.logits_uncalibrated for each in outcomes]
        return replace(
            first,
            logits=np.concatenate(bare),
            truth=np.concatenate([each.truth for each in outcomes]),
            groups=np.concatenate([each.groups for each in outcomes]),
            tracks=np.concatenate([each.tracks for each in outcomes]),
            inputs=tuple(name for each in outcomes for name in each.inputs),
            logits_uncalibrated=None,
            failures=tuple(failure for each in outcomes for failure in each.failures),
            answered=None,
        )

    @property
    def is_multi_label(self) -> bool:
        """Whether an example may have several labels."""
        return self.truth.ndim == 2

    @property
    def target(self) -> Target:
        """Whether an example has one label or several."""
        return "multi-label" if self.is_multi_label else "multi-class"

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.truth)

    @property
    def probabilities(self) -> RealArray:
        """float64 of shape ``(n, n_labels)``; rows sum to 1, unless the answers are multi-label."""
        return np.exp(log_probabilities(self.logits, target=self.target))

    @property
    def answers(self) -> IntArray:
        """Answers in the form of `truth`: the index of the best label, or 1 for each label above its threshold."""
        if self.is_multi_label:
            given: IntArray = (self.probabilities >= np.array(self.thresholds or (0.5,))).astype(np.int64)
            return given
        best: IntArray = np.argmax(self.logits, axis=1).astype(np.int64)
        return best

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right, with none of its labels missing or too many, shape ``(n,)``."""
        right: npt.NDArray[np.bool_] = self.answers == self.truth
        if self.is_multi_label:
            right = np.logical_and.reduce(right, axis=1)
        return right

    @property
    def credit(self) -> RealArray:
        """How far each answer is right, 0…1, shape ``(n,)``: the F1 of its labels where it has several."""
        if not self.is_multi_label:
            return self.correct.astype(np.float64)
        given, right = self.answers, self.truth
        n_labels = (given + right).sum(axis=1)
        credit: RealArray = np.where(n_labels, 2 * (given & right).sum(axis=1) / np.maximum(n_labels, 1), 1.0)
        return credit

    def names(self, row: int, *, given: bool) -> str:
        """Return the labels that an example has, or those that are `given` as its answer, in words."""
        chosen = (self.answers if given else self.truth)[row]
        if not self.is_multi_label:
            return self.labels[int(chosen)]
        return ", ".join(self.labels[place] for place in np.flatnonzero(chosen)) or NO_TAG

    @property
    def confidence(self) -> RealArray:
        """Highest probability of each answer, shape ``(n,)``."""
        best: RealArray = self.probabilities.max(axis=1)
        return best

    @property
    def has_tracks(self) -> bool:
        """Whether several examples are pieces of one recording, and every recording has one label."""
        names, first, row = np.unique(self.tracks, return_index=True, return_inverse=True)
        return len(names) < self.n and bool((self.truth == self.truth[first][row]).all())

    def calibrated(self, temperature: float) -> Outcome:
        """Return the same with logits divided by `temperature` (Guo et al. 2017), remembering them as they were."""
        scaled = (self.logits / temperature).astype(np.float32)
        return replace(self, logits=scaled, logits_uncalibrated=self.logits)

    def by_track(self) -> Outcome:
        """Return one row a recording, its probabilities the mean of those of its pieces.

        Raises
        ------
        DataError
            When the pieces of one recording have different labels.
        """
        names, first, row = np.unique(self.tracks, return_index=True, return_inverse=True)
        differs = self.truth != self.truth[first][row]
        mixed = names[np.unique(row[differs.any(axis=1) if self.is_multi_label else differs])]
        if len(mixed):
            raise DataError(
                f"the pieces of {str(mixed[0])!r} have different labels; give them one label, or other tracks"
            )
        before = self.logits_uncalibrated
        return replace(
            self,
            logits=pool(self.logits, row, target=self.target),
            truth=self.truth[first],
            groups=self.groups[first],
            tracks=names,
            inputs=tuple(str(name) for name in names),
            logits_uncalibrated=None if before is None else pool(before, row, target=self.target),
            answered=None,
        )


def logits_of(probabilities: npt.ArrayLike, *, target: Target = "multi-class") -> FloatArray:
    """Return logits whose softmax, or sigmoid, is `probabilities`, float32 of the same shape.

    >>> logits_of([1.0, 0.25]).round(2).tolist()
    [0.0, -1.3899999856948853]
    """
    claimed = np.asarray(probabilities, dtype=np.float64)
    if target == "multi-label":
        held = np.clip(claimed, SMALLEST_DOUBT, 1 - SMALLEST_DOUBT)
        return np.log(held / (1 - held)).astype(np.float32)
    return np.log(np.maximum(claimed, SMALLEST_PROBABILITY)).astype(np.float32)


def pool(
    logits: FloatArray, row: npt.ArrayLike, *, weights: npt.ArrayLike | None = None, target: Target = "multi-class"
) -> FloatArray:
    """Return logits of the mean probabilities of pieces, float32 of shape ``(n_wholes, n_labels)``.

    Parameters
    ----------
    logits
        Of the pieces, shape ``(n_pieces, n_labels)``.
    row
        Which whole, from 0 without gaps, each piece belongs to, shape ``(n_pieces,)``.
    weights
        What each piece counts, shape ``(n_pieces,)``; the same unless given.
    target
        Whether the probabilities are a softmax or sigmoids.
    """
    place = np.asarray(row)
    counts = np.ones(len(logits)) if weights is None else np.asarray(weights, dtype=np.float64)
    if np.array_equal(place, np.arange(len(logits))):
        return logits
    totals = np.bincount(place, weights=counts)
    pooled = np.zeros((len(totals), logits.shape[1]))
    np.add.at(pooled, place, np.exp(log_probabilities(logits, target=target)) * counts[:, None])
    return logits_of(pooled / totals[:, None], target=target)
