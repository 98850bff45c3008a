"""Repetitions among very many sounds: an index of fingerprints in shards, by Ray Data.

A key and all that have it are in one shard, so every shard votes by itself; a second grouping, by pairs of sounds, adds
the votes up. No machine holds all keys, and the result is that of one `earmark.doctor.LandmarkIndex` of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.data import Example, Manifest, read_content
from earmark.doctor.examine import mixed
from earmark.doctor.index import LandmarkIndex, Match, tally
from earmark.doctor.landmarks import RATE_HZ, fingerprint
from earmark.doctor.repeated import MIN_VOTES
from earmark.types import Sound

Columns: TypeAlias = dict[str, npt.NDArray[Any]]

SHARDS_A_CORE = 4
_BATCH = 16


def find_pairs(bare: Manifest, examples: Sequence[Example]) -> list[Match]:
    """Return every two sounds with matching fingerprints, the strongest first; numbers are places in `examples`.

    Parameters
    ----------
    bare
        The manifest without its examples: where files are.
    examples
        Sounds that can be read.
    """
    import ray

    n_shards = max(1, SHARDS_A_CORE * int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]
    listed = [{"number": number, "example": asdict(example)} for number, example in enumerate(examples)]
    keys = ray.data.from_items(listed).map_batches(
        partial(_keys, bare=bare, n_shards=n_shards), batch_size=_BATCH, batch_format="numpy", num_cpus=1
    )
    votes = keys.groupby("shard", num_partitions=n_shards).map_groups(
        partial(_votes, n_shards=n_shards), batch_format="numpy"
    )
    found = votes.groupby("shard", num_partitions=n_shards).map_groups(_tallied, batch_format="numpy")
    matches = [
        Match(int(row["first"]), int(row["second"]), int(row["votes"]), float(row["offset_s"]))
        for row in found.iter_rows()
    ]
    return sorted(matches, key=lambda match: (-match.votes, match.first, match.second))


def _keys(batch: Columns, *, bare: Manifest, n_shards: int) -> Columns:
    """Return the keys of some sounds, each with the shard that it belongs to."""
    prints = [fingerprint(_samples(bare, Example(**example))) for example in batch["example"]]
    keys = np.concatenate([np.zeros(0, np.int64), *(each.keys for each in prints)])
    return {
        "shard": (mixed(keys) % np.uint64(n_shards)).astype(np.int32),
        "key": keys,
        "sound": np.repeat(batch["number"].astype(np.int32), [len(each) for each in prints]),
        "frame": np.concatenate([np.zeros(0, np.int32), *(each.frames for each in prints)]),
    }


def _samples(bare: Manifest, example: Example) -> npt.NDArray[np.float32]:
    content = read_content(bare, example, sample_rate_hz=RATE_HZ)
    return content.samples if isinstance(content, Sound) else np.zeros(0, np.float32)


def _votes(shard: Columns, *, n_shards: int) -> Columns:
    """Return the votes of one shard, each with the shard that its pair of sounds belongs to."""
    pairs, apart = LandmarkIndex.of_keys(shard["key"], shard["sound"], shard["frame"]).votes()
    return {"shard": (mixed(pairs) % np.uint64(n_shards)).astype(np.int32), "pair": pairs, "apart": apart}


def _tallied(shard: Columns) -> Columns:
    matches = tally(shard["pair"], shard["apart"], min_votes=MIN_VOTES)
    return {
        "first": np.array([match.first for match in matches], np.int64),
        "second": np.array([match.second for match in matches], np.int64),
        "votes": np.array([match.votes for match in matches], np.int64),
        "offset_s": np.array([match.offset_s for match in matches], np.float64),
    }
