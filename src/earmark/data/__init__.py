"""Data sets of labelled examples: readers for any source, splits by group, exclusion lists."""

from earmark.data.archive import content_sha256
from earmark.data.content import read_content
from earmark.data.manifest import SPLITS, Example, Manifest, example_sha256
from earmark.data.memory import Examples
from earmark.data.readers import READERS, Reader, as_manifest, read_manifest, refuse_absent
from earmark.data.splits import PROTOCOLS, Split, apply_split, folds, leaks
from earmark.data.table import Table

__all__ = [
    "PROTOCOLS",
    "READERS",
    "SPLITS",
    "Example",
    "Examples",
    "Manifest",
    "Reader",
    "Split",
    "Table",
    "apply_split",
    "as_manifest",
    "content_sha256",
    "example_sha256",
    "folds",
    "leaks",
    "read_content",
    "read_manifest",
    "refuse_absent",
]
