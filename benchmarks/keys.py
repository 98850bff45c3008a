"""Keys that sound together: the sets that a recognizer names, beside basic-pitch's network, on the same mixtures.

    python benchmarks/keys.py PIANOS --model FILE --basic-pitch nmp.onnx [--pianos kawai,steinway] [--per-cell 20]

Mixtures of 1 to 6 keys are rendered from the single notes of pianos that the recognizer has not learned; half of them
are struck together, half within 1.2 s; half of the sets are any keys, half octaves, fifths, chords, clusters. Printed
are the share of sets that are named exactly and the F1 of the keys, by number of keys and by register, with 95 %
intervals by resampling the pianos; which keys are missed or added an octave from one that sounds; and how often sounds
that are no keys are declined.

``nmp.onnx`` lies in the wheel of basic-pitch 0.4.0 (Bittner et al. 2022, Apache 2.0), which ``pip download --no-deps
basic-pitch==0.4.0`` fetches. Its two thresholds, on the highest note and onset probability of each key, are the best of
a grid on the very mixtures that it is scored on, which favours it; those of the recognizer are of its own file.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.data import Manifest, read_manifest
from earmark.evaluation.intervals import accuracy_interval, expanded_tail, resampled_counts
from earmark.recognizer import Recognizer
from earmark.recognizer.recognizer import load
from earmark.rejection.sounds import make_ood, ood_kinds
from earmark.sound import resample
from earmark.training.mixtures.bank import bank_of
from earmark.training.mixtures.scored import MOST_KEYS, scored_mixture
from earmark.types import FloatArray, Sound
from earmark.units import note_midi

LOWEST, N_KEYS = 21, 88
REGISTERS = {"A0 to B2": (21, 47), "C3 to B4": (48, 71), "C5 to B6": (72, 95), "C7 to C8": (96, 108)}
OCTAVES = (-36, -24, -12, 12, 24, 36)
SEED = 77

Sets = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mixtures:
    """Sounds and the keys in them.

    Attributes
    ----------
    sounds
        One an example.
    truth
        ``(n, 88)``.
    pianos
        Which each is of, ``(n,)``.
    """

    sounds: list[Sound]
    truth: Sets
    pianos: npt.NDArray[np.str_]


def main() -> None:
    """Print all tables."""
    arguments = parsed()
    recognizer = load(arguments.model)
    manifest = read_manifest(arguments.data)
    chosen = tuple(arguments.pianos.split(",")) if arguments.pianos else manifest.groups
    mixtures = render(manifest, chosen, per_cell=arguments.per_cell)
    print(f"{len(mixtures.sounds)} mixtures of {', '.join(chosen)}")
    answers = {recognizer.card.name: named_sets(recognizer, mixtures.sounds)}
    if arguments.basic_pitch:
        answers["basic-pitch"] = basic_pitch_sets(arguments.basic_pitch, mixtures)
    for name, given in answers.items():
        report(name, given, mixtures)
    if arguments.others:
        declined(recognizer, n=arguments.others)


def parsed() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a pianos folder with labels.csv")
    parser.add_argument("--model", default="notes")
    parser.add_argument("--basic-pitch", type=Path, help="nmp.onnx of basic-pitch 0.4.0")
    parser.add_argument("--pianos", default="", help="comma-separated; all unless given")
    parser.add_argument("--per-cell", type=int, default=20, help="mixtures of each piano, number of keys and manner")
    parser.add_argument("--others", type=int, default=3, help="sounds of each kind that are no keys")
    return parser.parse_args()


def render(manifest: Manifest, pianos: tuple[str, ...], *, per_cell: int) -> Mixtures:
    """Return mixtures of each piano: `per_cell` of each number of keys and manner."""
    sounds, truth, names = [], [], []
    manners = list(product(range(1, MOST_KEYS + 1), (True, False), (True, False)))
    for place, piano in enumerate(pianos):
        notes = replace(manifest, examples=tuple(e for e in manifest.examples if e.group == piano))
        bank = bank_of(notes, sample_rate_hz=16_000)
        for number, (n_keys, together, hard) in enumerate(manners * per_cell):
            rng = np.random.default_rng([SEED, place, number])
            keys, samples = scored_mixture(bank, piano, rng, n_keys=n_keys, together=together, hard=hard)
            row = np.zeros(N_KEYS, np.bool_)
            row[np.array(keys) - LOWEST] = True
            sounds.append(Sound(samples, bank.sample_rate_hz))
            truth.append(row)
            names.append(piano)
    return Mixtures(sounds, np.stack(truth), np.array(names))


def named_sets(recognizer: Recognizer, sounds: list[Sound]) -> Sets:
    """Return the keys that a recognizer names, ``(n, 88)``; of one that knows one key at a time, its answer."""
    given = np.zeros((len(sounds), N_KEYS), np.bool_)
    began_s = time.process_time()
    for row, sound in enumerate(sounds):
        prediction = recognizer.predict(sound)
        labels = prediction.labels
        named = [prediction.label] if labels is None else [answer.label for answer in labels]
        for midi in filter(None, map(note_midi, named)):
            given[row, midi - LOWEST] = True
    print_speed(recognizer.card.name, time.process_time() - began_s, sounds)
    return given


def print_speed(name: str, spent_s: float, sounds: list[Sound]) -> None:
    """Print how many times faster than real time sounds were answered, by processor time."""
    print(f"{name}: {sum(sound.duration_s for sound in sounds) / spent_s:.0f} times real time on one core")


def basic_pitch_sets(path: Path, mixtures: Mixtures) -> Sets:
    """Return the keys that basic-pitch's network names, ``(n, 88)``, by the best thresholds on these mixtures."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    began_s = time.process_time()
    highest = np.stack([_basic_pitch(session, sound) for sound in mixtures.sounds])
    print_speed("basic-pitch", time.process_time() - began_s, mixtures.sounds)
    grid = np.arange(0.1, 0.96, 0.05)
    pairs = [(note, onset) for note in grid for onset in (0.0, *grid)]
    exact = [((highest >= pair).all(2) == mixtures.truth).all(1).mean() for pair in pairs]
    best = pairs[int(np.argmax(exact))]
    print(f"basic-pitch: note >= {best[0]:.2f} and onset >= {best[1]:.2f} are best on these mixtures")
    given: Sets = (highest >= best).all(2)
    return given


