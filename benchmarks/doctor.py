"""What the dataset doctor finds and what it costs, on real data with known faults.

    python benchmarks/doctor.py [pictures] [variants] [labels] [speed] [index] [leak]

Needs ``../shared/data`` beside the checkout, but for ``index``. Times are processor times of one thread, so that a busy
machine does not change them.
"""

from __future__ import annotations

import collections
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile
import soxr

from earmark.data import content_sha256, read_manifest
from earmark.data.facts import gtzan_group
from earmark.doctor import Fingerprint, LandmarkIndex, check
from earmark.doctor.baseline import matrix
from earmark.doctor.examine import examine, thinned
from earmark.doctor.labels import judge_labels
from earmark.doctor.repeated import MIN_VOTES
from earmark.doctor.scan import N_KEYS_EACH, N_KEYS_IN_ALL, scan

DATA = Path(__file__).parents[2] / "shared" / "data"
SWAP_SEEDS = (101, 102, 103)
TRACKS = ("blues.00000", "classical.00003", "metal.00009")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the processor time of a block."""
    start = time.process_time()
    yield
    print(f"  {what}: {time.process_time() - start:.2f} s of processor time")


def pictures() -> None:
    """Compare the repetitions found among the GTZAN pictures with all pairs of equal bytes."""
    data = read_manifest(DATA / "gtzan" / "mel128x387.npz")
    by_hash: dict[str, set[str]] = collections.defaultdict(set)
    for example in data:
        by_hash[content_sha256(data.root, example.path)].add(example.track)
    truth = {frozenset(pair) for tracks in by_hash.values() for pair in combinations(sorted(tracks), 2)}
    tracks = {example.path: example.track for example in data}
    report = check(data, workers=1)
    found = {frozenset(tracks[path] for path in finding.paths) for finding in report.of("same-bytes")}
    print(f"{len(truth)} pairs of equal pictures, {len(truth & found)} found, {len(found - truth)} wrong:")
    for pair in sorted(map(sorted, found)):
        print("  " + " = ".join(pair))
    near = report.of("near-drawing")
    print(f"{len(near)} nearly equal:")
    for finding in near:
        one, two = (tracks[path] for path in finding.paths)
        print(
            f"  {one} ~ {two} (distance {finding.evidence['distance']}, groups {gtzan_group(one)}, {gtzan_group(two)})"
        )
    kinds = collections.Counter(finding.kind for finding in report.findings)
    print("  findings:", ", ".join(f"{kind} {n}" for kind, n in kinds.items()))


def make_variants(folder: Path, track: str) -> dict[str, set[str]]:
    """Write what can be done to one track into `folder`; return the kind that each file must be given."""
    clean, rate_hz = soundfile.read(
        DATA / "gtzan" / "audio" / track.partition(".")[0] / f"{track}.flac", dtype="float32"
    )
    tag = track.replace(".", "-")

    def write(name: str, samples: np.ndarray, rate: int = rate_hz, **options: str | float) -> None:
        soundfile.write(folder / f"{tag}-{name}", samples, rate, **options)

    write("excerpt.wav", clean[7 * rate_hz + 123 : 17 * rate_hz + 123])
    write("quiet.wav", clean * 10 ** (-12 / 20))
    write("64k.mp3", clean, bitrate_mode="CONSTANT", compression_level=0.63)
    write("44k.wav", soxr.resample(clean, rate_hz, 44_100), 44_100)
    write("trim.wav", clean[rate_hz:])
    write("stereo.wav", np.stack((clean, clean), axis=1))
    write("whole.wav", clean)
    whole = (folder / f"{tag}-whole.wav").read_bytes()
    (folder / f"{tag}-truncated.wav").write_bytes(whole[: len(whole) // 2])
    (folder / f"{tag}-whole.wav").unlink()
    write("header.wav", clean, 44_100)
    write("silence.wav", np.zeros_like(clean))
    write("clipped.wav", np.clip(clean * 10 ** (12 / 20), -1, 1))
    mp3 = folder / f"{tag}-64k.mp3"
    print(f"  {mp3.name}: {mp3.stat().st_size * 8 / (len(clean) / rate_hz) / 1000:.0f} kbit/s")
    expected = {
        "excerpt.wav": {"excerpt"},
        "quiet.wav": {"gain"},
        "64k.mp3": {"encoded"},
        "44k.wav": {"resampled"},
        "trim.wav": {"trimmed"},
        "stereo.wav": {"equal-channels", "same-audio"},
        "truncated.wav": {"truncated"},
        "header.wav": {"wrong-rate"},
        "silence.wav": {"silent"},
        "clipped.wav": {"clipping"},
    }
    return {f"variants/{tag}-{name}": kinds for name, kinds in expected.items()}


def variants() -> None:
    """Find ten faults made of each of three tracks among the 96, and count alarms on the others."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "variants").mkdir()
        for path in sorted((DATA / "gtzan" / "audio").rglob("*.flac")):
            (root / path.parent.name).mkdir(exist_ok=True)
            (root / path.parent.name / path.name).symlink_to(path)
        expected: dict[str, set[str]] = {}
        for track in TRACKS:
            expected |= make_variants(root / "variants", track)
        report = check(root, workers=1)
    told: dict[str, set[str]] = collections.defaultdict(set)
    alarms = []
    for finding in report.findings:
        if finding.family in ("broken", "suspicious", "repeated"):
            told[finding.paths[-1]].add(finding.kind)
            if not any(path.startswith("variants/") for path in finding.paths):
                alarms.append(finding)
    right = sum(kinds <= told[path] for path, kinds in expected.items())
    print(f"{right} of {len(expected)} made faults found and named")
    for path, kinds in expected.items():
        print(f"  {'ok ' if kinds <= told[path] else 'NO '} {path}: {', '.join(sorted(told[path])) or 'nothing'}")
    print(f"{len(alarms)} alarms on the {report.n_examples - len(expected)} untouched tracks")
    for finding in alarms:
        print(f"  {finding.kind}: {finding.message}")


