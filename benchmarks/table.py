"""Time the feature table against the librosa recipe, one core each, and compare every column.

    python benchmarks/table.py FOLDER_OF_SOUNDS [--n 12] [--workers 2] [--published features_30_sec.csv]

Prints the median time of both, their ratio, the largest deviation of every column, how much faster the command is with
several processes than with one, and how far both kinds of padding are from a published table of the same sounds.
`--n 0` and `--workers 1` leave the first and the second out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# One core each, for both sides; read when the libraries are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

from earmark import sound  # noqa: E402
from earmark.data import Manifest, read_manifest  # noqa: E402
from earmark.data.table import read_rows  # noqa: E402
from earmark.features.table import FEATURE_COLUMNS, SAMPLE_RATE_HZ, describe  # noqa: E402
from earmark.types import FloatArray  # noqa: E402

_REPEATS = 3
_NOTABLE = 0.01


def librosa_recipe(samples: FloatArray) -> npt.NDArray[np.float64]:
    """Return the 57 features as everybody computes them."""
    given = {"y": samples, "sr": SAMPLE_RATE_HZ}
    rows = [
        librosa.feature.chroma_stft(**given),
        librosa.feature.rms(y=samples),
        librosa.feature.spectral_centroid(**given),
        librosa.feature.spectral_bandwidth(**given),
        librosa.feature.spectral_rolloff(**given),
        librosa.feature.zero_crossing_rate(samples),
        *librosa.effects.hpss(samples),
    ]
    tempo, _ = librosa.beat.beat_track(**given)
    mfccs = librosa.feature.mfcc(**given, n_mfcc=20)

    def moments(group: object) -> list[float]:
        return [float(m) for row in group for m in (np.mean(row, dtype=np.float64), np.var(row, dtype=np.float64))]

    return np.array([*moments(rows), float(np.squeeze(tempo)), *moments(mfccs)])


def timed(
    function: Callable[[FloatArray], npt.NDArray[np.float64]], samples: FloatArray, repeats: int
) -> tuple[npt.NDArray[np.float64], float]:
    """Return what a function gives and the least processor time of some calls, in ms: other load counts little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function(samples)
        times.append(1000 * (time.process_time() - start))
    return result, min(times)


def samples_of(manifest: Manifest, path: str) -> FloatArray:
    """Return one sound as the table sees it."""
    return sound.read(manifest.root / path, sample_rate_hz=SAMPLE_RATE_HZ).samples


def compare(manifest: Manifest) -> None:
    """Print times and deviations over the examples of `manifest`."""
    sounds = [samples_of(manifest, example.path) for example in manifest]
    describe(sounds[0])
    librosa_recipe(sounds[0])
    given, ours = zip(*(timed(describe, samples, _REPEATS) for samples in sounds), strict=True)
    expected, theirs = zip(*(timed(librosa_recipe, samples, 1) for samples in sounds), strict=True)
    fast, slow = statistics.median(ours), statistics.median(theirs)
    print(f"median of {len(sounds)} sounds: librosa {slow:.0f} ms, earmark {fast:.1f} ms, ratio {slow / fast:.1f}")
    print("largest deviation, relative:")
    for column, deviation in zip(FEATURE_COLUMNS, np.max(relative(given, expected), axis=0), strict=True):
        print(f"  {column:<24} {deviation:.1e}")


def relative(given: npt.ArrayLike, expected: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return how far numbers are from what is expected, as a share of it."""
    truth = np.asarray(expected, np.float64)
    return np.abs(np.asarray(given, np.float64) - truth) / np.maximum(np.abs(truth), np.finfo(float).tiny)


def scale(source: str, workers: int) -> None:
    """Print the wall time of the whole command, start-up included, with one process and with several."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for n in (1, workers):
            out = str(Path(folder) / f"{n}.csv")
            command = [sys.executable, "-m", "earmark.cli", "features", source, "-o", out, "--workers", str(n)]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds[n] = time.perf_counter() - start
    print(
        f"the command, start-up included: 1 process {seconds[1]:.1f} s, {workers} processes {seconds[workers]:.1f} s, "
        f"{seconds[1] / seconds[workers]:.2f} times as fast"
    )


def agree(manifest: Manifest, table: Path) -> None:
    """Print, for every column, how far the published numbers are from ours with either padding."""
    published = {Path(row["filename"]).stem: row for row in read_rows(table)}
    examples = [example for example in manifest if Path(example.path).stem in published]
    expected = [[float(published[Path(e.path).stem][column]) for column in FEATURE_COLUMNS] for e in examples]
    deviations = {
        padding: relative([describe(samples_of(manifest, e.path), padding=padding) for e in examples], expected)
        for padding in ("silence", "mirror")
    }
    print(f"from the published numbers, {len(examples)} sounds: largest deviation (sounds that are over 1 % off)")
    print(f"  {'column':<24} {'as librosa 0.11':>16} {'as published':>16}")
    for place, column in enumerate(FEATURE_COLUMNS):
        told = [f"{d[:, place].max():9.1e} ({(d[:, place] > _NOTABLE).sum():>2})" for d in deviations.values()]
        print(f"  {column:<24} {told[0]:>16} {told[1]:>16}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a folder of classes")
    parser.add_argument("--n", type=int, default=12, help="sounds to compare")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--published", type=Path, help="a published table of the same sounds")
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.source)
    if arguments.n:
        step = max(1, len(manifest) // arguments.n)
        compare(Manifest(manifest.examples[::step], "sound", manifest.root, manifest.name))
    if arguments.workers > 1:
        scale(arguments.source, arguments.workers)
    if arguments.published:
        agree(manifest, arguments.published)


if __name__ == "__main__":
    main()
