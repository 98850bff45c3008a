"""How a sound of any length is cut into what a network sees, and how the answers are put together again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from earmark.config import Config


class Window(Config):
    """Windows over a sound.

    Attributes
    ----------
    length_s
        Length of a window. A longer sound gives several, the last one aligned with its end.
    hop_s
        Distance between the starts of neighbouring windows.
    min_s
        A shorter sound is extended with silence to this length.
    aggregate
        How the windows' probabilities become one answer: ``"mean"``, or ``"energy"``, weighted by the energy of each
        window, so that the decay of a note does not outvote its onset.
    """

    length_s: float = Field(gt=0, le=600)
    hop_s: float = Field(gt=0)
    min_s: float = Field(gt=0)
    aggregate: Literal["mean", "energy"] = "mean"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_s <= self.length_s or not self.hop_s <= self.length_s:
            raise ValueError(f"min_s ({self.min_s}) and hop_s ({self.hop_s}) may not exceed length_s ({self.length_s})")
        return self

    def starts(self, n: int, *, length: int, hop: int) -> tuple[int, ...]:
        """Return the first index of every window over `n` samples or frames; `length` and `hop` in the same unit.

        >>> Window(length_s=3, hop_s=2, min_s=1).starts(10, length=4, hop=3)
        (0, 3, 6)
        >>> Window(length_s=3, hop_s=2, min_s=1).starts(9, length=4, hop=3)
        (0, 3, 5)
        """
        if n <= length:
            return (0,)
        regular = range(0, n - length + 1, hop)
        return (*regular, n - length) if regular[-1] != n - length else tuple(regular)
