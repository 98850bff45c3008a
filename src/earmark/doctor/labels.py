"""Label checks: rare labels, class imbalance, synonyms, and label errors."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.data import Manifest
from earmark.data.facts import label_meaning
from earmark.data.manifest import UNKNOWN_GROUP
from earmark.doctor.baseline import NEVER, Baseline, matrix, out_of_fold
from earmark.doctor.examine import Examined
from earmark.doctor.findings import Finding
from earmark.doctor.repeated import Copy
from earmark.text import some
from earmark.types import FloatArray, RealArray
from earmark.units import note_midi

FEWEST = 10
UNEVEN = 10.0
N_FOLDS = 5
FEWEST_TO_JUDGE = 40
MACHINE_WEIGHT = 0.5
"""Of the support vector machine in the ranking, beside the nearest neighbours, which are less sure where they err."""

USEFUL_ACCURACY = 0.5
"""Out-of-fold accuracy below which the baseline may not accuse anybody."""


def label_findings(manifest: Manifest) -> Iterator[Finding]:
    """Yield what the labels alone tell."""
    yield from _one_label(manifest)
    yield from _few(manifest)
    yield from _one_group(manifest)
    yield from _same_meaning(manifest)


def _one_label(manifest: Manifest) -> Iterator[Finding]:
    if len(manifest.labels) < 2:
        held = some(manifest.labels) or "none"
        message = f"there is only one label ({held})"
        yield Finding("one-label", "error", (), message, "add examples of another", family="labels")


def _few(manifest: Manifest) -> Iterator[Finding]:
    counts = Counter(label for example in manifest for label in manifest.labels_of(example))
    if len(counts) < 2:
        return
    (common, most), (rare, least) = counts.most_common(1)[0], counts.most_common()[-1]
    few = {label: n for label, n in counts.items() if n < FEWEST}
    if few and most >= FEWEST:
        yield Finding(
            "few-examples",
            "warning",
            tuple(example.path for example in manifest if not few.keys().isdisjoint(manifest.labels_of(example))),
            f"{len(few)} label(s) have fewer than {FEWEST} examples: "
            + some(f"{label} {n}" for label, n in sorted(few.items(), key=lambda pair: pair[1])),
            "add examples, or join them with another label; a score of so few means little",
            family="labels",
            evidence=dict(few),
        )
    if most > UNEVEN * least:
        judged_by = "balanced accuracy" if manifest.target == "multi-class" else "mean average precision"
        yield Finding(
            "imbalance",
            "warning",
            (),
            f"{common} has {most} examples and {rare} {least}, {most / least:.0f} times fewer",
            f"judge by {judged_by}, not by accuracy; add examples of the rare ones",
            family="labels",
            evidence={common: most, rare: least},
        )


def _one_group(manifest: Manifest) -> Iterator[Finding]:
    groups: dict[str, set[str]] = defaultdict(set)
    for example in manifest:
        for label in manifest.labels_of(example):
            groups[label].add(example.group)
    for label in manifest.labels:
        if len(groups[label]) == 1 and UNKNOWN_GROUP not in groups[label]:
            yield Finding(
                "one-group",
                "warning",
                tuple(example.path for example in manifest if label in manifest.labels_of(example)),
                f"the label {label!r} comes from one group, {min(groups[label])!r}, so it cannot be tested honestly",
                "add examples of other groups",
                family="labels",
            )


def _same_meaning(manifest: Manifest) -> Iterator[Finding]:
    n_of = Counter(label for example in manifest for label in manifest.labels_of(example))
    meanings: dict[str, list[str]] = defaultdict(list)
    for label in manifest.labels:
        meanings[meaning(label)].append(label)
    for labels in meanings.values():
        if len(labels) > 1:
            yield Finding(
                "same-meaning",
                "warning",
                tuple(example.path for example in manifest if not set(labels).isdisjoint(manifest.labels_of(example))),
                f"the labels {' and '.join(map(repr, labels))} mean the same",
                "rename all but one of them",
                family="labels",
                evidence={label: n_of[label] for label in labels},
            )


def meaning(label: str) -> str:
    """Return what a label means, the same for all its spellings.

    >>> meaning("Hip-Hop") == meaning("hiphop"), meaning("Db4") == meaning("C#4"), meaning("rock") == meaning("Rocks")
    (True, True, False)
    """
    midi = note_midi(label.strip())
    if midi is not None:
        return f"midi {midi}"
    folded = unicodedata.normalize("NFKD", label).casefold().replace("&", "and").replace("'n'", "and")
    letters = "".join(letter for letter in folded if letter.isalnum())
    # A label of signs only would vanish and mean the same as all others of its kind.
    return label_meaning(letters) if letters else label


def two_labels(manifest: Manifest, copies: Sequence[Copy]) -> Iterator[Finding]:
    """Yield an error for content that is there under two labels."""
    for copy in copies:
        one, two = manifest.examples[copy.original], manifest.examples[copy.copy]
        if set(manifest.labels_of(one)) != set(manifest.labels_of(two)) and copy.relation != "alike":
            yield Finding(
                "two-labels",
                "error" if copy.relation != "near-drawing" else "warning",
                (one.path, two.path),
                f"{two.path} is labelled {two.label!r}, but {copy.words.format(original=one.path)}, "
                f"which is labelled {one.label!r}",
                "look which is right, and correct or remove the other",
                family="labels",
                evidence={"relation": copy.relation, **copy.evidence},
                quarantine=(one.path, two.path),
            )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Doubts about labels.

    Attributes
    ----------
    order
        Rows, the most doubtful first.
    doubt
        The share of labels made wrong on purpose that look less wrong than the given one, 0…1, in the order of `order`.
    suggested
        The likeliest other label of each, in the order of `order`.
    n_likely_wrong
        About so many labels look as wrong as wrong labels do.
    n_off_diagonal
        So many are off the diagonal of the confident joint, mistakes of the model among them.
    accuracy
        Of the out-of-fold answers against the given labels.
    """

    order: npt.NDArray[np.intp]
    doubt: FloatArray
    suggested: tuple[str, ...]
    n_likely_wrong: int
    n_off_diagonal: int
    accuracy: float


