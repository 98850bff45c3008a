"""Splits: groups whole, labels balanced, the same every time; published lists; leaks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.config import ConfigError
from earmark.data import SPLITS, Example, Manifest, Split, apply_split, leaks, read_manifest
from earmark.data.facts import published_split
from earmark.errors import DataError, UnknownNameError


def manifest(rows) -> Manifest:
    examples = tuple(Example(f"{n}.wav", label, group) for n, (label, group) in enumerate(rows))
    return Manifest(examples=examples, domain="sound", root=Path(), name="made")


def parts(data: Manifest) -> list[str | None]:
    return [example.split for example in data]


@st.composite
def data_sets(draw):
    n_labels = draw(st.integers(2, 4))
    n_groups = draw(st.integers(3, 12))
    mixed = draw(st.booleans())
    rows = []
    for label in range(n_labels):
        for group in range(n_groups):
            name = f"g{group}" if mixed else f"{label}-{group}"
            rows += [(f"label{label}", name)] * draw(st.integers(1, 6))
    return manifest(rows)


@given(data=data_sets(), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_no_group_is_ever_in_two_parts(data, seed):
    divided = apply_split(data, Split(seed=seed))
    assert leaks(divided) == ()
    assert None not in parts(divided)
    assert set(divided.part("train").labels) == set(data.labels)
    assert all(len(divided.part(part)) for part in SPLITS)


@given(data=data_sets(), seed=st.integers(0, 5), folds=st.integers(3, 5))
@settings(deadline=None, max_examples=40)
def test_folds_are_a_partition_and_valid_is_the_next_test(data, seed, folds):
    n_groups = len(data.groups)
    if n_groups < folds:
        with pytest.raises(DataError, match="too few"):
            apply_split(data, Split(folds=folds))
        return
    divided = [apply_split(data, Split(folds=folds, fold=fold, seed=seed)) for fold in range(folds)]
    tested = [{e.path for e in one.part("test")} for one in divided]
    assert sum(map(len, tested)) == len(data)
    assert set.union(*tested) == {e.path for e in data}
    for fold, one in enumerate(divided):
        assert leaks(one) == ()
        assert {e.path for e in one.part("valid")} == tested[(fold + 1) % folds]


def test_shares_of_every_label_come_out():
    rng = np.random.default_rng(0)
    rows = [
        (f"l{label}", f"{label}-{group}")
        for label in range(5)
        for group in range(60)
        for _ in range(rng.integers(1, 4))
    ]
    divided = apply_split(manifest(rows), Split())
    total, of_part = Counter(label for label, _ in rows), Counter((e.split, e.label) for e in divided)
    for label, n in total.items():
        for part, share in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
            assert of_part[part, label] / n == pytest.approx(share, abs=0.02)


def test_every_part_gets_every_label_that_has_three_groups():
    rows = [(f"l{label}", f"{label}-{group}") for label in range(8) for group in range(3)]
    divided = apply_split(manifest(rows), Split())
    for part in SPLITS:
        assert len(divided.part(part).labels) == 8


def test_labels_of_few_groups():
    rows = [("common", f"c{n}") for n in range(9)] + [("two", "t1"), ("two", "t2"), ("one", "o")]
    for seed in range(5):
        divided = apply_split(manifest(rows), Split(seed=seed))
        where = {label: {e.split for e in divided if e.label == label} for label in ("one", "two")}
        assert where["one"] == {"train"}
        assert "train" in where["two"]
        assert len(where["two"]) == 2


def test_it_is_the_same_every_time_and_whatever_the_order():
    rows = [(f"l{n % 3}", f"g{n % 20}-{n % 3}") for n in range(200)]
    data = manifest(rows)
    first = {e.path: e.split for e in apply_split(data, Split())}
    shuffled = Manifest(examples=data.examples[::-1], domain="sound", root=Path(), name="made")
    assert first == {e.path: e.split for e in apply_split(shuffled, Split())}
    assert first != {e.path: e.split for e in apply_split(data, Split(seed=1))}


def test_random_ignores_groups_and_leaks_tells():
    data = manifest([("ab"[n % 2], f"g{n // 10}") for n in range(200)])
    divided = apply_split(data, Split(protocol="random"))
    assert len(leaks(divided)) > 10
    counts = Counter((e.split, e.label) for e in divided)
    assert [counts[part, "a"] for part in SPLITS] == [70, 15, 15]
    folds = [apply_split(data, Split(protocol="random", folds=4, fold=fold)) for fold in range(4)]
    assert Counter(e.path for one in folds for e in one.part("test")) == Counter(e.path for e in data)


def test_unknown_groups_are_said_not_guessed():
    data = manifest([("a", ""), ("b", "")] * 20)
    with pytest.raises(DataError, match=r"40 of 40 examples do not say which group.*protocol = 'random'"):
        apply_split(data, Split())
    assert len(apply_split(data, Split(protocol="random")).part("train")) == 28


def test_a_part_may_be_left_out():
    data = manifest([(f"l{n % 2}", f"g{n}") for n in range(20)])
    divided = apply_split(data, Split(fractions=(0.8, 0.2, 0)))
    assert Counter(parts(divided)) == {"train": 16, "valid": 4}


def test_given_splits_stay():
    data = manifest([("a", "1"), ("b", "2"), ("a", "3")])
    with pytest.raises(DataError, match="has no splits of its own"):
        apply_split(data, Split(protocol="given"))
    own = data.with_splits(["test", "train", "train"])
    assert apply_split(own, Split(protocol="given")) == own


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match=r"has 2 group\(s\), too few for 3 parts"):
        apply_split(manifest([("a", "1"), ("b", "2")]), Split())
    rows = [("a", f"g{n}") for n in range(6)] + [("lonely", "g6")]
    refused = 0
    for fold in range(3):
        try:
            apply_split(manifest(rows), Split(folds=3, fold=fold))
        except DataError as error:
            refused += "no example of 'lonely' falls into train" in str(error)
    # The label's only group is tested in one fold and validated in another.
    assert refused == 2


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"fractions": (0.5, 0.2, 0.2)}, "add up to 1"),
        ({"fractions": (0, 0.5, 0.5)}, "add up to 1"),
        ({"fold": 2}, "fold 2 needs folds"),
        ({"folds": 3, "fold": 3}, "fold 3 needs folds of more"),
        ({"folds": 2}, "folds"),
        ({"protcol": "random"}, "did you mean 'protocol'"),
    ],
)
def test_settings_that_cannot_be(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Split.parse(values, where="recipe")


def test_an_unknown_protocol():
    with pytest.raises(UnknownNameError, match="did you mean 'grouped'"):
        Split(protocol="group")


def test_descriptions():
    assert Split(protocol="random", fractions=(0.8, 0.1, 0.1), seed=3).description == "random 80/10/10, seed 3"
    assert Split(protocol="gtzan/fault-filtered").description == "gtzan/fault-filtered"


class TestPublished:
    def test_the_list_has_the_sizes_of_the_paper(self):
        table = published_split("gtzan/fault-filtered")
        assert Counter(table.values()) == {"train": 443, "valid": 197, "test": 290}

    def test_tracks_outside_are_in_no_part(self, tmp_path):
        names = ["blues.00029", "blues.00000", "blues.00012", "jazz.99999"]
        lines = ["filename,mfcc1_mean,label", *(f"{name}.{n}.wav,1,x" for name in names for n in range(2))]
        (tmp_path / "f.csv").write_text("\n".join(lines))
        divided = apply_split(read_manifest(tmp_path / "f.csv"), Split(protocol="gtzan/fault-filtered"))
        assert parts(divided) == ["train", "train", "valid", "valid", "test", "test", None, None]

    def test_another_data_set_is_refused(self):
        with pytest.raises(DataError, match="none of its 1 examples is a track of the split gtzan/fault-filtered"):
            apply_split(manifest([("a", "g")]), Split(protocol="gtzan/fault-filtered"))

    def test_on_the_real_pictures(self, shared_data):
        data = read_manifest(shared_data / "gtzan" / "mel128x387.npz")
        divided = apply_split(data, Split(protocol="gtzan/fault-filtered"))
        # 443 are listed; jazz.00054 is corrupt and has no picture.
        assert Counter(parts(divided)) == {"train": 442, "valid": 197, None: 70}
        assert leaks(divided) == ()


@pytest.mark.parametrize(
    ("source", "n_train_groups"), [("homus/HOMUS-80-writers.zip", 56), ("gtzan/mel128x387.npz", None), ("pianos", 5)]
)
def test_real_data_is_divided_whole(shared_data, source, n_train_groups):
    data = read_manifest(shared_data / source)
    divided = apply_split(data, Split())
    assert leaks(divided) == ()
    assert len(divided.part("train")) / len(data) == pytest.approx(0.7, abs=0.02)
    assert n_train_groups in (None, len(divided.part("train").groups))
    for part in SPLITS:
        assert divided.part(part).labels == data.labels
