"""``earmark samples``: write small files to try the other commands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.output import print_table


def samples(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the samples.")] = Path("samples"),
) -> None:
    """Write small sounds and drawings to try the commands on.

    They are made in code: no download, no licence to ask about.
    """
    from earmark.demo.sample_files import write_samples

    print_table(
        [
            ("FILE", "WHAT IT IS", "TRY"),
            *((str(sample.path), sample.about, _call(sample.model, sample.path)) for sample in write_samples(folder)),
        ]
    )


def _call(model: str, path: Path) -> str:
    if path.stem == "line":
        return f"earmark read {path}"
    if model:
        return f"earmark predict {model} {path}"
    recipe = "sound" if path.stem == "instruments" else "drawing"
    return f"earmark train {recipe} --data {path} -o run-{path.stem}"
