"""Fit of the out-of-distribution detector, calibrated on groups it has not learned, measured on kinds left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from earmark.recognizer import Card, OodScore
from earmark.recognizer.network import log_probabilities
from earmark.rejection.detector import Detector, LogisticDetector
from earmark.rejection.sources import OodSource
from earmark.rejection.windows import REAL, Windows
from earmark.training.arrays import OneCycle, fit_arrays
from earmark.training.recipe import Recipe
from earmark.training.rejection_config import RejectionConfig
from earmark.types import IntArray, Progress, RealArray

MOST_STEPS = 500
"""Of the solver of a logistic regression."""


@dataclass(frozen=True)
class DetectorTrainer:
    """Fits detectors for one recognizer.

    Attributes
    ----------
    card, recipe
        Of the recognizer.
    settings
        How.
    train
        Windows to learn from.
    validation
        Windows of other real groups, and of the same out-of-distribution kinds, to calibrate with.
    sources
        The out-of-distribution kinds, in the order of their indices.
    """

    card: Card
    recipe: Recipe
    settings: RejectionConfig
    train: Sequence[Windows]
    validation: Sequence[Windows]
    sources: Sequence[OodSource]
    progress: Progress

    def fit(self, *, without: Sequence[int] = (), stage: str = "detector") -> Detector | LogisticDetector:
        """Return a calibrated detector that has learned all out-of-distribution kinds but some, by their index."""
        torch.manual_seed(self.settings.seed)
        known = [part.where(~np.isin(part.kinds, without)) for part in self.train]
        fitted = self._logistic if self.settings.detector.kind == "logistic" else self._convolutional
        detector = fitted([part for part in known if len(part) > 1], stage)
        odds, kinds = log_odds(detector, self.validation)
        trusted = ~np.isin(kinds, without)
        slope, offset = _platt(odds[trusted], kinds[trusted] == REAL)
        share = self.settings.prior
        detector.scale.copy_(torch.tensor([slope, offset + math.log(share / (1 - share))]))
        return detector

    def measure(self) -> tuple[OodScore, ...]:
        """Return how well each kind is rejected by a detector that has learned no kind of its family."""
        from sklearn.metrics import roc_auc_score

        families = [each.family for each in self.sources]
        scores = {}
        for done, family in enumerate(dict.fromkeys(families), start=1):
            left_out = [index for index, each in enumerate(families) if each == family]
            detector = self.fit(without=left_out, stage=f"detector without {family}")
            confidence, familiarity, kinds = self._answers(
                detector, [*self.validation, *self._train_windows_of(left_out)]
            )
            real = kinds == REAL
            least = min_familiarity_for(familiarity[real], self.settings)
            for index in left_out:
                of_kind = kinds == index
                both = real | of_kind
                scores[index] = OodScore(
                    kind=self.sources[index].kind,
                    n=int(of_kind.sum()),
                    auroc=round(float(roc_auc_score(real[both], confidence[both])), 4),
                    rejected=round(float((familiarity[of_kind] < least).mean()), 4),
                )
            self.progress("measuring", done, len(set(families)), family)
        return tuple(scores[index] for index in sorted(scores))

    def real_familiarity(self, detector: Detector | LogisticDetector) -> RealArray:
        """Return the in-distribution probability of real windows of groups that were not learned."""
        _, familiarity, kinds = self._answers(detector, self.validation)
        real: RealArray = familiarity[kinds == REAL]
        return real

    def _logistic(self, windows: Sequence[Windows], stage: str) -> LogisticDetector:
        from sklearn.linear_model import LogisticRegression

        embedding = np.concatenate([part.embedding for part in windows])
        kinds = np.concatenate([part.kinds for part in windows])
        detector = LogisticDetector(embedding.shape[1])
        detector.learn_scales(torch.from_numpy(embedding[kinds == REAL]))
        x = detector.clipped(torch.from_numpy(embedding)).numpy()
        weights = self._weights(kinds)
        model = LogisticRegression(C=1 / self.settings.detector.penalty, max_iter=MOST_STEPS)
        model.fit(x, kinds == REAL, sample_weight=weights / weights.sum())
        detector.head.load_state_dict(
            {"weight": torch.from_numpy(model.coef_.copy()), "bias": torch.from_numpy(model.intercept_.copy())}
        )
        self.progress(stage, 1, 1, f"{len(x)} windows")
        return detector.eval()

    def _weights(self, kinds: IntArray) -> RealArray:
        """Return the weight of each window; real ones count as much as all others together, each kind as asked for."""
        of_kind = [self.settings.family_weights.get(source.family, 1.0) for source in self.sources]
        weights: RealArray = np.array([*of_kind, 1.0])[kinds]  # the index of real ones is -1
        real = kinds == REAL
        weights[real] = weights[~real].sum() / max(int(real.sum()), 1)
        return weights

    def _convolutional(self, windows: Sequence[Windows], stage: str) -> Detector:
        settings, detector = self.settings, self._fresh()
        batches = _batches(windows, n_epochs=settings.epochs, batch_size=settings.batch_size, seed=settings.seed)
        kinds = np.concatenate([part.kinds for part in windows])
        of_kind = dict(zip(kinds.tolist(), self._weights(kinds).tolist(), strict=True))

        def loss(batch: tuple[Windows, IntArray]) -> torch.Tensor:
            part = batch[0].where(batch[1])
            real = torch.from_numpy((part.kinds == REAL).astype(np.float32))
            weight = torch.tensor([of_kind[kind] for kind in part.kinds.tolist()])
            return functional.binary_cross_entropy_with_logits(detector(*part.tensors()), real, weight=weight)

        fit_arrays(
            detector,
            batches,
            loss=loss,
            schedule=OneCycle(len(batches), settings.learning_rate, settings.weight_decay),
            on_step=lambda step, value: self.progress(stage, step, len(batches), f"loss {value:.3f}"),
        )
        return detector

    def _fresh(self) -> Detector:
        first = self.train[0]
        n_numbers = self.recipe.features.n_numbers
        return Detector(
            self.settings.detector,
            normalize=self.recipe.model.normalize,
            floor_db=self.recipe.model.floor_db,
            n_channels=first.pictures.shape[1],
            n_rows=first.pictures.shape[2] - n_numbers,
            n_labels=first.logits.shape[1],
            n_embedding=first.embedding.shape[1],
        )

    def _train_windows_of(self, kinds: Sequence[int]) -> list[Windows]:
        """Return the windows of some kinds among those to learn from."""
        parts = [part.where(np.isin(part.kinds, kinds)) for part in self.train]
        return [part for part in parts if len(part)]

    def _answers(
        self, detector: Detector | LogisticDetector, windows: Sequence[Windows]
    ) -> tuple[RealArray, RealArray, IntArray]:
        """Return confidence, familiarity and kind of every window, as the recognizer would give them."""
        odds, kinds = log_odds(detector, windows)
        familiarity = 1 / (1 + np.exp(-odds))
        logits = np.concatenate([part.logits for part in windows]) / self.card.temperature
        best = np.exp(log_probabilities(logits, target=self.card.target)).max(axis=1)
        return familiarity * best, familiarity, kinds


def min_familiarity_for(real: RealArray, settings: RejectionConfig) -> float:
    """Return the threshold that rejects at most the share of real examples that `settings` allow.

    It is not above `RejectionConfig.prior`, the probability at which an input looks as much in-distribution as not.

    >>> min_familiarity_for(np.array([0.1, 0.2, 0.9, 0.95]), RejectionConfig(max_false_rejections=0.25))
    0.2
    """
    return min(settings.prior, float(np.sort(real)[math.floor(settings.max_false_rejections * len(real))]))


def log_odds(detector: Detector | LogisticDetector, windows: Sequence[Windows]) -> tuple[RealArray, IntArray]:
    """Return the in-distribution log odds of windows, and their kinds, ``(n_windows,)`` each."""
    detector.eval()
    with torch.no_grad():
        parts = [
            detector(*(tensor[first : first + 256] for tensor in part.tensors())).double().numpy()
            for part in windows
            for first in range(0, len(part), 256)
        ]
    return np.concatenate(parts), np.concatenate([part.kinds for part in windows])


def _batches(
    windows: Sequence[Windows], *, n_epochs: int, batch_size: int, seed: int
) -> list[tuple[Windows, IntArray]]:
    """Return the batches of all epochs in random order, as windows of one width and the rows of them."""
    rng = np.random.default_rng(seed)
    batches: list[tuple[Windows, IntArray]] = []
    for _ in range(n_epochs):
        of_epoch = [
            (part, rows)
            for part in windows
            for rows in np.array_split(rng.permutation(len(part)), max(1, round(len(part) / batch_size)))
        ]
        rng.shuffle(of_epoch)  # a list is shuffled in place
        batches += of_epoch
    return batches


def _platt(odds: RealArray, real: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset that calibrate log odds where both classes are equally likely (Platt 1999)."""
    from scipy.optimize import minimize

    n_real, n_ood = int(real.sum()), int((~real).sum())
    targets = np.where(real, (n_real + 1) / (n_real + 2), 1 / (n_ood + 2))
    weights = np.where(real, 0.5 / max(n_real, 1), 0.5 / max(n_ood, 1))

    def loss(line: RealArray) -> float:
        scaled = np.exp(line[0]) * odds + line[1]
        return float(weights @ (np.logaddexp(0, scaled) - targets * scaled))

    found = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])
