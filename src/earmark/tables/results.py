"""Results of an exploration as files: tables, figures, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from earmark.files import atomic_path, write_csv, write_text
from earmark.tables import plots
from earmark.tables.exploration import Candidate, ExplorationResult

_CANDIDATE_COLUMNS = (
    "transform",
    "model",
    "settings",
    "search_accuracy",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "best_gains",
    "best_gains_low",
    "best_gains_high",
    "p_value",
    "fit_s",
    "predict_ms_per_1000",
    "size_bytes",
)
_LEAK_COLUMNS = ("grouped_accuracy", "leaked")


def write_results(findings: ExplorationResult, folder: Path) -> None:
    """Write everything that `findings` say into `folder`.

    ``accuracy.csv`` has a row for each transform and model; ``findings.json`` the same with every setting tried;
    ``heatmap.png``, ``search/*.png``, ``learning/*.png``, ``confusion/*.png``, ``importances.csv`` and ``.png``,
    ``components.png`` and ``clusters.png`` show them.

    Raises
    ------
    DataError
        When the folder cannot be written to.
    """
    heading, *rows = _table(findings)
    write_csv(folder / "accuracy.csv", rows, columns=heading)
    write_text(folder / "findings.json", json.dumps(_as_dict(findings), indent=2))
    importances = plots.importances(findings)
    write_csv(folder / "importances.csv", importances, columns=("feature", "loss_of_accuracy", "spread"))
    _draw(folder / "heatmap.png", partial(plots.heat_map, findings=findings))
    _draw(folder / "importances.png", partial(plots.importance_bars, values=importances))
    for candidate in findings.candidates:
        name = f"{candidate.transform}-{candidate.model}.png"
        _draw(folder / "confusion" / name, partial(plots.confusion, candidate=candidate))
        if len(candidate.search) > 1:
            _draw_many(folder / "search" / name, partial(plots.search, candidate=candidate))
        if candidate.loss_curve:
            _draw(folder / "learning" / name, partial(plots.losses, candidate=candidate))
    _draw_many(folder / "components.png", partial(plots.components, table=findings.table))
    _draw_many(folder / "clusters.png", partial(plots.clusters, table=findings.table))


def _table(findings: ExplorationResult) -> list[tuple[Any, ...]]:
    leaky = findings.best.grouped_accuracy is not None
    return [_CANDIDATE_COLUMNS + (_LEAK_COLUMNS if leaky else ()), *_rows(findings)]


def _rows(findings: ExplorationResult) -> Iterator[tuple[Any, ...]]:
    for candidate, comparison in zip(findings.candidates, (None, *findings.comparisons), strict=True):
        scores = candidate.scores
        gains: tuple[Any, ...] = ("", "", "", "")
        if comparison is not None:
            gains = (comparison.difference, *comparison.interval, comparison.p_value)
        leak: tuple[Any, ...] = ()
        if candidate.grouped_accuracy is not None:
            leak = (candidate.grouped_accuracy, scores.accuracy - candidate.grouped_accuracy)
        yield (
            candidate.transform,
            candidate.model,
            settings_text(candidate),
            max(tried.valid_accuracy for tried in candidate.search),
            scores.accuracy,
            *scores.accuracy_interval,
            scores.macro_f1,
            *gains,
            round(candidate.fit_s, 4),
            round(candidate.predict_ms, 3),
            candidate.size_bytes,
            *leak,
        )


def settings_text(candidate: Candidate) -> str:
    """Return the chosen settings in one line."""
    return " ".join(f"{name.split('__')[-1]}={value}" for name, value in candidate.chosen.items())


def _as_dict(findings: ExplorationResult) -> dict[str, Any]:
    table = findings.table
    header, *rows = _table(findings)
    candidates = [dict(zip(header, row, strict=True)) for row in rows]
    for values, candidate in zip(candidates, findings.candidates, strict=True):
        values["settings"] = dict(candidate.chosen)
        values["search"] = [
            {"settings": dict(t.parameters), "train_accuracy": t.train_accuracy, "valid_accuracy": t.valid_accuracy}
            for t in candidate.search
        ]
    return {
        "protocol": findings.protocol,
        "labels": table.labels,
        "columns": table.columns,
        "constant_columns": [table.columns[i] for i in (table.values.std(axis=0) == 0).nonzero()[0]],
        "n_train": len(table.train),
        "n_scored": len(table.test),
        "best": findings.best.name,
        "candidates": candidates,
    }


def _draw(path: Path, draw: Callable[[Any], None]) -> None:
    _draw_many(path, lambda figure: draw(figure.subplots()))


def _widen(figure: Any) -> None:
    """Give every column of a matrix, and every panel, the room that its text takes."""
    columns = max((image.get_array().shape[1] for axes in figure.axes for image in axes.get_images()), default=0)
    panels = sum(not axes.get_images() for axes in figure.axes)
    figure.set_figwidth(max(9, 0.62 * columns + 3, 2.6 * panels))


def _draw_many(path: Path, draw: Callable[[Any], None]) -> None:
    # The object interface, not pyplot: nothing is registered globally, so nothing leaks when drawing fails.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    draw(figure)
    _widen(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
