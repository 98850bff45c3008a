"""Piano roll: the notes of a prediction over time and keys, as PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

from earmark.evaluation.figures import GREY
from earmark.explanation.figures import new_figure, to_png
from earmark.text import counted
from earmark.types import Note, Prediction
from earmark.units import LOWEST_KEY_MIDI, N_PIANO_KEYS, PITCH_CLASSES, note_name

_HIGHEST_KEY_MIDI = LOWEST_KEY_MIDI + N_PIANO_KEYS - 1
_FEWEST_KEYS = 25  # two octaves, so that the roll of one note still shows where it lies
_INCHES_A_SECOND, _NARROWEST, _WIDEST = 0.35, 11.0, 45.0
_INCHES_A_KEY = 0.09
_LOUDEST = 127


def piano_roll_figure(prediction: Prediction) -> bytes:
    """Draw the notes as bars from onset to offset, the brighter the louder, over the rows of a keyboard.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    """
    notes = prediction.notes or ()
    lowest, highest = _range(notes)
    end_s = max((note.end_s for note in notes), default=1.0)
    if prediction.timeline:
        end_s = max(end_s, prediction.timeline[-1][1])
    width = float(np.clip(_INCHES_A_SECOND * end_s, _NARROWEST, _WIDEST))
    figure = new_figure(width, 1.4 + _INCHES_A_KEY * (highest - lowest + 1))
    axis = figure.subplots()
    _draw_keyboard(axis, lowest, highest)
    _draw_notes(figure, axis, notes)
    axis.set(xlim=(0, end_s), ylim=(lowest - 0.5, highest + 0.5), xlabel="time, s", ylabel="key")
    key = f", {prediction.tonality.name}" if prediction.tonality else ""
    return to_png(figure, f"{prediction.input}: {counted(len(notes), 'note')}{key}")


def _range(notes: tuple[Note, ...]) -> tuple[int, int]:
    """Return the lowest and the highest key shown: whole octaves from C to B, cut at the ends of the keyboard."""
    numbers = [note.midi for note in notes] or [60]
    lowest, highest = 12 * (min(numbers) // 12), 12 * (max(numbers) // 12) + 11
    if highest - lowest + 1 < _FEWEST_KEYS:
        lowest, highest = lowest - 12, highest + 12
    return max(lowest, LOWEST_KEY_MIDI), min(highest, _HIGHEST_KEY_MIDI)


def _draw_keyboard(axis: Any, lowest: int, highest: int) -> None:
    """Shade the rows of black keys, rule a line below every C, and name the Cs."""
    for midi in range(lowest, highest + 1):
        if "#" in PITCH_CLASSES[midi % 12]:
            axis.axhspan(midi - 0.5, midi + 0.5, color=GREY, alpha=0.18, linewidth=0)
        if midi % 12 == 0:
            axis.axhline(midi - 0.5, color=GREY, linewidth=0.8)
    named = [midi for midi in range(lowest, highest + 1) if midi % 12 == 0]
    axis.set_yticks(named, [note_name(midi) for midi in named])
    axis.set_axisbelow(True)
    axis.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.6)


def _draw_notes(figure: Any, axis: Any, notes: tuple[Note, ...]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Normalize

    spans = np.array([(note.start_s, note.end_s, note.midi) for note in notes]).reshape(-1, 3)
    corners = np.stack([spans[:, [0, 2]], spans[:, [1, 2]], spans[:, [1, 2]], spans[:, [0, 2]]], axis=1)
    corners[..., 1] += [-0.4, -0.4, 0.4, 0.4]
    scale = ScalarMappable(Normalize(0, _LOUDEST), "viridis_r")
    colours = scale.to_rgba(np.array([note.velocity for note in notes], np.float64))
    axis.add_collection(PolyCollection(list(corners), facecolors=colours, edgecolors="black", linewidths=0.4))
    figure.colorbar(scale, ax=axis, label="velocity", pad=0.01, aspect=30)