def labels() -> None:
    """Swap 200 labels of HOMUS at random, three times, and look for them at the head of the ranking.

    What the ranking is made of was chosen on the swaps of seeds 11 and 12.
    """
    data = read_manifest(DATA / "homus" / "HOMUS-80-writers.zip")
    with timed("reading"):
        examined = scan(data, workers=1).examined
    rows, features = matrix(examined)
    groups = [data.examples[row].group for row in rows]
    names = list(data.labels)
    for seed in SWAP_SEEDS:
        rng = np.random.default_rng(seed)
        swapped = set(rng.choice(len(rows), 200, replace=False).tolist())
        given = [data.examples[row].label for row in rows]
        for place in swapped:
            others = [name for name in names if name != given[place]]
            given[place] = others[rng.integers(len(others))]
        with timed(f"judging swap {seed}"):
            judged = judge_labels(features, given, groups)
        for n in (200, 400, judged.n_likely_wrong):
            hits = len(swapped & set(judged.order[:n].tolist()))
            print(f"  in the first {n}: {hits} of 200 ({hits / 2:.1f} %)")
        print(
            f"  out-of-fold accuracy {100 * judged.accuracy:.1f} %, {judged.n_off_diagonal} off the diagonal, "
            f"{judged.n_likely_wrong} called likely wrong",
            flush=True,
        )


def speed() -> None:
    """Time decoding, measures, fingerprints and hashes, and the search for copies."""
    data = read_manifest(DATA / "gtzan" / "audio")
    start = time.thread_time()
    examined = [examine(data, example, row=row) for row, example in enumerate(data)]
    took_s = time.thread_time() - start
    sound_s = sum(each.sound.duration_s for each in examined if each.sound is not None)
    print(f"  {sound_s:.0f} s of sound in {took_s:.2f} s of one core: {sound_s / took_s:.0f} times real time")
    start = time.thread_time()
    LandmarkIndex([each.sound.fingerprint for each in examined if each.sound is not None]).pairs(min_votes=MIN_VOTES)
    print(f"  all copies among them: {1000 * (time.thread_time() - start):.0f} ms")


def made_fingerprints(n: int, share: float, seed: int) -> tuple[list[Fingerprint], list[tuple[int, int]]]:
    """Return fingerprints with keys as skewed as those of music, every hundredth a copy of another, and the copies."""
    rng = np.random.default_rng(seed)
    each = []
    for _ in range(n):
        keys = np.minimum(rng.gamma(2.0, 60.0, N_KEYS_EACH), 511).astype(np.int64)
        for spread in (45.0, 45.0):
            keys = keys << 8 | np.clip(rng.normal(128, spread, N_KEYS_EACH), 1, 255).astype(np.int64)
        for mean in (6.0, 9.0):
            keys = keys << 5 | np.minimum(1 + rng.exponential(mean, N_KEYS_EACH), 31).astype(np.int64)
        frames = np.sort(rng.integers(0, 940, N_KEYS_EACH)).astype(np.int32)
        each.append(thinned(Fingerprint(keys, frames), share))
    copies = [(place, place + 50) for place in range(0, n - 50, 100)]
    for one, two in copies:
        kept = rng.random(len(each[one])) < 0.3
        each[two] = Fingerprint(
            np.concatenate((each[one].keys[kept], each[two].keys[kept[: len(each[two])].sum() :])),
            np.concatenate((each[one].frames[kept] + 31, each[two].frames[kept[: len(each[two])].sum() :])),
        )
    return each, copies


def index(sizes: tuple[int, ...] = (1_000, 10_000, 100_000)) -> None:
    """Index and search 1,000, 10,000 and 100,000 fingerprints of 30 s each."""
    for n in sizes:
        share = min(1.0, N_KEYS_IN_ALL / (n * N_KEYS_EACH))
        each, copies = made_fingerprints(n, share, seed=0)
        start = time.process_time()
        built = LandmarkIndex(each)
        build_s = time.process_time() - start
        start = time.process_time()
        matches = built.pairs(min_votes=MIN_VOTES)
        pairs_s = time.process_time() - start
        start = time.process_time()
        for fingerprint in each[:200]:
            built.query(fingerprint, min_votes=MIN_VOTES)
        query_ms = (time.process_time() - start) / 200 * 1000
        found = {(match.first, match.second) for match in matches}
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"  {n:>7,}: {len(built):>11,} keys, built in {build_s:6.2f} s, all copies in {pairs_s:6.2f} s, one query "
            f"{query_ms:.2f} ms, index {built.n_bytes / 2**20:.0f} MB, process {peak_gb:.1f} GB; "
            f"{len(found & set(copies))} of {len(copies)} copies, {len(found - set(copies))} false"
        )
        del built, each, matches


def leak() -> None:
    """Score the baseline on the GTZAN pictures under three protocols."""
    from earmark.doctor.protocols import baseline_trainer, compare_protocols

    data = read_manifest(DATA / "gtzan" / "mel128x387.npz")
    comparison = compare_protocols(
        data, baseline_trainer(data), protocols=("random", "grouped", "gtzan/fault-filtered"), n_folds=5, n_seeds=3
    )
    print(comparison.text)


PARTS: dict[str, Callable[[], None]] = {
    "pictures": pictures,
    "variants": variants,
    "labels": labels,
    "speed": speed,
    "index": index,
    "leak": leak,
}


def main() -> int:
    """Run the named parts, or all."""
    for name in sys.argv[1:] or PARTS:
        print(f"{name}:", flush=True)
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
