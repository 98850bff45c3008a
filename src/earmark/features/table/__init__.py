"""The feature table: the 57 numbers about a sound that the published GTZAN tables hold."""

from earmark.features.table.describe import (
    COLUMNS,
    FEATURE_COLUMNS,
    LONGEST_S,
    SAMPLE_RATE_HZ,
    TABLE_VERSION,
    Padding,
    TableFeatures,
    describe,
)

__all__ = [
    "COLUMNS",
    "FEATURE_COLUMNS",
    "LONGEST_S",
    "SAMPLE_RATE_HZ",
    "TABLE_VERSION",
    "Padding",
    "TableFeatures",
    "describe",
]
