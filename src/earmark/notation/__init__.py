"""Notation: a line that was read as music, in MusicXML, as engraved SVG and as strokes with labels."""

from earmark.notation.musicxml import write_musicxml
from earmark.notation.staff import staff_of, staff_position
from earmark.notation.svg import engrave

__all__ = ["engrave", "staff_of", "staff_position", "write_musicxml"]