def judge_labels(features: FloatArray, labels: Sequence[str], groups: Sequence[str]) -> Judgement:
    """Rank labels by how wrong they look to models that have not seen them.

    Parameters
    ----------
    features
        Shape ``(n, n_features)``.
    labels, groups
        Of each; groups are kept whole in the folds.

    Notes
    -----
    A support vector machine and nearest neighbours judge every example out of fold; the ranking joins how much either
    prefers another label to the given one, by ranks. How many of the first are likely wrong: every example would also
    look doubtful to some degree under each label that is not its own. Half of those are above their median, so about
    twice as many labels are wrong as there are given ones above it. Where mistakes are between labels that are alike
    this is too few.

    The confident joint is that of C. Northcutt, L. Jiang, I. Chuang, "Confident learning", JAIR 70, 2021: an example
    counts as label `j` when its probability of `j` is at least the mean probability of `j` among those labelled `j`.
    """
    names = sorted(set(labels))
    truth = np.array([names.index(label) for label in labels])
    scorers = (Baseline.log_probabilities, Baseline.nearness)
    log_probabilities, nearness = out_of_fold(
        features, truth, np.array(groups), n_folds=N_FOLDS, seed=0, scorers=scorers
    )
    rows = np.arange(len(truth))
    # A label that comes from one group is not known where that group is left out: nobody can judge it there.
    known = nearness > NEVER
    chances_doubt, near_doubt = (
        np.where(known, _doubts(answers), -np.inf)[rows, truth] for answers in (log_probabilities, nearness)
    )
    made_wrong = known.copy()
    made_wrong[rows, truth] = False
    share = _share_below(np.sort(_doubts(nearness)[made_wrong]), near_doubt)
    order = np.argsort(-(_ranks(near_doubt) + MACHINE_WEIGHT * _ranks(chances_doubt)), kind="stable")
    others = log_probabilities.copy()
    others[rows, truth] = -np.inf
    return Judgement(
        order=order,
        doubt=share[order].astype(np.float32),
        suggested=tuple(names[label] for label in others.argmax(axis=1)[order]),
        n_likely_wrong=min(len(truth), 2 * int((share > 0.5).sum())),
        n_off_diagonal=_off_diagonal(np.exp(log_probabilities), truth),
        accuracy=float((log_probabilities.argmax(axis=1) == truth).mean()),
    )


