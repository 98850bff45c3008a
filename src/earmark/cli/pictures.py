"""What ``earmark predict -o`` writes: pictures and excerpts of ``--explain`` and ``--timeline``, and MIDI files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark import extras
from earmark.errors import UsageError

if TYPE_CHECKING:
    from earmark.recognizer import Recognizer
    from earmark.types import Prediction, Sound

_OTHER_FILES = frozenset({".jpg", ".jpeg", ".svg", ".pdf", ".gif", ".webp", ".wav"})


class MidiFile:
    """Writes the notes of one input to a MIDI file.

    Parameters
    ----------
    recognizer
        The one that predicts.
    explain
        Whether pictures were asked for too.
    out
        The file.
    files
        All inputs.

    Raises
    ------
    ModelError, UsageError
        When the recognizer gives no notes, or one file cannot take what would be written.
    """

    def __init__(self, recognizer: Recognizer, *, explain: bool, out: Path, files: Sequence[str]) -> None:
        from earmark.recognizer.stitching import frame_outputs_of

        frame_outputs_of(recognizer.card)
        if explain:
            raise UsageError(f"-o {out}: --explain draws pictures; give a folder, or leave --explain out")
        if len(files) > 1:
            raise UsageError(f"-o {out}: one MIDI file for {len(files)} inputs; give a folder, with --timeline")
        self.out = out

    def draw(self, item: Any, prediction: Prediction) -> None:
        """Write the file."""
        from earmark.notes import write_midi

        write_midi(self.out, prediction.notes or ())


class Pictures:
    """Draws what was asked for of one input after the other.

    A folder also gets a MIDI file of each input, where the recognizer gives notes.

    Parameters
    ----------
    recognizer
        The one that predicts.
    explain, timeline
        What to draw.
    out
        A ``.png`` file for one picture of one input, or a folder; None for the current folder.
    files
        All inputs.

    Raises
    ------
    UsageError
        When `out` cannot take what would be drawn, or the recognizer cannot be explained.
    MissingExtraError
        When Matplotlib is not installed.
    """

    def __init__(
        self, recognizer: Recognizer, *, explain: bool, timeline: bool, out: Path | None, files: Sequence[str]
    ) -> None:
        from earmark.explanation.explain import refuse_unexplainable

        if not explain and not timeline:
            raise UsageError(f"-o {out} is where pictures go; say which: --explain, or --timeline")
        extras.require("a picture", "train", "matplotlib")
        if explain:
            refuse_unexplainable(recognizer)
        self.recognizer, self.explain, self.timeline = recognizer, explain, timeline
        self.out = Path() if out is None else out
        self.is_file = self.out.suffix.lower() == ".png" and not self.out.is_dir()
        self._taken: set[str] = set()
        if self.out.suffix.lower() in _OTHER_FILES:
            raise UsageError(f"-o {out}: pictures are written as .png, notes as .mid; give such a name, or a folder")
        n_pictures = len(files) * (explain + timeline)
        if self.is_file and n_pictures > 1:
            raise UsageError(f"-o {out}: one file for {n_pictures} pictures; give a folder")

    def draw(self, item: Any, prediction: Prediction) -> None:
        """Write the pictures of one input, and the seconds that decided."""
        from earmark.explanation.figures import explanation_figure
        from earmark.files import write_bytes
        from earmark.notes import write_midi

        place = self._place(prediction.input)
        if self.timeline:
            write_bytes(self._named(place, "timeline"), self._timeline(item, prediction))
            if prediction.notes and not self.is_file:
                write_midi(self.out / f"{place}.mid", prediction.notes)
        if self.explain:
            explanation = self._explained(item, prediction)
            path = self._named(place, "explain")
            write_bytes(path, explanation_figure(explanation))
            if explanation.sound is not None:
                _write_wav(path.with_suffix(".wav"), explanation.sound)

    def _timeline(self, item: Any, prediction: Prediction) -> bytes:
        from earmark.explanation.figures import taggram_figure, timeline_figure
        from earmark.explanation.piano_roll import piano_roll_figure

        if prediction.notes is not None:
            return piano_roll_figure(prediction)
        if not self.recognizer.card.is_multi_label:
            return timeline_figure(prediction)
        return taggram_figure(prediction.input, self.recognizer.card, self.recognizer.score(item))

    def _explained(self, item: Any, prediction: Prediction) -> Any:
        from earmark.explanation.explain import explain
        from earmark.recognizer.answers import UNKNOWN

        note = f"{prediction.input} ({UNKNOWN}; its best guess)" if prediction.label == UNKNOWN else prediction.input
        return explain(self.recognizer, item, name=note)

    def _place(self, name: str) -> str:
        """Return a name for the files of one input that no other has."""
        bare = "stdin" if name == "-" else Path(name).name
        place, number = bare, 1
        while place in self._taken:
            number += 1
            place = f"{bare}-{number}"
        self._taken.add(place)
        return place

    def _named(self, place: str, what: str) -> Path:
        return self.out if self.is_file else self.out / f"{place}.{what}.png"


def _write_wav(path: Path, sound: Sound) -> None:
    import soundfile

    from earmark.files import atomic_path

    with atomic_path(path) as temporary:
        soundfile.write(temporary, sound.samples, sound.sample_rate_hz, format="WAV", subtype="PCM_16")
