"""``earmark explore``: compare classical models on a feature table."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark import extras
from earmark.cli.output import print_table
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import Groups, OnCluster, on_cluster, read_source
from earmark.files import local_folder
from earmark.storage import as_path
from earmark.text import percent

if TYPE_CHECKING:
    from earmark.tables import ExplorationResult

_MOST_WORKERS = 8
# Written out, because the help must not wait for what knows them; a test compares.
_TRANSFORMS = "none, pca, rbf, polynomial"
_MODELS = (
    "logistic, linear-svm, perceptron, ridge, tree, forest, extra-trees, boosting, neighbours, rbf-svm, neural-net"
)


class Scale(StrEnum):
    """What is done to each column of a table first."""

    standard = "standard"
    min_max = "min-max"
    none = "none"


class Keep(StrEnum):
    """Which models become recognizers."""

    best = "best"
    all = "all"


def explore(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", parser=as_path, help="A feature table, .csv or .parquet, as 'earmark features' writes it."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", parser=as_path, help="Folder for tables, figures and best.onnx."),
    ],
    protocol: Annotated[
        str, typer.Option("--protocol", help="grouped, random, given, or a published split.")
    ] = "grouped",
    transforms: Annotated[
        list[str] | None, typer.Option("--transform", help=f"Only this one; may be repeated: {_TRANSFORMS}.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help=f"Only this one; may be repeated: {_MODELS}.")
    ] = None,
    tune: Annotated[
        int, typer.Option("--tune", metavar="N", min=0, help="Let Optuna try N settings each; 0 is the grid.")
    ] = 0,
    width: Annotated[
        list[int] | None, typer.Option("--width", help="Units of a hidden layer of the neural net; may be repeated.")
    ] = None,
    dropout: Annotated[
        list[float] | None, typer.Option("--dropout", help="Dropout of that layer, 0 to 1; give one for each --width.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed of the split and the models.")] = 0,
    window_s: Annotated[
        float | None,
        typer.Option("--window-s", help="Seconds of sound that a row describes; by default from the column length."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Number of processes; by default one for each core, at most 8."),
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="The table is the published one; see 'earmark features'.")
    ] = False,
    scale: Annotated[
        Scale, typer.Option("--scale", help="Scaling of each column before the transform.")
    ] = Scale.standard,
    keep: Annotated[Keep, typer.Option("--keep", help="Which models become recognizer files.")] = Keep.best,
    groups: Groups = None,
    cluster: OnCluster = None,
) -> None:
    """Compare classical models on a feature table.

    Every transform is combined with every model, and the best becomes a recognizer. It is chosen by its score in the
    search, on rows that are not scored.
    If the command was stopped, the same command continues it.
    """
    extras.require("exploring", "train", "sklearn", "onnx", "matplotlib")
    values: dict[str, Any] = {"split": {"protocol": protocol, "seed": seed}, "seed": seed, "n_trials": tune}
    values["scale"] = scale.value
    lists = {"transforms": transforms, "models": models, "widths": width, "dropout": dropout}
    values |= {name: given for name, given in lists.items() if given}
    padding: Literal["mirror", "silence"] = "mirror" if as_published else "silence"
    with progress_on_stderr() as progress, local_folder(out) as folder:
        from earmark.tables import Exploration, write_recognizer, write_results
        from earmark.tables import explore as explored
        from earmark.tables.export import row_length_s, write_every_recognizer
        from earmark.tables.page import write_page

        exploration = Exploration.parse(values, where="explore")
        manifest = read_source(str(table), kind=None, groups=groups, prefer="table")
        window_s = window_s or row_length_s(manifest.table_file or table)
        with on_cluster(cluster):
            n_workers = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
            findings = explored(manifest, exploration, folder=folder, workers=n_workers, progress=progress)
        progress("drawing the page", 0, 1, "")
        write_results(findings, folder)
        page = write_page(findings, folder)
        progress("exporting", 0, 1, "")
        write_recognizer(findings, manifest, folder / "best.onnx", window_s=window_s, padding=padding)
        if keep is Keep.all:
            write_every_recognizer(findings, manifest, folder / "models", window_s=window_s, padding=padding)
    _print(findings)
    print(f"recognizer: {out / 'best.onnx'}")
    print(f"page:       {out / page.name}")
    print(f"everything: {out}")


def _print(findings: ExplorationResult) -> None:
    leaky = findings.best.grouped_accuracy is not None
    heading = ["TRANSFORM", "MODEL", "ACCURACY", "95 % INTERVAL", *(["GROUPED", "LEAKED"] if leaky else [])]
    rows = [heading]
    for candidate in findings.candidates:
        scores = candidate.scores
        low, high = scores.accuracy_interval
        row = [candidate.transform, candidate.model, percent(scores.accuracy), f"{percent(low)} to {percent(high)}"]
        if candidate.grouped_accuracy is not None:
            leaked = 100 * (scores.accuracy - candidate.grouped_accuracy)
            row += [percent(candidate.grouped_accuracy), f"{leaked:+.1f} points"]
        rows.append(row)
    print_table(rows)
    print(f"best: {findings.best.name}, {findings.best.scores.sentence}")
    if findings.comparisons:
        print(f"against {findings.candidates[1].name}: {findings.comparisons[0].sentence}")
