"""``earmark add-rejection``: fit an out-of-distribution detector for a finished recognizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark import extras
from earmark.cli.output import AsJson, print_json, print_pairs, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Groups, read_source, refuse_absent_data
from earmark.text import percent

if TYPE_CHECKING:
    from earmark.recognizer import Rejection


def add_rejection(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="The data that the recognizer was trained on.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="ONNX", help="The file to write.")],
    foreign: Annotated[
        list[Path] | None,
        typer.Option(
            "--foreign", metavar="DIR", help="A folder of sounds or drawings to reject, besides the synthetic ones."
        ),
    ] = None,
    outcome: Annotated[
        Path | None,
        typer.Option("--outcome", metavar="NPZ", help="validation.npz of the run: answers to its validation part."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: --set precision=0.95 --set measure=true."),
    ] = None,
    kind: As = None,
    groups: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Let a finished recognizer answer 'unknown'.

    Earmark fits an out-of-distribution detector beside the network, so that inputs unlike its training data are
    rejected. Its other answers stay as they are. With
    measure=true every family of foreign kinds is left out of training in turn, to measure how well the detector rejects
    a family that it does not know; that takes several times as long.
    """
    extras.require("adding a rejection", "train", "torch", "onnx", "sklearn")
    refuse_absent_data(data)
    with progress_on_stderr() as progress:
        from earmark.evaluation import read_outcome
        from earmark.rejection.fit import add_rejection, rejection_config_of

        rejection = add_rejection(
            model,
            data if kind is None and groups is None else read_source(data, kind=kind, groups=groups),
            out=out,
            settings=rejection_config_of(model, overrides=changes or ()),
            folders=foreign or (),
            outcome=None if outcome is None else read_outcome(outcome),
            progress=progress,
        )
    if as_json:
        print_json({"model": str(out), **rejection.model_dump(mode="json")})
        return
    print_pairs(rejection.in_words())
    if rejection.ood_scores:
        print_table([("LEFT OUT", "N", "AUROC", "REJECTED"), *_rows(rejection)])
    print(f"recognizer: {out}")


def _rows(rejection: Rejection) -> list[tuple[str, str, str, str]]:
    return [(each.kind, str(each.n), f"{each.auroc:.3f}", percent(each.rejected)) for each in rejection.ood_scores]
