"""The listener: mono stream → resampling → noise removal → ring buffer → windows → smoothed answer.

The same samples in chunks of any size give the same windows and answers; with the hop of the card, no noise removal and
no early answers, those of `Recognizer.predict` over the whole sound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import soxr
from pydantic import Field

from earmark.config import Config
from earmark.errors import ModelError
from earmark.features import SoundFeatures, Window
from earmark.features.window import WindowSchedule
from earmark.live.answering import Said, SmoothedAnswer, SmoothedLabels
from earmark.live.denoise import DenoiseConfig, Denoiser
from earmark.live.ring import Ring
from earmark.live.smoother import SILENCE, AnswerSmoother, LabelSmoother
from earmark.live.stream_notes import StreamNotes
from earmark.live.streaming import LONG_S, choose_strategy
from earmark.live.update import Update
from earmark.notes import chord_of
from earmark.recognizer import Card, Recognizer
from earmark.recognizer.answers import keys_of
from earmark.recognizer.prediction import answers_above
from earmark.types import Answer, FloatArray, PianoKey, Sound
from earmark.units import seconds_to_samples

_MOST_HOP_S = 0.25  # four answers a second
_QUIETEST_DB = -120.0
_METER_S = 0.1
_READS = {"ink": "reads drawings", "picture": "reads pictures", "table": "reads rows of a table"}


class ListenConfig(Config):
    """Settings of a `Listener`.

    Attributes
    ----------
    hop_s
        Seconds between answers; the hop of the recognizer, a quarter of a second at most, unless given.
    smoothing_s
        Time constant with which answers follow the windows.
    margin, unknown_below
        See `AnswerSmoother`; of a multi-label recognizer the margin is that of a `LabelSmoother`. It also is
        that of `SteadyRejection`: an answer is kept until it is this share below the thresholds of the card.
    gate_db
        Windows with a lower root-mean-square level, in dB of full scale, are silence.
    force
        Give the best label even where the recognizer would reject it.
    early
        Answer before a first window is full, from the shortest sound on that the card allows; see `Update.is_partial`.
    top
        Most answers in an update.
    denoise
        Removes noise first; None leaves the sound as it is.
    """

    hop_s: float | None = Field(default=None, gt=0, le=60)
    smoothing_s: float = Field(default=0.5, ge=0, le=60)
    margin: float = Field(default=0.1, ge=0, le=1)
    unknown_below: float = Field(default=0.3, ge=0, le=1)
    gate_db: float = Field(default=-60.0, ge=_QUIETEST_DB, le=0)
    force: bool = False
    early: bool = True
    top: int = Field(default=5, ge=1)
    denoise: DenoiseConfig | None = None


class Listener:
    """Scores the windows of a stream of mono samples with a recognizer, and smooths the answers.

    Parameters
    ----------
    recognizer
        One that listens.
    sample_rate_hz
        Of the stream; any.
    config
        The settings.
    noise
        A recording of the noise alone, for ``config.denoise``.
    skip_late
        When several windows are complete at once, score only the last of them, and count the others in `n_skipped`:
        for streams that do not wait.

    Raises
    ------
    ModelError
        When the recognizer reads drawings.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        sample_rate_hz: int,
        *,
        config: ListenConfig | None = None,
        noise: Sound | None = None,
        skip_late: bool = False,
    ) -> None:
        card, config = recognizer.card, config or ListenConfig()
        if not isinstance(card.features, SoundFeatures) or card.window is None:
            whole = f"sees {card.features.kind} features of whole sounds"
            does = _READS.get(card.features.domain, whole)
            raise ModelError(f"{card.name}: {does}, it does not listen; choose a recognizer of sounds")
        self.recognizer, self.config, self.n_skipped = recognizer, config, 0
        self.window_s = card.window.length_s
        self._rate_hz: int = card.features.sample_rate_hz
        self._length = seconds_to_samples(self.window_s, self._rate_hz)
        hop = _hop_samples(config, card.features, card.window)
        self._schedule = WindowSchedule(self._length, hop)
        self.hop_s = round(hop / self._rate_hz, 4)
        self._skip_late = skip_late
        self._resampler = (
            soxr.ResampleStream(sample_rate_hz, self._rate_hz, 1, dtype="float32")
            if sample_rate_hz != self._rate_hz
            else None
        )
        self._denoiser = Denoiser(config.denoise, self._rate_hz, noise=noise) if config.denoise else None
        self._ring = Ring(self._length + hop + 2 * (card.features.reach_samples + card.features.hop_samples))
        self._strategy = choose_strategy(recognizer, self._ring, card.features, window=card.window, hop=hop)
        self._partial_end = seconds_to_samples(card.window.min_s, self._rate_hz) if config.early else self._length
        self._speaker = _speaker(card, config, hop_s=self.hop_s)
        self._notes = StreamNotes(recognizer, force=config.force) if card.frames else None

    @property
    def heard_s(self) -> float:
        """How much of the stream went into the ring so far."""
        return self._ring.end / self._rate_hz

    @property
    def level_db(self) -> float:
        """Root-mean-square level of the last tenth of a second, in dB of full scale."""
        end = self._ring.end
        return level_db(self._ring.between(max(self._ring.start, end - round(_METER_S * self._rate_hz)), end))

    @property
    def removed_db(self) -> float | None:
        """How many dB noise removal took away; None where none is removed."""
        return None if self._denoiser is None else self._denoiser.removed_db

    def feed(self, samples: FloatArray, *, arrived_s: float | None = None) -> list[Update]:
        """Take the next float32 samples ``(time,)``; return an update for every window that they complete.

        Parameters
        ----------
        samples
            At the rate of the stream.
        arrived_s
            `time.monotonic` when the last of them was there, for the latency.
        """
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(np.ascontiguousarray(samples, np.float32))
        if self._denoiser is not None:
            samples = self._denoiser.process(samples)
        return self._score_due(samples, arrived_s)

    def finish(self) -> list[Update]:
        """End the stream; return the updates of its rest, with a last window that is aligned with its end."""
        rest = np.zeros(0, np.float32)
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(rest, last=True)
        if self._denoiser is not None:
            rest = np.concatenate([self._denoiser.process(rest), self._denoiser.flush()])
        updates = self._score_due(rest, None)
        end = self._ring.end
        last = self._schedule.last(end) if end else None
        if self._notes is not None and end:
            self._notes.finish()
            last = max(0, end - self._length)  # an update for the last notes, though it repeat a window
        return updates if last is None else [*updates, self._update(last, end, None, is_last=True)]

    def _score_due(self, samples: FloatArray, arrived_s: float | None) -> list[Update]:
        updates = []
        final_end = self._ring.end + len(samples)
        hop = self._schedule.hop
        for first in range(0, len(samples), hop):
            self._ring.extend(samples[first : first + hop])
            if self._notes is not None:
                self._notes.feed(samples[first : first + hop])
            for start, end, next_end in self._due():
                if self._skip_late and next_end <= final_end:
                    self.n_skipped += 1
                    self._strategy.skip_to(end)
                else:
                    updates.append(self._update(start, end, arrived_s))
        return updates

    def _due(self) -> Iterator[tuple[int, int, int]]:
        """Yield start and end of every window that is complete by now, and the end of the one after it."""
        hop = self._schedule.hop
        last_partial = self._length - (hop + 1) // 2
        while self._partial_end <= min(last_partial, self._ring.end):
            end, self._partial_end = self._partial_end, self._partial_end + hop
            yield 0, end, self._partial_end if self._partial_end <= last_partial else self._length
        for start in self._schedule.due(self._ring.end):
            yield start, start + self._length, self._schedule.next + self._length

    def _update(self, start: int, end: int, arrived_s: float | None, *, is_last: bool = False) -> Update:
        samples = self._ring.between(start, end)
        level = level_db(samples)
        probabilities = np.zeros(len(self.recognizer.card.labels), np.float32)
        scored = self._strategy.score(start, end, is_last=is_last) if level >= self.config.gate_db else None
        card = self.recognizer.card
        if scored is None or scored.is_silent:
            scored = None
            self._speaker.reset()
            self._strategy.reset(end)
            said = Said(Answer(SILENCE, 0.0, {}), (), None, () if card.is_multi_label else None)
        else:
            probabilities = scored.mean_familiarity() * scored.mean()
            said = self._speaker.say(scored)
        sounding = self._sounding(said) if card.task == "note" else None
        latency_s = None if arrived_s is None else time.monotonic() - arrived_s
        return Update(
            start_s=start / self._rate_hz,
            end_s=end / self._rate_hz,
            answer=said.answer,
            top=said.top,
            reason=said.reason,
            labels=said.labels,
            sounding=sounding,
            chord=chord_of(key.midi for key in sounding or ()),
            notes=None if self._notes is None else self._notes.take(scored, end_s=end / self._rate_hz),
            probabilities=probabilities,
            level_db=level,
            is_partial=end - start < self._length,
            latency_s=latency_s,
        )

    def _sounding(self, said: Said) -> tuple[PianoKey, ...]:
        """Return the keys that sound now: by the last frames where there are some, else those that are answered."""
        card, newest = self.recognizer.card, self._strategy.newest
        if card.frames is None or newest is None or not said.top:
            return keys_of((said.answer,) if said.labels is None else said.labels)
        if said.reason is not None and not self.config.force:
            return ()
        return keys_of(answers_above(card, newest >= card.frames.frame_threshold, newest))


