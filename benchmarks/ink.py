"""Time the raster of strokes and of scans, on one core.

    python benchmarks/ink.py [HOMUS.zip]

With the HOMUS archive, every drawing in it is read and drawn; without, random ones are. Scans are drawn
from the strokes with a thicker pen, 240 pixels wide, and traced back. Processor time of the one thread.
"""

from __future__ import annotations

import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earmark.features import InkRaster
from earmark.ink import draw_strokes, make_ink, parse_strokes
from earmark.types import Image, Ink

N_SCANS = 200


def synthetic(n: int) -> list[Ink]:
    """Return `n` drawings of one to five random walks."""
    rng = np.random.default_rng(0)
    return [
        make_ink([rng.normal(0, 4, (20, 2)).cumsum(axis=0) for _ in range(rng.integers(1, 6))], where="synthetic")
        for _ in range(n)
    ]


def timed(what: str, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Apply `work` to all `items`, print the time, return the results."""
    started_s = time.process_time()
    results = [work(item) for item in items]
    seconds = time.process_time() - started_s
    print(f"{what:32} {len(items):6} in {seconds:6.2f} s, {1000 * seconds / len(items):.3f} ms each")
    return results


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1:
        with zipfile.ZipFile(Path(sys.argv[1])) as archive:
            texts = [(n, archive.read(n).decode()) for n in archive.namelist() if n.endswith(".txt")]
        inks = timed("parse", lambda item: parse_strokes(item[1], where=item[0])[1], texts)
    else:
        inks = synthetic(2000)
    timed("ink 64 × 64", draw_strokes, inks)
    everything = InkRaster(height=56, width=40, channels=("ink", "direction", "progress", "size"))
    timed("ink and pen 56 × 40", everything, inks)
    large = {"height": 240, "width": 240, "pen_width_px": 7, "margin_px": 15}
    scans = [Image((255 - 255 * draw_strokes(ink, **large)).astype(np.uint8)) for ink in inks[:: len(inks) // N_SCANS]]
    timed("scan of 240 × 240 to 56 × 40", everything, scans)


if __name__ == "__main__":
    main()
