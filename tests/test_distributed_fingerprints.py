"""The index of fingerprints in shards, group by group as Ray Data hands them out, finds what one index finds."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import soundfile

from earmark.data import read_manifest
from earmark.distributed.fingerprints import _keys, _tallied, _votes
from earmark.doctor import LandmarkIndex, fingerprint
from earmark.doctor.repeated import MIN_VOTES

N_SHARDS = 8


def groups(columns):
    return [
        {name: v[columns["shard"] == shard] for name, v in columns.items()} for shard in np.unique(columns["shard"])
    ]


def joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_shards_vote_as_one_index(tmp_path):
    folder = tmp_path / "repeated" / "x"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=8 * 8000).astype(np.float32) / 10 for _ in range(3)]
    for number, samples in enumerate([*noise, 0.5 * noise[0], noise[1][8000:]]):
        soundfile.write(folder / f"{number}.wav", samples, 8000)
    heard = [soundfile.read(folder / f"{number}.wav", dtype="float32")[0] for number in range(5)]
    expected = LandmarkIndex([fingerprint(samples) for samples in heard]).pairs(min_votes=MIN_VOTES)
    assert {(match.first, match.second) for match in expected} == {(0, 3), (1, 4)}

    manifest = read_manifest(tmp_path / "repeated")
    batch = {"number": np.arange(5), "example": [asdict(example) for example in manifest]}
    keys = _keys(batch, bare=manifest, n_shards=N_SHARDS)
    assert len(groups(keys)) == N_SHARDS
    votes = joined([_votes(shard, n_shards=N_SHARDS) for shard in groups(keys)])
    found = joined([_tallied(shard) for shard in groups(votes)])
    rows = zip(*(found[name].tolist() for name in ("first", "second", "votes", "offset_s")), strict=True)
    assert sorted(rows) == sorted((match.first, match.second, match.votes, match.offset_s) for match in expected)
