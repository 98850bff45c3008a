"""Options about how a source is read, the same in every command that reads one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.errors import UsageError
from earmark.storage import as_path

if TYPE_CHECKING:
    from earmark.data import Manifest
    from earmark.types import Domain


class Kind(StrEnum):
    """What examples are, where there is a choice."""

    sound = "sound"
    picture = "picture"
    ink = "ink"
    table = "table"


As = Annotated[
    Kind | None,
    typer.Option(
        "--as", help="Read images as picture (of a spectrogram) or ink (a drawing); of an archive, choose what to read."
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="HOW",
        help="Keep together in every split: parent (folder), prefix (of the name), a pattern with one (…), or a"
        " column.",
    ),
]

Beside = Annotated[
    Path | None,
    typer.Option(
        "--table",
        metavar="CSV",
        parser=as_path,
        help="Numbers of the same spectrogram pictures, joined by name, for picture/resnet34-fusion.",
    ),
]


OnCluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="ADDRESS", help="Work on a Ray cluster: auto, HOST:PORT, or local:N for N processes."
    ),
]


def on_cluster(address: str | None) -> AbstractContextManager[object]:
    """Return what connects to a cluster while a command works; nothing without an address."""
    if address is None:
        return nullcontext()
    from earmark.distributed import cluster

    return cluster(address)


def refuse_absent_data(data: str) -> None:
    """Raise when a source is not there, before libraries for training are loaded."""
    from earmark.data import refuse_absent

    refuse_absent(as_path(data))


def source_for(
    recipe: str,
    data: str,
    *,
    changes: Sequence[str],
    kind: Kind | None,
    groups: str | None,
    table: Path | None = None,
) -> Manifest | str:
    """Return what a recipe learns from: the source as it is, or its manifest where a person says how to read it."""
    if kind is None and groups is None and table is None:
        return data
    from earmark.training import load_recipe
    from earmark.training.settle import preferred_domain

    prefer = preferred_domain(load_recipe(recipe, overrides=changes))
    return read_source(data, kind=kind, groups=groups, prefer=prefer, table=table)


def read_source(
    source: str,
    *,
    kind: Kind | None,
    groups: str | None,
    prefer: Domain | None = None,
    table: Path | None = None,
    quarantined: bool = False,
) -> Manifest:
    """Return the manifest of a source; `prefer` is what the command reads where the source leaves a choice.

    Raises
    ------
    UsageError
        When the source holds something else than `kind` says.
    """
    from earmark.data import read_manifest

    domain: Domain | None = kind.value if kind is not None else prefer
    manifest = read_manifest(source, domain=domain, groups=groups, table=table, quarantined=quarantined)
    if kind is not None and manifest.domain != kind.value:
        raise UsageError(
            f"{source}: holds {manifest.domain} data, which cannot be read as {kind.value}; leave --as out"
        )
    return manifest
