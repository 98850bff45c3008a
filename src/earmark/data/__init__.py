"""Labelled examples: reading them from any source, splitting them honestly, finding what is wrong with them."""

from earmark.data.archive import content_sha256
from earmark.data.checks import Finding, check
from earmark.data.content import read_content
from earmark.data.manifest import SPLITS, Example, Manifest
from earmark.data.readers import READERS, Reader, read_manifest
from earmark.data.splits import PROTOCOLS, Split, apply_split, leaks
from earmark.data.table import Table

__all__ = [
    "PROTOCOLS",
    "READERS",
    "SPLITS",
    "Example",
    "Finding",
    "Manifest",
    "Reader",
    "Split",
    "Table",
    "apply_split",
    "check",
    "content_sha256",
    "leaks",
    "read_content",
    "read_manifest",
]
