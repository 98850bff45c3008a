"""Train/validation/test splits and folds: stratified by label with whole groups, or published; and leaking groups."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from earmark.config import Config
from earmark.data.facts import PUBLISHED_SPLITS, published_split
from earmark.data.manifest import SPLITS, UNKNOWN_GROUP, Manifest
from earmark.errors import DataError, UnknownNameError
from earmark.types import IntArray, RealArray

log = logging.getLogger(__name__)

VALIDATION_SHARE = 0.15
PROTOCOLS = ("grouped", "random", "given", *PUBLISHED_SPLITS)


class Split(Config):
    """How examples are divided into train, valid and test.

    Attributes
    ----------
    protocol
        ``"grouped"``: no group is in two parts. ``"random"``: groups are ignored, so scores are too good wherever
        examples of one group resemble each other. ``"given"``: the splits that the manifest already has. Or the name of
        a published split, such as ``"gtzan/fault-filtered"``; examples that it leaves out are in no part.
    fractions
        Shares of train, valid and test, of every label's examples, as nearly as whole groups allow.
    seed
        Of the order in which groups are dealt.
    unit
        ``"example"``, or ``"clip"``: sounds are cut into clips as long as a window before they are divided, see
        `earmark.data.clips.clips_of`.
    folds, fold
        With `folds`, k parts of equal size instead of `fractions`: number `fold` is the test part, the one after it the
        validation part, the others the training part.
    """

    protocol: str = "grouped"
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
    seed: int = 0
    unit: Literal["example", "clip"] = "example"
    folds: int | None = Field(default=None, ge=3, le=1000)
    fold: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.protocol not in PROTOCOLS:
            raise UnknownNameError("split protocol", self.protocol, PROTOCOLS)
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or not self.fractions[0]:
            raise ValueError(f"fractions {self.fractions} must be shares of train, valid and test that add up to 1")
        if self.fold and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"fold {self.fold} needs folds of more than that; folds is {self.folds}")
        return self

    @property
    def description(self) -> str:
        """What a score that was made with it says about itself.

        >>> Split().description, Split(folds=5, fold=1).description
        ('grouped 70/15/15, seed 0', 'grouped, fold 2 of 5, seed 0')
        """
        of = " of clips" if self.unit == "clip" else ""
        if self.protocol in PUBLISHED_SPLITS or self.protocol == "given":
            return f"{self.protocol}{of}"
        if self.folds is not None:
            return f"{self.protocol}{of}, fold {self.fold + 1} of {self.folds}, seed {self.seed}"
        shares = "/".join(f"{100 * fraction:g}" for fraction in self.fractions)
        return f"{self.protocol}{of} {shares}, seed {self.seed}"


def has_choice(split: Split) -> bool:
    """Return whether nobody asked for a protocol, so that data that is divided already may keep its parts."""
    return "protocol" not in split.model_fields_set and split.folds is None


def apply_split(manifest: Manifest, split: Split) -> Manifest:
    """Return the same examples, each in a part or, with a published split, in none.

    When it is dealt here (grouped, random), every label is in train; a label of two groups also reaches one other part,
    a label of one group none. Published and given splits stay as they are.

    Raises
    ------
    DataError
        When groups are needed and not known, there are too few of them, a label would be missing from train, or a
        published split knows none of the examples.
    """
    if split.protocol == "given":
        return _given(manifest, seed=split.seed)
    if split.protocol in PUBLISHED_SPLITS:
        return _published(manifest, split.protocol)
    if split.protocol == "grouped" and not manifest.groups_known:
        n = sum(example.group == UNKNOWN_GROUP for example in manifest)
        raise DataError(
            f"{manifest.name}: {n} of {len(manifest)} examples do not say which group they are of, so a split cannot "
            "keep groups whole; give a group column or pattern, or accept the leak with protocol = 'random'"
        )
    shares = np.full(split.folds, 1 / split.folds) if split.folds else np.array(split.fractions)
    grouped = split.protocol == "grouped"
    members = _members([e.group if grouped else (e.path, row) for row, e in enumerate(manifest)])
    _refuse_too_few(manifest, len(members), int((shares > 0).sum()), grouped=grouped)
    index = {label: number for number, label in enumerate(manifest.labels)}
    counts = _counts(members, [[index[label] for label in manifest.labels_of(example)] for example in manifest])
    parts = _deal(counts, shares, seed=split.seed, keep_first=split.folds is None)
    if split.folds:
        names = ["train"] * split.folds
        names[split.fold], names[(split.fold + 1) % split.folds] = "test", "valid"
    else:
        names = list(SPLITS)
    result: list[str | None] = [None] * len(manifest)
    for rows, part in zip(members, parts, strict=True):
        for row in rows:
            result[row] = names[part]
    divided = manifest.with_splits(result)
    _refuse_untrained(divided)
    return divided


def folds(groups: npt.ArrayLike, labels: npt.ArrayLike, *, k: int, seed: int = 0) -> IntArray:
    """Return the fold of every example for k-fold cross-validation: groups stay whole, labels are spread evenly.

    Parameters
    ----------
    groups, labels
        Of every example.
    k
        How many folds; with fewer groups than that, one a group.
    seed
        Of the order in which groups are dealt.

    Examples
    --------
    >>> folds(["a", "a", "b", "c", "d"], [0, 1, 0, 1, 1], k=2).tolist()
    [0, 0, 1, 1, 0]
    """
    members = _members(np.asarray(groups).tolist())
    k = min(k, len(members))
    single = [[label] for label in np.asarray(labels).tolist()]
    parts = _deal(_counts(members, single), np.full(k, 1 / k), seed=seed, keep_first=False)
    result = np.zeros(sum(map(len, members)), np.int64)
    for rows, part in zip(members, parts, strict=True):
        result[rows] = part
    return result


def leaks(manifest: Manifest) -> tuple[str, ...]:
    """Return the groups that are in more than one part, by name."""
    parts: dict[str, set[str]] = defaultdict(set)
    for example in manifest:
        if example.split is not None and example.group != UNKNOWN_GROUP:
            parts[example.group].add(example.split)
    return tuple(sorted(group for group, found in parts.items() if len(found) > 1))


def _given(manifest: Manifest, *, seed: int) -> Manifest:
    if not any(example.split for example in manifest):
        raise DataError(
            f"{manifest.name}: has no splits of its own; fill the column split, or use protocol = 'grouped'"
        )
    if manifest.is_divided and not len(manifest.part("valid")):
        manifest = _with_validation_part(manifest, seed=seed)
    _refuse_untrained(manifest)
    return manifest


def _with_validation_part(manifest: Manifest, *, seed: int) -> Manifest:
    """Take a validation part out of the training part, by groups: train and test folders often come without one."""
    train = manifest.part("train")
    fractions = (1 - VALIDATION_SHARE, VALIDATION_SHARE, 0.0)
    divided = iter(apply_split(train, Split(protocol="grouped", fractions=fractions, seed=seed)))
    splits = [next(divided).split if example.split == "train" else example.split for example in manifest]
    log.warning(
        "%s: has no validation part, so %d of its %d training examples, of other groups, become one",
        manifest.name,
        splits.count("valid"),
        len(train),
    )
    return manifest.with_splits(splits)


def _published(manifest: Manifest, name: str) -> Manifest:
    table: Mapping[str, str] = published_split(name)
    parts = [table.get(example.track) for example in manifest]
    if not any(parts):
        raise DataError(
            f"{manifest.name}: none of its {len(manifest)} examples is a track of the split {name}; "
            "give the data set that it was made for, or use protocol = 'grouped'"
        )
    return manifest.with_splits(parts)


def _members(groups: Sequence[Any]) -> list[list[int]]:
    """Return the rows of each group; groups by name, so that the order of the examples does not matter."""
    rows: dict[Any, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        rows[group].append(row)
    return [rows[group] for group in sorted(rows)]


def _counts(members: Sequence[Sequence[int]], labels: Sequence[Sequence[Any]]) -> RealArray:
    """Return how many examples of each label a group has, ``(group, label)``; an example may have several."""
    column = {label: index for index, label in enumerate(sorted({label for each in labels for label in each}))}
    counts = np.zeros((len(members), len(column)))
    for group, rows in enumerate(members):
        for row in rows:
            for label in labels[row]:
                counts[group, column[label]] += 1
    return counts


def _deal(counts: RealArray, shares: RealArray, *, seed: int, keep_first: bool) -> npt.NDArray[np.intp]:
    """Deal groups, large before small, to the part whose share of their labels is furthest from full.

    The cost is the sum over parts and labels of the squared difference between the share that a part has of a label and
    the one that it should have: the idea of scikit-learn's ``StratifiedGroupKFold``, for unequal parts.
    """
    weights = counts / counts.sum(axis=0)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    # Sizes count by powers of two only; else groups of all different sizes would fall the same way for every seed.
    magnitude = np.floor(np.log2(counts.sum(axis=1)))
    order = order[np.argsort(-magnitude[order], kind="stable")]
    held = np.zeros((len(shares), counts.shape[1]))
    parts = np.zeros(len(counts), dtype=np.intp)
    for group in order:
        parts[group] = _cheapest(held, weights[group], shares)
        held[parts[group]] += weights[group]
    _fill(parts, counts, shares)
    _spread(parts, counts, shares, keep_first=keep_first)
    return parts


def _cheapest(held: RealArray, added: RealArray, shares: RealArray) -> np.intp:
    """Return the part where `added` raises the cost least; never one whose share is nothing."""
    labels = np.flatnonzero(added)
    gap = held[:, labels] - shares[:, None]
    rise = (added[labels] * (2 * gap + added[labels])).sum(axis=1)
    rise[shares == 0] = np.inf
    return np.argmin(rise)


def _fill(parts: npt.NDArray[np.intp], counts: RealArray, shares: RealArray) -> None:
    """Move a group, in place, into every part that has a share but nothing: few large groups can leave one empty."""
    for part in np.flatnonzero(shares):
        if (parts == part).any():
            continue
        n_groups = np.bincount(parts, minlength=len(shares))
        able = [int(group) for group in np.flatnonzero(n_groups[parts] > 1)]
        # Best a group whose labels its part keeps, then one of the part with most groups, then a small one.
        costs = [(_n_lost(group, parts, counts), -n_groups[parts[group]], counts[group].sum(), group) for group in able]
        parts[min(costs)[-1]] = part


def _n_lost(group: int, parts: npt.NDArray[np.intp], counts: RealArray) -> int:
    """Return how many labels a part would lose with `group`."""
    others = (parts == parts[group]) & (np.arange(len(parts)) != group)
    return int(((counts[group] > 0) & ~(counts[others] > 0).any(axis=0)).sum())


def _spread(parts: npt.NDArray[np.intp], counts: RealArray, shares: RealArray, *, keep_first: bool) -> None:
    """Move single-label groups, in place, until every part has each label that has a group to spare.

    With `keep_first`, part 0 (train) is served first and never gives its last group of a label away.
    """
    pure = (counts > 0).sum(axis=1) == 1
    wanted = [int(part) for part in np.argsort(-shares, kind="stable") if shares[part] > 0]
    if keep_first:
        wanted = [0, *(part for part in wanted if part)]
    for label in range(counts.shape[1]):
        having = np.flatnonzero(counts[:, label])
        for position, part in enumerate(wanted):
            held = {p: having[parts[having] == p] for p in wanted}
            if len(held[part]):
                continue
            # A part may give when it keeps one, or when it is served after this part.
            giving = [p for p in wanted if len(held[p]) > 1 or p in wanted[position + 1 :]]
            movable = [g for p in giving for g in held[p] if pure[g]]
            if movable:
                parts[min(movable, key=lambda g: (-len(held[int(parts[g])]), counts[g, label], g))] = part


def _refuse_too_few(manifest: Manifest, n_groups: int, n_parts: int, *, grouped: bool) -> None:
    if n_groups < n_parts:
        what = "group" if grouped else "example"
        raise DataError(
            f"{manifest.name}: has {n_groups} {what}(s), too few for {n_parts} parts; "
            f"add {what}s or ask for fewer parts with fractions or folds"
        )


def _refuse_untrained(manifest: Manifest) -> None:
    """Raise `DataError` when a label is only in valid or test, where nothing could have learned it."""
    trained = {label for e in manifest if e.split == "train" for label in manifest.labels_of(e)}
    used = {label for e in manifest if e.split is not None for label in manifest.labels_of(e)}
    untrained = sorted(used - trained)
    if untrained:
        raise DataError(
            f"{manifest.name}: no example of {', '.join(map(repr, untrained[:5]))} falls into train; such labels need "
            "more groups; add examples of other groups or remove the labels"
        )
