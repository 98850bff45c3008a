"""Plots of an explanation and of a timeline, as PNG, in colours that stay apart for colour-blind readers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from earmark import extras
from earmark.evaluation.figures import BLUE, GREY, ORANGE
from earmark.explanation.explain import Explanation
from earmark.recognizer.answers import NO_TAG, UNKNOWN
from earmark.recognizer.card import Card
from earmark.recognizer.network import WindowScores
from earmark.recognizer.segments import window_borders
from earmark.text import percent
from earmark.types import Prediction, RealArray
from earmark.units import note_midi

_DPI = 120
_N_ROWS_LABELLED = 40
_N_TAGS = 20


def explanation_figure(explanation: Explanation) -> bytes:
    """Draw what the network saw in grey, and what the answer rests on in orange.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    """
    sure, without = percent(explanation.confidence), percent(explanation.without)
    title = f"{explanation.input}: {explanation.label} {sure}, without the marked part {without}"
    if explanation.strokes:
        return to_png(_drawn(explanation), title)
    if explanation.times_s.size:
        return to_png(_heard(explanation), title)
    return to_png(_scanned(explanation), title)


def timeline_figure(prediction: Prediction) -> bytes:
    """Draw a prediction that has a timeline: a bar for each segment, and how sure each window is.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    """
    segments, windows = prediction.segments or (), prediction.timeline or ()
    labels = _in_order({answer.label for _, _, answer in segments})
    figure = new_figure(11.0, 2.2 + 0.28 * min(len(labels), _N_ROWS_LABELLED))
    bars, sure = figure.subplots(
        2, 1, sharex=True, height_ratios=[max(1.0, 0.3 * min(len(labels), _N_ROWS_LABELLED)), 1]
    )
    for start_s, end_s, answer in segments:
        colour = GREY if answer.label == UNKNOWN else BLUE
        bars.barh(labels.index(answer.label), end_s - start_s, left=start_s, height=0.8, color=colour)
    for start_s, _, _ in segments[1:]:
        for axis in (bars, sure):
            axis.axvline(start_s, color=ORANGE, linewidth=0.8)
    bars.set_yticks(range(len(labels)), labels)
    middles_s = [(start_s + end_s) / 2 for start_s, end_s, _ in windows]
    sure.plot(middles_s, [100 * answer.confidence for _, _, answer in windows], color=BLUE, marker=".", linewidth=1)
    sure.set(ylim=(0, 102), ylabel="how sure, %", xlabel="time, s")
    bars.set(xlim=(segments[0][0], segments[-1][1]))
    n_changes = len(segments) - 1
    title = f"{prediction.input}: {prediction.label} {percent(prediction.confidence)}, {n_changes} change"
    return to_png(figure, title + ("" if n_changes == 1 else "s"))


def taggram_figure(name: str, card: Card, scores: WindowScores) -> bytes:
    """Draw a taggram: how probable each label of a multi-label recognizer is in each window of a sound.

    The likeliest labels are shown, underlined where they are above their thresholds.

    Parameters
    ----------
    name
        Of the sound.
    card, scores
        Of the recognizer, and of all windows.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    """
    figure = new_figure(11.0, 1.6 + 0.24 * min(_N_TAGS, len(card.labels)))
    from matplotlib.colors import PowerNorm

    thresholds, overall = np.array(card.thresholds), scores.mean()
    given = overall >= thresholds
    shown = np.argsort(-scores.probabilities.max(axis=0) - given, kind="stable")[:_N_TAGS]
    shown = shown[np.argsort(overall[shown], kind="stable")]
    grid = 100 * scores.probabilities[:, shown].T
    axis = figure.subplots()
    edges = window_borders(scores)
    # The square root, because most tags are improbable and differ all the same.
    scale = PowerNorm(0.5, vmin=0, vmax=grid.max())
    mesh = axis.pcolormesh(edges, np.arange(len(shown) + 1) - 0.5, grid, cmap="cividis", norm=scale, rasterized=True)
    for row, place in enumerate(shown):
        for column in np.flatnonzero(scores.probabilities[:, place] >= thresholds[place]):
            axis.hlines(row - 0.42, edges[column], edges[column + 1], color=ORANGE, linewidth=2)
    labels = [f"{card.labels[place]} {percent(float(overall[place]))}" for place in shown]
    axis.set_yticks(range(len(shown)), labels)
    for text, place in zip(axis.get_yticklabels(), shown, strict=True):
        text.set_fontweight("bold" if given[place] else "normal")
    axis.set(xlim=(edges[0], edges[-1]), xlabel="time, s")
    figure.colorbar(mesh, ax=axis, label="probability, %")
    tags = ", ".join(card.labels[place] for place in shown[::-1] if given[place]) or NO_TAG
    return to_png(figure, f"{name}: {tags} (bold: given for the whole; orange: above the threshold)")


def _heard(explanation: Explanation) -> Any:
    """Return a spectrogram over seconds and Hz, with the decisive part hatched and outlined."""
    figure = new_figure(11.0, 5.0)
    axis = figure.subplots()
    place = (explanation.times_s, explanation.frequencies_hz)
    axis.pcolormesh(*place, explanation.feature_map, cmap="gray_r", shading="nearest", rasterized=True)
    _mark(axis, explanation, place)
    lowest_hz = explanation.frequencies_hz[explanation.frequencies_hz > 0][0]
    if explanation.frequencies_hz[0] > 0 and np.ptp(np.diff(np.log(explanation.frequencies_hz))) < 1e-3:
        axis.set_yscale("log")
    else:
        axis.set_yscale("symlog", linthresh=max(lowest_hz, 500.0))
    axis.yaxis.set_major_formatter(lambda hz, _: f"{hz:,.0f}")
    axis.set(xlabel="time, s", ylabel="frequency, Hz")
    if explanation.deciding_s:
        first_s, last_s = explanation.deciding_s
        label = f"deciding seconds: {first_s:.2f}–{last_s:.2f} s"
        axis.axvspan(first_s, last_s, ymin=-0.01, ymax=0.015, color=BLUE, clip_on=False, label=label)
        axis.legend(loc="upper right", framealpha=0.9)
    return figure


def _scanned(explanation: Explanation) -> Any:
    figure = new_figure(5.0, 6.2)
    axis = figure.subplots()
    height, width = explanation.feature_map.shape
    place = (np.arange(width, dtype=np.float64) + 0.5, np.arange(height, dtype=np.float64) + 0.5)
    axis.pcolormesh(*place, explanation.feature_map, cmap="gray_r", shading="nearest", rasterized=True)
    _mark(axis, explanation, place)
    axis.set(aspect="equal", xlim=(0, width), ylim=(height, 0), xlabel="pixels", ylabel="pixels")
    return figure


def _drawn(explanation: Explanation) -> Any:
    """Return the strokes, brighter the more they matter, the decisive parts cased in orange."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = new_figure(5.6, 6.2)
    axis = figure.subplots()
    height, width = explanation.feature_map.shape
    strongest = max((importance for _, importance, _ in explanation.strokes), default=0.0)
    scale = ScalarMappable(Normalize(0, max(strongest, 1e-6)), colormaps["cividis"])
    for part, importance, marked in sorted(explanation.strokes, key=lambda stroke: stroke[1]):
        lines = {"solid_capstyle": "round", "marker": "o" if len(part.points) == 1 else None}
        if marked:
            axis.plot(*part.points.T, color=ORANGE, linewidth=13, zorder=1, **lines)
        axis.plot(*part.points.T, color=scale.to_rgba(np.asarray(importance)), linewidth=6, zorder=2, **lines)
    figure.colorbar(scale, ax=axis, label="lost without it, nats of log-odds")
    axis.set(aspect="equal", xlim=(0, width), ylim=(height, 0), xlabel="pixels", ylabel="pixels")
    return figure


def _mark(axis: Any, explanation: Explanation, place: tuple[RealArray, RealArray]) -> None:
    if not explanation.marked.any():
        return
    from matplotlib.colors import to_rgba

    marked = explanation.marked.astype(np.float32)
    axis.contourf(*place, marked, levels=[0.5, 1.5], colors=[to_rgba(ORANGE, 0.35)], hatches=["//"])
    axis.contour(*place, marked, levels=[0.5], colors=[ORANGE], linewidths=1.2)


def _in_order(labels: set[str]) -> list[str]:
    """Return labels from the bottom up: notes by pitch, others by name from the top, what is unknown last of all."""
    known = sorted(labels - {UNKNOWN}, key=lambda label: (note_midi(label) or 0, label))
    if any(note_midi(label) is None for label in known):
        known.reverse()
    return [*([UNKNOWN] if UNKNOWN in labels else []), *known]


def new_figure(width: float, height: float) -> Any:
    """Return an empty Matplotlib figure of so many inches."""
    extras.require("a picture", "train", "matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def to_png(figure: Any, title: str) -> bytes:
    """Return a figure with a title as PNG; the same bytes for the same figure."""
    figure.suptitle(title, fontsize=10, wrap=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
