"""Fitting a gate: real against foreign windows, calibrated on groups it has not learned, measured on kinds left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from earmark.evaluation import log_softmax
from earmark.recognizer import Card, OodScore
from earmark.rejection.detector import Detector
from earmark.rejection.sources import OodSource
from earmark.rejection.windows import REAL, Windows
from earmark.training.recipe import Recipe
from earmark.training.rejection_config import RejectionConfig
from earmark.types import IntArray, Progress, RealArray


@dataclass(frozen=True)
class DetectorTrainer:
    """Teaches gates for one recognizer.

    Attributes
    ----------
    card, recipe
        Of the recognizer.
    settings
        How.
    learn
        Windows to learn from.
    check
        Windows of other real groups, and of the same foreign kinds, to calibrate with.
    """

    card: Card
    recipe: Recipe
    settings: RejectionConfig
    learn: Sequence[Windows]
    check: Sequence[Windows]
    progress: Progress

    def fit_network(self, *, without: Sequence[int] = (), stage: str = "gate") -> Detector:
        """Return a gate that has learned all kinds of foreign windows but some, by their index."""
        torch.manual_seed(self.settings.seed)
        gate = self._fresh()
        known = [part.where(~np.isin(part.kinds, without)) for part in self.learn]
        _fit(gate, [part for part in known if len(part) > 1], self.settings, self.progress, stage)
        odds, kinds = log_odds(gate, self.check)
        trusted = ~np.isin(kinds, without)
        slope, offset = _platt(odds[trusted], kinds[trusted] == REAL)
        share = self.settings.real_share
        gate.scale.copy_(torch.tensor([slope, offset + math.log(share / (1 - share))]))
        return gate

    def measure(self, foreign: Mapping[str, OodSource]) -> tuple[OodScore, ...]:
        """Return how each kind fares before a gate that has learned no kind of its family."""
        from sklearn.metrics import roc_auc_score

        families = [each.family for each in foreign.values()]
        scores = {}
        for done, family in enumerate(dict.fromkeys(families), start=1):
            left_out = [index for index, each in enumerate(families) if each == family]
            gate = self.fit_network(without=left_out, stage=f"gate without {family}")
            confidence, familiarity, kinds = self._answers(gate, [*self.check, *self._only(left_out)])
            real = kinds == REAL
            least = least_familiarity(familiarity[real], self.settings)
            for index in left_out:
                of_kind = kinds == index
                both = real | of_kind
                scores[index] = OodScore(
                    kind=list(foreign)[index],
                    n=int(of_kind.sum()),
                    auroc=round(float(roc_auc_score(real[both], confidence[both])), 4),
                    declined=round(float((familiarity[of_kind] < least).mean()), 4),
                )
            self.progress("measuring", done, len(set(families)), family)
        return tuple(scores[index] for index in sorted(scores))

    def real_familiarity(self, gate: Detector) -> RealArray:
        """Return how familiar real windows of groups that were not learned are."""
        _, familiarity, kinds = self._answers(gate, self.check)
        real: RealArray = familiarity[kinds == REAL]
        return real

    def _fresh(self) -> Detector:
        first = self.learn[0]
        n_numbers = self.recipe.features.n_numbers
        return Detector(
            self.settings.gate,
            normalize=self.recipe.model.normalize,
            floor_db=self.recipe.model.floor_db,
            n_channels=first.pictures.shape[1],
            n_rows=first.pictures.shape[2] - n_numbers,
            n_labels=first.logits.shape[1],
            n_embedding=first.embedding.shape[1],
        )

    def _only(self, kinds: Sequence[int]) -> list[Windows]:
        """Return the windows of some kinds among those to learn from."""
        parts = [part.where(np.isin(part.kinds, kinds)) for part in self.learn]
        return [part for part in parts if len(part)]

    def _answers(self, gate: Detector, windows: Sequence[Windows]) -> tuple[RealArray, RealArray, IntArray]:
        """Return confidence, familiarity and kind of every window, as the recognizer would answer."""
        odds, kinds = log_odds(gate, windows)
        familiarity = 1 / (1 + np.exp(-odds))
        logits = np.concatenate([part.logits for part in windows]) / self.card.temperature
        return familiarity * np.exp(log_softmax(logits).max(axis=1)), familiarity, kinds


def least_familiarity(real: RealArray, settings: RejectionConfig) -> float:
    """Return the threshold that declines the share of real examples that `settings` allow, at most.

    It is not above `RejectionConfig.real_share`, the familiarity of what looks as much in-distribution as not.

    >>> least_familiarity(np.array([0.1, 0.2, 0.9, 0.95]), RejectionConfig(real_declined=0.25))
    0.2
    """
    return min(settings.real_share, float(np.sort(real)[math.floor(settings.real_declined * len(real))]))


def log_odds(gate: Detector, windows: Sequence[Windows]) -> tuple[RealArray, IntArray]:
    """Return what a gate says of windows, and their kinds, ``(n_windows,)`` each."""
    gate.eval()
    with torch.no_grad():
        parts = [
            gate(*(tensor[first : first + 256] for tensor in part.tensors())).double().numpy()
            for part in windows
            for first in range(0, len(part), 256)
        ]
    return np.concatenate(parts), np.concatenate([part.kinds for part in windows])


def _fit(gate: Detector, windows: Sequence[Windows], settings: RejectionConfig, progress: Progress, stage: str) -> None:
    n_real = sum(int((part.kinds == REAL).sum()) for part in windows)
    n_foreign = sum(len(part) for part in windows) - n_real
    # Real and foreign count the same, however many kinds were left out.
    balance = torch.tensor(n_foreign / max(n_real, 1))
    rng = np.random.default_rng(settings.seed)
    parts_of = [max(1, round(len(part) / settings.batch_size)) for part in windows]
    n_steps = settings.epochs * sum(parts_of)
    optimizer = torch.optim.AdamW(gate.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=max(n_steps, 2))
    gate.train()
    for step in range(n_steps):
        if step % sum(parts_of) == 0:
            batches = [
                (part, rows)
                for part, n in zip(windows, parts_of, strict=True)
                for rows in np.array_split(rng.permutation(len(part)), n)
            ]
            rng.shuffle(batches)
        part, rows = batches[step % sum(parts_of)]
        batch = part.where(rows)
        real = torch.from_numpy((batch.kinds == REAL).astype(np.float32))
        loss = functional.binary_cross_entropy_with_logits(gate(*batch.tensors()), real, pos_weight=balance)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        progress(stage, step + 1, n_steps, f"loss {loss.item():.3f}")


def _platt(odds: RealArray, real: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset that make log odds honest where real and foreign are equally likely (Platt 1999)."""
    from scipy.optimize import minimize

    n_real, n_foreign = int(real.sum()), int((~real).sum())
    targets = np.where(real, (n_real + 1) / (n_real + 2), 1 / (n_foreign + 2))
    weights = np.where(real, 0.5 / max(n_real, 1), 0.5 / max(n_foreign, 1))

    def loss(line: RealArray) -> float:
        scaled = np.exp(line[0]) * odds + line[1]
        return float(weights @ (np.logaddexp(0, scaled) - targets * scaled))

    found = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])
