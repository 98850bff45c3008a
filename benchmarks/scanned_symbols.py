"""How well scanned symbols of other hands are recognised: by class and by writer, balanced over classes.

    python benchmarks/scanned_symbols.py symbols-16-writers.zip [MODEL]

The archive holds crops as ``<class>/<writer>_<number>.png``. Printed are the share right of each class and its errors,
the mean over classes and the expected calibration error, both with a 95 % interval by resampling writers, and the same
for every writer. A crop that the recognizer would decline counts as answered, and their share is printed.
"""

from __future__ import annotations

import sys
import zipfile
from collections import Counter
from collections.abc import Callable

import numpy as np

from earmark.evaluation.calibration import reliability
from earmark.recognizer import load
from earmark.types import RealArray

N_RESAMPLES = 2000


def answers(archive: zipfile.ZipFile, model: str) -> dict[str, np.ndarray]:
    """Return truth, answer, confidence, writer and whether it was declined, of every crop."""
    recognizer = load(model)
    rows = []
    for name in sorted(archive.namelist()):
        if not name.endswith(".png"):
            continue
        *_, label, file = name.split("/")
        prediction = recognizer.predict(archive.read(name), force=True, top=1)
        best = prediction.top[0]
        rows.append((label, best.label, best.confidence, file.partition("_")[0], bool(prediction.reason)))
    columns = ("truth", "answer", "confidence", "writer", "declined")
    return dict(zip(columns, map(np.array, zip(*rows, strict=True)), strict=True))


def interval(statistic: Callable[[np.ndarray], float], writers: np.ndarray) -> RealArray:
    """Return the 95 % percentile interval of a statistic of rows, by resampling writers."""
    rng = np.random.default_rng(0)
    names = np.unique(writers)
    rows = {name: np.flatnonzero(writers == name) for name in names}
    drawn = (np.concatenate([rows[name] for name in rng.choice(names, len(names))]) for _ in range(N_RESAMPLES))
    return np.quantile([statistic(each) for each in drawn], [0.025, 0.975])


def main() -> None:
    """Print the tables."""
    with zipfile.ZipFile(sys.argv[1]) as archive:
        found = answers(archive, sys.argv[2] if len(sys.argv) > 2 else "symbols")
    truth, right = found["truth"], found["truth"] == found["answer"]

    def balanced(rows: np.ndarray) -> float:
        return float(np.mean([right[rows][truth[rows] == label].mean() for label in np.unique(truth[rows])]))

    def calibration_error(rows: np.ndarray) -> float:
        return reliability(found["confidence"][rows], right[rows]).error

    for label in np.unique(truth):
        of_label = truth == label
        errors = Counter(found["answer"][of_label & ~right].tolist()).most_common(4)
        wrong = ", ".join(f"{name} {n}" for name, n in errors)
        print(f"{label:18} {100 * right[of_label].mean():5.1f} % of {of_label.sum():3}   {wrong}")
    for writer in np.unique(found["writer"]):
        rows = np.flatnonzero(found["writer"] == writer)
        print(f"writer {writer:11} {100 * right[rows].mean():5.1f} % of {len(rows):3}")
    everything = np.arange(len(truth))
    for name, statistic in (("balanced accuracy", balanced), ("calibration error", calibration_error)):
        low, high = interval(statistic, found["writer"])
        print(f"{name} {statistic(everything):.3f} ({low:.3f} to {high:.3f})")
    print(f"accuracy {right.mean():.3f}, declined {found['declined'].mean():.3f}, {len(right)} crops")


if __name__ == "__main__":
    main()
