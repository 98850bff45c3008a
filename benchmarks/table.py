"""Time the feature table against the librosa recipe, one core each, and compare every column.

    python benchmarks/table.py FOLDER_OF_SOUNDS [--n 12] [--workers 2]

Prints the median time of both, their ratio, the largest deviation of every column, and how much faster several
processes are than one.
"""

from __future__ import annotations

import argparse
import os
import statistics
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
from earmark.features.table import FEATURE_COLUMNS, SAMPLE_RATE_HZ, describe  # noqa: E402
from earmark.lab import extract  # noqa: E402
from earmark.types import FloatArray  # noqa: E402

_REPEATS = 3


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


def timed(function: Callable[[FloatArray], npt.NDArray[np.float64]], samples: FloatArray, repeats: int) -> float:
    """Return the least processor time of some calls, in ms: what else runs on the machine counts little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function(samples)
        times.append(1000 * (time.process_time() - start))
    return min(times)


def compare(manifest: Manifest) -> None:
    """Print times and deviations over the examples of `manifest`."""
    sounds = [sound.read(manifest.root / e.path, sample_rate_hz=SAMPLE_RATE_HZ).samples for e in manifest]
    describe(sounds[0])
    librosa_recipe(sounds[0])
    ours = [timed(describe, samples, _REPEATS) for samples in sounds]
    theirs = [timed(librosa_recipe, samples, 1) for samples in sounds]
    fast, slow = statistics.median(ours), statistics.median(theirs)
    print(f"median of {len(sounds)} sounds: librosa {slow:.0f} ms, earmark {fast:.1f} ms, ratio {slow / fast:.1f}")
    print("largest deviation, relative:")
    deviations = []
    for samples in sounds:
        expected = librosa_recipe(samples)
        deviations.append(np.abs(describe(samples) - expected) / np.maximum(np.abs(expected), np.finfo(float).tiny))
    for column, deviation in zip(FEATURE_COLUMNS, np.max(deviations, axis=0), strict=True):
        print(f"  {column:<24} {deviation:.1e}")


def scale(manifest: Manifest, workers: int) -> None:
    """Print the wall time of the whole table with one process and with several."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        for n in (1, workers):
            start = time.perf_counter()
            extract(manifest, out=Path(folder) / f"{n}.csv", workers=n)
            seconds[n] = time.perf_counter() - start
    print(
        f"{len(manifest)} sounds: 1 process {seconds[1]:.1f} s, {workers} processes {seconds[workers]:.1f} s, "
        f"{seconds[1] / seconds[workers]:.2f} times as fast"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a folder of classes")
    parser.add_argument("--n", type=int, default=12, help="sounds to compare")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    manifest = read_manifest(arguments.source)
    step = max(1, len(manifest) // arguments.n)
    compare(Manifest(manifest.examples[::step], "sound", manifest.root, manifest.name))
    scale(manifest, arguments.workers)


if __name__ == "__main__":
    main()
