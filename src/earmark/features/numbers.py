"""Rows of any table as features: whatever columns of numbers the training part has."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from earmark.errors import DataError, did_you_mean
from earmark.features.base import FEATURES, Features
from earmark.types import Domain, FloatArray, Numbers


@FEATURES.register("numbers")
class NumberFeatures(Features):
    """The numbers of a row of a table, ``(1, n_columns, 1)``; there is no way from a sound to them.

    Attributes
    ----------
    columns
        Names, in the order in which the model wants them; none: those of the training part.
    """

    domain: ClassVar[Domain] = "table"
    reads: ClassVar[tuple[Domain, ...]] = ("table",)
    kind: Literal["numbers"] = "numbers"
    columns: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(1, n_columns, 1)``."""
        return 1, len(self.columns), 1

    def __call__(self, numbers: Numbers) -> FloatArray:
        """Return float32 ``(1, n_columns, 1)`` of a row, which may have other columns beside those needed.

        Raises
        ------
        DataError
            When the row lacks a column, or a number is not finite.
        """
        values = dict(zip(numbers.names, numbers.values, strict=True))
        missing = [column for column in self.columns if column not in values]
        if missing:
            raise DataError(
                f"a row has no column {missing[0]!r}{did_you_mean(missing[0], numbers.names)}; give the columns that "
                f"were learned: {', '.join(self.columns)}"
            )
        row = np.array([values[column] for column in self.columns], np.float32)
        if not np.isfinite(row).all():
            raise DataError("a row holds values that are NaN or infinite; only finite numbers are read")
        return row[None, :, None]
