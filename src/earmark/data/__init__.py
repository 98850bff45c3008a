"""Labelled examples: reading them from any source, splitting them honestly, finding what is wrong with them."""

from earmark.data.archive import content_sha256
from earmark.data.content import read_content
from earmark.data.manifest import SPLITS, Example, Manifest
from earmark.data.readers import READERS, Reader, read_manifest
from earmark.data.table import Table

__all__ = [
    "READERS",
    "SPLITS",
    "Example",
    "Manifest",
    "Reader",
    "Table",
    "content_sha256",
    "read_content",
    "read_manifest",
]