def _doubts(answers: FloatArray) -> FloatArray:
    """Return how far the best other label is above each label, both ``(n, n_labels)``."""
    best_two = np.partition(answers, -2, axis=1)[:, -2:]
    best_other = np.where(answers == best_two[:, 1:], best_two[:, :1], best_two[:, 1:])
    return np.asarray(best_other - answers, dtype=np.float32)


def _ranks(values: FloatArray) -> npt.NDArray[np.intp]:
    return values.argsort(kind="stable").argsort(kind="stable")


def _share_below(known: FloatArray, values: FloatArray) -> RealArray:
    """Return the share of `known`, in order, that is below each value."""
    return np.searchsorted(known, values) / max(1, len(known))


def _off_diagonal(chances: FloatArray, truth: npt.NDArray[np.intp]) -> int:
    thresholds = np.array([chances[truth == label, label].mean() for label in range(chances.shape[1])])
    confident = np.where(chances >= thresholds, chances, 0)
    return int(((confident.max(axis=1) > 0) & (confident.argmax(axis=1) != truth)).sum())


def doubtful(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield the labels that are likely wrong, the most doubtful first; nothing where it cannot be judged."""
    if manifest.target == "multi-label":
        said = "examples have several labels, which the baseline does not judge"
        yield Finding("labels-not-judged", "note", (), said, family="labels")
        return
    rows, features = matrix(examined)
    examples = [manifest.examples[row] for row in rows]
    counts = Counter(example.label for example in examples)
    groups = [example.group or example.path for example in examples]
    if len(examples) < FEWEST_TO_JUDGE or len(counts) < 2 or min(counts.values()) < 2 or len(set(groups)) < N_FOLDS:
        return
    judged = judge_labels(features, [example.label for example in examples], groups)
    right = f"{100 * judged.accuracy:.0f} % of the labels of examples that it has not learned"
    if judged.accuracy < USEFUL_ACCURACY:
        message = f"a simple model finds only {right}, too few to say which labels are wrong"
        yield Finding("labels-not-judged", "note", (), message, family="labels", evidence={"accuracy": judged.accuracy})
        return
    yield Finding(
        "labels-judged",
        "note",
        (),
        f"a simple model finds {right}; on {judged.n_off_diagonal} of {len(examples)} examples it prefers another "
        f"label, and about {judged.n_likely_wrong} of these labels are probably wrong",
        family="labels",
        evidence={
            "accuracy": round(judged.accuracy, 4),
            "n_likely_wrong": judged.n_likely_wrong,
            "n_off_diagonal": judged.n_off_diagonal,
        },
    )
    for rank, place in enumerate(judged.order[: judged.n_likely_wrong], start=1):
        example, other = examples[place], judged.suggested[rank - 1]
        doubt = float(judged.doubt[rank - 1])
        yield Finding(
            "likely-wrong-label",
            "warning",
            (example.path,),
            f"{example.path}: is labelled {example.label!r} and looks like {other!r} (doubt {doubt:.2f}, rank {rank})",
            "look at it or listen to it, and correct the label if it is wrong",
            family="labels",
            evidence={"given": example.label, "suggested": other, "doubt": round(doubt, 4), "rank": rank},
        )
