"""What a report tells of a run beside its scores: settings, weights, data, time, machine and command."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from earmark.data import SPLITS, Manifest
from earmark.evaluation import Outcome, Scores
from earmark.runs.architecture import architecture_of
from earmark.text import in_words, percent
from earmark.training.loop import Row
from earmark.training.recipe import Recipe

Table: TypeAlias = tuple[tuple[str, ...], ...]
"""Rows of cells; the first is the heading."""

MOST_LEARNED = 200
"""Examples of the training part that the finished file is asked for the report."""

PART_NAMES = {"train": "training", "valid": "validation", "test": "test"}


def facts_of(
    recipe: Recipe,
    manifest: Manifest,
    *,
    rows: Sequence[Row],
    scores: Scores,
    validation: Outcome,
    learned: Outcome,
) -> dict[str, Table]:
    """Return named tables for the report; `learned` are the answers to some of the training part."""
    return {
        "Figures": _figures(rows, scores, validation, learned),
        "Run": _run(recipe, manifest, rows),
        "Examples of each label": _counts(manifest),
        "Settings": settings_table(recipe),
    }


def some_of(manifest: Manifest) -> Manifest:
    """Return at most `MOST_LEARNED` examples, evenly spread: to answer them all would take as long as an epoch."""
    step = -(-len(manifest) // MOST_LEARNED) or 1
    return replace(manifest, examples=manifest.examples[::step])


def _figures(rows: Sequence[Row], scores: Scores, validation: Outcome, learned: Outcome) -> Table:
    """Return training, validation and scored part side by side."""
    from earmark.evaluation import score

    best = min(rows, key=lambda row: row.get("valid_loss", row["train_loss"]))
    train, valid = (score(part, protocol="") if len(part.truth) else None for part in (learned, validation))
    lines = [("", "accuracy", "loss", "precision", "recall", "macro F1", "examples")]
    learning = percent(best["train_accuracy"]), f"{best['train_loss']:.3f}"
    lines.append(("training, while learning", *learning, "", "", "", ""))
    for name, found in (("training, finished", train), ("validation", valid), ("scored part", scores)):
        if found is not None:
            shares = (
                percent(found.macro_precision),
                percent(found.macro_recall),
                percent(found.macro_f1),
            )
            lines.append((name, percent(found.accuracy), f"{found.nll:.3f}", *shares, f"{found.n:,}"))
    return tuple(lines)


def _run(recipe: Recipe, manifest: Manifest, rows: Sequence[Row]) -> Table:
    network = architecture_of(recipe, n_labels=len(manifest.labels))
    best = min(rows, key=lambda row: row.get("valid_loss", row["train_loss"]))
    return (
        ("", ""),
        ("recipe", recipe.name),
        ("input", " × ".join(map(str, network.input_shape))),
        ("weights", f"{network.n_parameters:,}, of which {network.n_trainable:,} are trained"),
        ("epochs", f"{len(rows)}, the least loss in epoch {best['epoch']:g}"),
        ("time in the loop", in_words(sum(row["seconds"] for row in rows))),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
        ("Python", platform.python_version()),
        ("command", _command()),
        ("split", recipe.split.description),
    )


def _command() -> str:
    """Return the command that was given; of a program, only its name."""
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return " ".join(["earmark", *sys.argv[1:]]) if name in ("earmark", "__main__.py") else name


def _counts(manifest: Manifest) -> Table:
    counted = Counter((example.label, example.split) for example in manifest)
    of_label = Counter(example.label for example in manifest)
    parts = [part for part in SPLITS if any(example.split == part for example in manifest)]
    lines = [
        (label, *(f"{counted[label, part]:,}" for part in parts), f"{of_label[label]:,}") for label in manifest.labels
    ]
    sums = [sum(counted[label, part] for label in manifest.labels) for part in parts]
    heading = ("label", *(PART_NAMES[part] for part in parts), "all")
    return (heading, *lines, ("all", *(f"{n:,}" for n in sums), f"{len(manifest):,}"))


def settings_table(recipe: Recipe) -> Table:
    """Return every field of a recipe and its value."""
    lines = [("field", "value")]

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for place, item in enumerate(value):
                walk(f"{prefix}[{place}]", item)
        elif value not in (None, "", [], {}):
            lines.append((prefix, str(value)))

    walk("", recipe.model_dump(mode="json"))
    return tuple(lines)
