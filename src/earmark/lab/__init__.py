"""The feature lab: tables of numbers about sounds, and what classical models make of them."""

from earmark.lab.extraction import Extracted, extract
from earmark.lab.rows import Segments

__all__ = ["Extracted", "Segments", "extract"]
