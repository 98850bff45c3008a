"""``earmark features``: write the 57 features of the published tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.output import complain
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import Groups, OnCluster, on_cluster, read_source
from earmark.storage import as_path
from earmark.text import counted


def features(
    source: Annotated[str, typer.Argument(help="Folder of classes, manifest, zip, GTZAN folder: labelled sounds.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="TABLE", parser=as_path, help="A .csv or .parquet file, or a folder.")
    ],
    segment_s: Annotated[
        float | None,
        typer.Option("--segment-s", help="Length of a segment in seconds; without it, each sound is one row."),
    ] = None,
    hop_s: Annotated[
        float | None, typer.Option("--hop-s", help="Seconds between the starts of segments; by default their length.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
    group: Annotated[
        bool, typer.Option("--group", help="Add a column with the group (artist, piano) of every sound.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option("--split", metavar="PROTOCOL", help="Add a column: given, grouped, random or a published split."),
    ] = None,
    as_published: Annotated[
        bool,
        typer.Option("--as-published", help="Treat the ends of a sound as the published GTZAN table does."),
    ] = False,
    groups: Groups = None,
    cluster: OnCluster = None,
) -> None:
    """Write a table of 57 features of every sound.

    The layout is that of the published GTZAN tables. Where -o names a folder, the table is written in parts, as Parquet
    files. If the command was stopped, the same command continues it. A
    sound that cannot be read is named on stderr; the others are still done, and the exit code is 1.
    """
    padding: Literal["mirror", "silence"] = "mirror" if as_published else "silence"
    values = {"segment_s": segment_s, "hop_s": hop_s, "padding": padding}
    extra: list[Literal["group", "split"]] = ["group"] if group else []
    extra += ["split"] if protocol is not None else []
    with progress_on_stderr() as progress:
        from earmark.data import Split, apply_split
        from earmark.tables import Segments, extract

        segments = Segments.parse(values, where="--segment-s and --hop-s")
        progress("finding examples", 0, 1, "")
        manifest = read_source(source, kind=None, groups=groups, prefer="sound")
        if protocol is not None:
            manifest = apply_split(manifest, Split.parse({"protocol": protocol}, where="--split"))
        write = extract
        if out.is_dir() or not out.suffix:
            from earmark.distributed.features import features_table as write
        with on_cluster(cluster):
            result = write(manifest, out=out, segments=segments, extra=extra, workers=workers, progress=progress)
    print(f"{out}: {counted(result.n_rows, 'row')}")
    for failure in result.failures:
        complain(failure)
    if result.failures:
        complain(f"{len(result.failures)} of {len(manifest)} sounds are not in the table; see above")
        raise typer.Exit(1)
