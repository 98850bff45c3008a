"""Descriptions of evaluation protocols: how the scored examples were chosen, in words that every score carries."""

from __future__ import annotations

from earmark.recognizer.card import PART_NAMES

LEAKING = "random"
LEAK = " (groups on both sides)"


def describe_protocol(split: str | None, part: str | None, *, source: str = "the data") -> str:
    """Return one line saying how the scored examples were chosen.

    Parameters
    ----------
    split
        The split in words, as `earmark.data.Split.description` gives it; None when the data came with its parts.
    part
        ``"train"``, ``"valid"`` or ``"test"``; None for all examples: nothing was held out here, so the figure is only
        honest for data that was never trained on.
    source
        Name of the data, used when nothing was split.

    Examples
    --------
    >>> describe_protocol("grouped 70/15/15, seed 0", "test")
    'grouped 70/15/15, seed 0, test part'
    >>> describe_protocol("gtzan/fault-filtered", "valid")
    'gtzan/fault-filtered, validation part'
    >>> describe_protocol("random 70/15/15, seed 0", "test")
    'random 70/15/15, seed 0, test part (groups on both sides)'
    >>> describe_protocol(None, None, source="HOMUS.zip")
    'all examples of HOMUS.zip'
    """
    if part is None:
        return f"all examples of {source}"
    if split is None:
        return f"{PART_NAMES.get(part, part)} part of {source}"
    return f"{split}, {PART_NAMES.get(part, part)} part{LEAK if split.startswith(LEAKING) else ''}"
