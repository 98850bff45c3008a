"""Feature tables: extraction from sounds, and classical models trained on them."""

from earmark.tables.config import Exploration
from earmark.tables.exploration import ExplorationResult, explore
from earmark.tables.export import write_recognizer
from earmark.tables.extraction import Extracted, extract
from earmark.tables.results import write_results
from earmark.tables.rows import Segments

__all__ = [
    "Exploration",
    "ExplorationResult",
    "Extracted",
    "Segments",
    "explore",
    "extract",
    "write_recognizer",
    "write_results",
]
