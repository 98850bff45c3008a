"""``earmark train`` and ``earmark recipes``: train a recognizer, and list the recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark import extras
from earmark.cli.output import AsJson, print_json, print_pairs, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Beside, Groups, OnCluster, on_cluster, refuse_absent_data, source_for
from earmark.errors import UsageError
from earmark.files import local_folder
from earmark.storage import as_path
from earmark.text import in_words

if TYPE_CHECKING:
    from earmark.runs.architecture import Layer

RECIPE_FILE = "recipe.json"


def train(
    recipe: Annotated[str, typer.Argument(help="A name from 'earmark recipes', or a TOML file.")],
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="Training data: folder, manifest, zip, npz.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="RUN", parser=as_path, help="Folder for recognizer, scores, report."),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: --set training.epochs=20."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only continue a run that was stopped; never start one.")
    ] = False,
    every_fold: Annotated[
        bool,
        typer.Option("--every-fold", help="Cross-validate first, then train on all examples."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop when an example cannot be read, instead of setting it aside.")
    ] = False,
    kind: As = None,
    groups: Groups = None,
    table: Beside = None,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights", metavar="MODEL", help="The recognizer that a recipe such as symbols/own-hand adapts."
        ),
    ] = None,
    as_json: AsJson = False,
    cluster: OnCluster = None,
) -> None:
    """Train a recognizer on labelled examples.

    If a run was stopped, the same command continues it. Under torchrun, several processes train one network.
    """
    if resume and not (out / RECIPE_FILE).is_file():
        raise UsageError(f"{out}: holds no run to continue; leave --resume out to start one")
    if cluster is not None and not every_fold:
        raise UsageError("--cluster trains folds beside each other; add --every-fold, or use torchrun for one network")
    extras.require("training", "train", "torch")
    refuse_absent_data(data)
    if weights is not None:
        if table is not None:
            raise UsageError("--weights adapts a recognizer of drawings, which reads no numbers; leave --table out")
        _adapt(recipe, data, weights=weights, out=out, changes=changes or (), as_json=as_json)
        return
    with progress_on_stderr() as progress:
        from earmark.runs.pipeline import cross_validate
        from earmark.runs.pipeline import train as train_once
        from earmark.training.distributed import is_first, process_group

        source = source_for(recipe, data, changes=changes or (), kind=kind, groups=groups, table=table)
        learn = cross_validate if every_fold else train_once
        with on_cluster(cluster), process_group(), local_folder(out) as folder:
            run = learn(recipe, data=source, out=folder, overrides=changes or (), strict=strict, progress=progress)
            if not is_first():
                return
    run = replace(run, folder=out)
    if as_json:
        print_json({"model": str(run.model), "report": str(run.report), "scores": run.scores.to_dict()})
        return
    print(run.scores.sentence)
    print(f"recognizer: {run.model}")
    print(f"report:     {run.report}")


def _adapt(  # the options of the command
    recipe: str, data: str, *, weights: str, out: Path, changes: Sequence[str], as_json: bool
) -> None:
    with progress_on_stderr():
        from earmark.runs.adapt import adapt

        adapted = adapt(recipe, data=data, weights=weights, out=out, overrides=changes)
    if as_json:
        print_json({"model": str(adapted.model), **adapted.as_dict()})
        return
    print(adapted.sentence)
    print(f"recognizer: {adapted.model}")


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one, with the layers of its network.")] = None,
    labels: Annotated[
        int, typer.Option("--labels", min=2, help="Number of labels that its network answers with.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """List the recipes that come with Earmark, or show one: its settings and the layers of its network."""
    if name is not None:
        _show_recipe(name, n_labels=labels, as_json=as_json)
        return
    from earmark.config import read_toml
    from earmark.training import shipped_recipes

    read = {name: (path, read_toml(path)) for name, path in shipped_recipes().items()}
    if as_json:
        print_json([_listed(name, path, values) for name, (path, values) in read.items()])
        return
    heading = ("NAME", "READS", "NETWORK", "SPLIT", "EPOCHS", "ABOUT")
    rows = [tuple(str(value) for value in _short(name, values)) for name, (_, values) in read.items()]
    print_table([heading, *rows])
    print("'earmark recipes NAME' shows settings, input size, weights and layers of one")


def _short(name: str, values: dict[str, Any]) -> tuple[object, ...]:
    """Return what the list says of a recipe: as its file has it, without building its network."""
    features, window = values["features"], values.get("window")
    reads = f"{features['kind']}, {window['length_s']:g} s" if window else features["kind"]
    split = values.get("split", {})
    protocol = f"{split['folds']} folds" if "folds" in split else split.get("protocol", "grouped")
    network = values["model"].get("name") or values["model"].get("backbone") or values["model"]["kind"]
    return name, reads, network, protocol, values.get("training", {}).get("epochs", ""), values.get("about", "")


def _listed(name: str, path: Path, values: dict[str, Any]) -> dict[str, object]:
    keys = ("name", "reads", "network", "split", "epochs", "about")
    return {**dict(zip(keys, _short(name, values), strict=True)), "file": str(path)}


_N_EXAMPLES = 1000


def _show_recipe(name: str, *, n_labels: int, as_json: bool) -> None:
    from dataclasses import asdict

    from earmark.runs.architecture import architecture_of, rough_time_s
    from earmark.training import load_recipe, shipped_recipes

    recipe = load_recipe(name)
    path = Path(name) if name.endswith(".toml") else shipped_recipes()[name]
    found = architecture_of(recipe, n_labels=n_labels)
    time_s = rough_time_s(recipe, found, n_examples=_N_EXAMPLES)
    if as_json:
        print_json({"recipe": recipe.model_dump(mode="json"), **asdict(found), "rough_time_s_of_1000_examples": time_s})
        return
    print(path.read_text(encoding="utf-8").rstrip())
    print()
    shape = " × ".join(map(str, found.input_shape))
    print_pairs(
        {
            "input": f"{shape} (channels × frequency or height × time or width)",
            "split": recipe.split.description,
            "weights": f"{found.n_parameters:,}, of which {found.n_trainable:,} are trained, for {n_labels} labels",
            "rough time": f"{in_words(time_s)} for {recipe.training.epochs} epochs of {_N_EXAMPLES:,} examples on this"
            " machine, beside the making of features",
        }
    )
    print()
    print_table([("LAYER", "KIND", "OUTPUT", "WEIGHTS"), *map(_layer_row, found.layers)])


def _layer_row(layer: Layer) -> tuple[str, ...]:
    return layer.name, layer.kind, " × ".join(map(str, layer.shape)), f"{layer.n_parameters:,}"
