"""What it costs to list a bucket with very many keys: seconds of a core, and memory.

    python benchmarks/listing.py --keys 100000 1000000   # in folders of 1,000 keys
    python benchmarks/listing.py --way flat     # all in one folder
    python benchmarks/listing.py --way fsspec   # the walk of fsspec, which keeps every listing

The client is that of S3; its requests are answered within the process, page by page. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from large_bucket import N_IN_A_FOLDER, ROOT, stand_in


def walked() -> Iterator[str]:
    """Yield the names that the walk of fsspec finds, its own paths."""
    from earmark.storage import as_path, file_system, key_of

    root = as_path(ROOT)
    for place, _, names in file_system(root).walk(key_of(root)):
        yield from (f"s3://{place}/{name}" for name in names)


def measure(n_keys: int, way: str) -> tuple[int, float, float, float]:
    """Return how many names came, the seconds of a core, and the MB of this process before and at most."""
    from earmark.distributed.predict import list_inputs

    n_in_a_folder = n_keys if way == "flat" else N_IN_A_FOLDER
    stand_in(n_keys // n_in_a_folder, n_in_a_folder=n_in_a_folder)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    begun_s = time.process_time()
    n_found = sum(1 for _ in (walked() if way == "fsspec" else list_inputs([ROOT], frozenset({".mp3"}))))
    taken_s = time.process_time() - begun_s
    return n_found, taken_s, before_mb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Measure each number of keys in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--way", choices=["folders", "flat", "fsspec"], default="folders")
    asked = parser.parse_args()
    for n_keys in asked.keys:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            n, taken_s, before_mb, most_mb = pool.apply(measure, (n_keys, asked.way))
        print(
            f"{n:,} names: {taken_s:.1f} s of a core, {before_mb:.0f} MB before, {most_mb:.0f} MB at most", flush=True
        )


if __name__ == "__main__":
    main()
