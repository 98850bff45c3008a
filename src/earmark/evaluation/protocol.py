"""The words for how examples were chosen, so that no figure travels without them.

=================================================  ===============================================================
protocol                                           meaning
=================================================  ===============================================================
``all examples of SOURCE``                         nothing was held out here; honest only for data never trained on
``grouped 70/15/15 seed 0, test part``             no group is on two sides
``grouped fold 2 of 5 seed 0, test part``          the second fold of a cross-validation by group
``gtzan/fault-filtered, valid part``               a published split, by name
``random 70/15/15 seed 0, test part (groups on     clips of one group are on both sides: too good to be true; show
both sides)``                                      it only beside an honest figure
=================================================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Sequence

LEAK = " (groups on both sides)"


def word_protocol(  # noqa: PLR0913 - the facts of a split
    split: str | None,
    part: str | None = None,
    *,
    source: str = "the data",
    fractions: Sequence[float] | None = None,
    fold: int | None = None,
    folds: int | None = None,
    seed: int | None = None,
) -> str:
    """Return one line saying how the scored examples were chosen.

    Parameters
    ----------
    split
        ``"grouped"``, ``"random"`` or the name of a published split; None when the data came with no split.
    part
        ``"train"``, ``"valid"`` or ``"test"``; None for all examples.
    source
        Name of the data, used when nothing was split.
    fractions
        Shares of the parts.
    fold, folds
        The fold, counted from 0, and how many there are.
    seed
        Of the split.

    Examples
    --------
    >>> word_protocol("grouped", "test", fractions=(0.7, 0.15, 0.15), seed=0)
    'grouped 70/15/15 seed 0, test part'
    >>> word_protocol("gtzan/fault-filtered", "valid")
    'gtzan/fault-filtered, valid part'
    >>> word_protocol(None, source="HOMUS.zip")
    'all examples of HOMUS.zip'
    """
    if part is None:
        return f"all examples of {source}"
    if split is None:
        return f"{part} part of {source}"
    words = [split]
    if folds is not None and fold is not None:
        words.append(f"fold {fold + 1} of {folds}")
    elif fractions is not None:
        words.append("/".join(f"{100 * fraction:.3g}" for fraction in fractions))
    if seed is not None:
        words.append(f"seed {seed}")
    return f"{' '.join(words)}, {part} part{LEAK if split == 'random' else ''}"
