"""The feature lab: tables of numbers about sounds, and what classical models make of them."""

from earmark.lab.exploration import Findings, explore
from earmark.lab.extraction import Extracted, extract
from earmark.lab.findings import write_findings
from earmark.lab.plan import Exploration
from earmark.lab.rows import Segments
from earmark.lab.winner import write_recognizer

__all__ = [
    "Exploration",
    "Extracted",
    "Findings",
    "Segments",
    "explore",
    "extract",
    "write_findings",
    "write_recognizer",
]