def _speaker(card: Card, config: ListenConfig, *, hop_s: float) -> SmoothedAnswer | SmoothedLabels:
    """Return what says the answers of a recognizer that scores windows so far apart."""
    keep = float(np.exp(-hop_s / config.smoothing_s)) if config.smoothing_s else 0.0
    if card.is_multi_label:
        labels = LabelSmoother(keep=keep, margin=config.margin, thresholds=card.thresholds)
        return SmoothedLabels(card, labels, margin=config.margin, top=config.top, force=config.force)
    least = 0.0 if config.force else config.unknown_below
    smoother = AnswerSmoother(keep=keep, margin=config.margin, unknown_below=least)
    return SmoothedAnswer(card, smoother, margin=config.margin, top=config.top, force=config.force)


def _hop_samples(config: ListenConfig, features: SoundFeatures, window: Window) -> int:
    """Return the hop between windows in samples; of long ones a whole number of frames, so that these can be kept."""
    hop = max(1, seconds_to_samples(config.hop_s or min(window.hop_s, _MOST_HOP_S), features.sample_rate_hz))
    if config.hop_s is None and window.length_s >= LONG_S:
        return max(1, hop // features.hop_samples) * features.hop_samples
    return hop


def level_db(samples: FloatArray) -> float:
    """Return the root-mean-square level in dB of full scale, -120 at least.

    >>> level_db(np.float32([0.1, -0.1])), level_db(np.zeros(3, np.float32))
    (-20.0, -120.0)
    """
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return round(max(_QUIETEST_DB, 10 * math.log10(power)), 3) if power else _QUIETEST_DB