def _basic_pitch(session: object, sound: Sound) -> FloatArray:
    """Return the highest probability of a note and of an onset of each key, ``(88, 2)``."""
    window, overlap, rate_hz = 43_844, 7680, 22_050
    samples = np.pad(resample(sound, rate_hz).samples, (overlap // 2, 0))
    n_windows = max(1, -(-(len(samples) - overlap // 2) // (window - overlap)))
    samples = np.pad(samples, (0, max(0, (n_windows - 1) * (window - overlap) + window - len(samples))))
    cuts = np.stack([samples[i * (window - overlap) :][:window] for i in range(n_windows)])[..., None]
    outputs = {
        out.name: value
        for out, value in zip(
            session.get_outputs(),
            session.run(None, {session.get_inputs()[0].name: cuts.astype(np.float32)}),
            strict=True,
        )
    }  # type: ignore[attr-defined]
    note, onset = outputs["StatefulPartitionedCall:1"], outputs["StatefulPartitionedCall:2"]
    # Half of the overlap is left out at either side, as its own code does.
    edge = 15
    return np.stack([note[:, edge:-edge].max((0, 1)), onset[:, edge:-edge].max((0, 1))], axis=1)


def report(name: str, given: Sets, mixtures: Mixtures) -> None:
    """Print the figures of one recognizer."""
    truth, pianos = mixtures.truth, mixtures.pianos
    n_keys = truth.sum(1)
    print(f"\n{name}\n{'':12}{'n':>5}  {'exact':>24}  {'F1':>24}")
    rows = {"all": np.ones(len(truth), np.bool_), **{f"{n} keys": n_keys == n for n in range(1, MOST_KEYS + 1)}}
    for piano in np.unique(pianos):
        rows[str(piano)[:12]] = pianos == piano
    for title, chosen in rows.items():
        right = (given[chosen] == truth[chosen]).all(1)
        (low, high), _ = accuracy_interval(right, pianos[chosen])
        exact = f"{right.mean():.3f} ({low:.3f} to {high:.3f})"
        f1 = f1_with_interval(given[chosen], truth[chosen], pianos[chosen])
        print(f"{title:12}{chosen.sum():5}  {exact:>24}  {f1:>24}")
    for title, (low_midi, high_midi) in REGISTERS.items():
        columns = slice(low_midi - LOWEST, high_midi - LOWEST + 1)
        n = int(truth[:, columns].sum())
        print(f"{title:12}{n:5}  {'':24}  {f1_with_interval(given[:, columns], truth[:, columns], pianos):>24}")
    confusions(given, truth)


def f1_with_interval(given: Sets, truth: Sets, pianos: npt.NDArray[np.str_]) -> str:
    """Return the F1 of all keys together, with the interval over pianos, in words."""
    hits, total = (given & truth).sum(1), given.sum(1) + truth.sum(1)
    resampled = np.concatenate(
        [
            2 * (counts @ hits) / np.maximum(counts @ total, 1)
            for counts in resampled_counts(pianos, n_resamples=2000, seed=0)
        ]
    )
    n_units = len(np.unique(pianos))
    tail = expanded_tail(n_units if n_units > 1 else len(pianos))
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return f"{2 * hits.sum() / max(total.sum(), 1):.3f} ({low:.3f} to {high:.3f})"


def confusions(given: Sets, truth: Sets) -> None:
    """Print how many keys were missed and added, and how many of these lie octaves from a key that sounds."""
    counted: Counter[str] = Counter()
    for answer, right in zip(given, truth, strict=True):
        sounding = set(np.flatnonzero(right).tolist())
        for kind, keys in (("missed", right & ~answer), ("added", answer & ~right)):
            for key in np.flatnonzero(keys).tolist():
                counted[kind] += 1
                counted[f"{kind}, octaves away"] += any(key + octave in sounding for octave in OCTAVES)
    alone = truth.sum(1) == 1
    wrong_octave = sum(
        any(key + octave in np.flatnonzero(answer) for octave in OCTAVES)
        for answer, right in zip(given[alone], truth[alone], strict=True)
        for key in np.flatnonzero(right)
    )
    print(
        "  ".join(f"{kind}: {n}" for kind, n in sorted(counted.items()))
        + f"  single keys with an octave: {wrong_octave}"
    )


def declined(recognizer: Recognizer, *, n: int) -> None:
    """Print how many sounds that are no keys are answered with some."""
    rng = np.random.default_rng(SEED)
    print("\nsounds that are no keys, answered with some:")
    wrong: Counter[str] = Counter()
    for kind, _ in product(ood_kinds(), range(n)):
        sound = Sound(make_ood(kind, rng, duration_s=2.0, sample_rate_hz=16_000), 16_000)
        wrong[kind] += bool(recognizer.predict(sound).labels)
    print(f"{wrong.total()} of {n * len(ood_kinds())}:", {kind: count for kind, count in wrong.items() if count})


if __name__ == "__main__":
    main()
