"""Leakage between the parts of a split, and adversarial validation of the split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from earmark.data import SPLITS, Manifest, leaks
from earmark.data.archive import split_member
from earmark.data.manifest import UNKNOWN_GROUP
from earmark.doctor.baseline import matrix, out_of_fold
from earmark.doctor.examine import Examined
from earmark.doctor.findings import Finding
from earmark.doctor.repeated import Copy
from earmark.types import FloatArray

FEWEST_TO_TELL = 30
SEPARABLE_AUC = 0.65
"""Area under the curve from which train and test differ too much."""


def split_findings(manifest: Manifest) -> Iterator[Finding]:
    """Yield what the manifest alone tells about its split."""
    yield from _unknown_groups(manifest)
    yield from _groups(manifest)
    yield from _recordings(manifest)
    if manifest.domain == "table":
        yield from _scaled_together(manifest)


def _unknown_groups(manifest: Manifest) -> Iterator[Finding]:
    n = sum(example.group == UNKNOWN_GROUP for example in manifest)
    if n:
        yield Finding(
            "unknown-group",
            "warning",
            (),
            f"{n} of {len(manifest)} examples do not say which group they are of, so only a leaky split is possible",
            "add a column group: the artist, writer or instrument",
            family="splits",
        )


def _groups(manifest: Manifest) -> Iterator[Finding]:
    for group in leaks(manifest):
        members = [example for example in manifest if example.group == group and example.split]
        parts = _parts(example.split for example in members)
        yield Finding(
            "leak",
            "error",
            tuple(example.path for example in members),
            f"the group {group!r} is in {parts}, so the score would partly measure memory",
            "keep it in one part: use protocol = 'grouped'",
            family="splits",
        )


def _recordings(manifest: Manifest) -> Iterator[Finding]:
    """Yield recordings whose pieces are in several parts, whose group is not reported already."""
    leaking_groups = set(leaks(manifest))
    pieces: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(manifest):
        if example.split and example.group not in leaking_groups:
            file, member = split_member(example.path)
            # Rows of one table or pictures of one archive are not pieces of one recording.
            source = example.path if member is not None else file
            pieces[example.track or source].append(row)
    for recording, rows in pieces.items():
        members = [manifest.examples[row] for row in rows]
        if len({example.split for example in members}) > 1:
            yield Finding(
                "recording-leak",
                "error",
                tuple(example.path for example in members),
                f"pieces of the recording {recording} are in {_parts(e.split for e in members)}; "
                "neighbours of one recording are nearly copies",
                "give all pieces of a recording one group",
                family="splits",
            )


def _scaled_together(manifest: Manifest) -> Iterator[Finding]:
    """Yield a table whose columns were scaled over all rows, so that the training part knows of the test part."""
    values = manifest.table.values
    train = np.array([example.split == "train" for example in manifest])
    test = np.array([example.split == "test" for example in manifest])
    varying = np.ptp(values, axis=0) > 0
    if not varying.any() or len(values) < FEWEST_TO_TELL:
        return
    values = values[:, varying]
    scaled = {
        "mean 0 and spread 1": _is_standard(values),
        "0 to 1": bool(np.all((np.abs(values.min(axis=0)) < 1e-9) & (np.abs(values.max(axis=0) - 1) < 1e-9))),
    }
    for what, is_so in scaled.items():
        if not is_so:
            continue
        divided = train.any() and test.any()
        yield Finding(
            "scaled-together",
            "error" if divided else "warning",
            (),
            f"every column of all {len(values)} rows together was scaled to {what}, "
            + ("so the training part knows the test part" if divided else "so no split of it will be quite honest"),
            "give the numbers before scaling; the scaler is fitted on the training part",
            family="splits",
        )


def _is_standard(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    spread = np.minimum(np.abs(values.std(axis=0) - 1), np.abs(values.std(axis=0, ddof=1) - 1))
    return bool(np.all((np.abs(values.mean(axis=0)) < 1e-6) & (spread < 1e-6)))


def copies_apart(manifest: Manifest, copies: Sequence[Copy]) -> Iterator[Finding]:
    """Yield an error for content that is in two parts, and a note where only the groups would let it be."""
    for copy in copies:
        one, two = manifest.examples[copy.original], manifest.examples[copy.copy]
        if one.split and two.split and one.split != two.split:
            yield Finding(
                "copy-leak",
                "error" if copy.relation not in ("alike", "near-drawing") else "warning",
                (one.path, two.path),
                f"{two.path} in {two.split} {copy.words.format(original=one.path)}, which is in {one.split}",
                "give both the same group, or leave one out",
                family="splits",
                evidence={"relation": copy.relation, **copy.evidence},
                quarantine=(two.path,),
            )


def adversarial_validation(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield the result of adversarial validation: whether a model can tell training from test examples."""
    rows, features = matrix(examined)
    used = [n for n, row in enumerate(rows) if manifest.examples[row].split in ("train", "test")]
    parts = np.array([manifest.examples[rows[n]].split == "test" for n in used], dtype=np.intp)
    if len(used) < FEWEST_TO_TELL or min(np.bincount(parts, minlength=2)) < FEWEST_TO_TELL // 3:
        return
    groups = np.array([manifest.examples[rows[n]].group or str(n) for n in used])
    area = separability(features[used], parts, groups)
    result = f"a baseline model tells training from test examples with an AUC of {area:.2f} (0.5 is chance)"
    if area >= SEPARABLE_AUC:
        yield Finding(
            "parts-differ",
            "warning",
            (),
            f"{result}: the two parts differ",
            "see what differs (rate, level, codec, instrument, class shares), or deal the parts again",
            family="splits",
            evidence={"area_under_curve": round(area, 4)},
        )
    else:
        yield Finding("parts-alike", "note", (), result, family="splits", evidence={"area_under_curve": round(area, 4)})


def separability(
    features: FloatArray,
    parts: np.ndarray[tuple[int], np.dtype[np.intp]],
    groups: np.ndarray[tuple[int], np.dtype[np.str_]],
) -> float:
    """Return the area under the curve of telling part 1 from part 0, out of fold, with whole groups."""
    from sklearn.metrics import roc_auc_score

    (log_probabilities,) = out_of_fold(features, parts, groups, n_folds=5, seed=0)
    return float(roc_auc_score(parts, log_probabilities[:, 1]))


def _parts(splits: Iterator[str | None]) -> str:
    found = set(splits)
    return ", ".join(part for part in SPLITS if part in found)
