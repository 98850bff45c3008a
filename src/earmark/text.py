"""Numbers and lists in words, for messages and pages."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "group"), counted(2, "group")
    ('1 group', '2 groups')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal, never rounded up to certainty.

    >>> percent(0.9999), percent(0.1257), percent(1.0)
    ('99.9 %', '12.6 %', '100.0 %')
    """
    return f"{100 * share if share == 1 else min(100 * share, 99.9):.1f} %"
