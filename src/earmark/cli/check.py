"""``earmark check``: find faults in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark import extras
from earmark.cli.output import AsJson, complain, print_json
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Groups, OnCluster, on_cluster
from earmark.storage import as_path
from earmark.text import counted, printable, some

if TYPE_CHECKING:
    from earmark.doctor import Finding, Report
    from earmark.doctor.repeated import FindPairs
    from earmark.types import Domain

_N_NAMED = 5
_INTERRUPTED = 130


def check(
    source: Annotated[str, typer.Argument(help="Folder of classes, manifest, HOMUS zip, GTZAN folder, npz, table.")],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", parser=as_path, help="Also write a page with pictures.")
    ] = None,
    quarantine: Annotated[
        Path | None,
        typer.Option(
            "--quarantine",
            metavar="FILE",
            parser=as_path,
            help="Also write a list of bad examples; --data then leaves them out.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="NAME", help="Check this split: grouped, random, or a published one."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Number of processes that read files; by default one for each core."),
    ] = None,
    kind: As = None,
    groups: Groups = None,
    cluster: OnCluster = None,
) -> None:
    """Find faults in a data set.

    Faults are damaged files, duplicates, wrong labels and leaks between the parts of a split. Every example is read
    once. The exit code is 1 when there are errors.
    """
    domain: Domain | None = kind.value if kind else None
    if html is not None:
        extras.require("a page", "train", "jinja2", "matplotlib")
    with progress_on_stderr() as progress:
        from earmark.data import Split
        from earmark.doctor import check as checked

        split = Split.parse({"protocol": protocol}, where="--protocol") if protocol else None
        with on_cluster(cluster):
            report = checked(
                source,
                split=split,
                domain=domain,
                groups=groups,
                workers=workers,
                find_pairs=_find_pairs_on(cluster),
                progress=progress,
            )
        if html is not None:
            from earmark.doctor.page import write_page

            progress("drawing the page", 0, 1, "")
            write_page(html, report, source=source, domain=domain)
    if quarantine is not None:
        _leave_out(quarantine, report, source, domain)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if report.partial:
        complain(f"interrupted: this report is partial, {report.n_read} of {report.n_examples} examples were read")
        raise typer.Exit(_INTERRUPTED)
    if report.has_errors:
        raise typer.Exit(1)


def _find_pairs_on(cluster: str | None) -> FindPairs | None:
    """Return what finds repeated sounds with all nodes of a cluster."""
    if cluster is None:
        return None
    from earmark.distributed.fingerprints import find_pairs

    return find_pairs


def _leave_out(path: Path, report: Report, source: str, domain: Domain | None) -> None:
    from earmark.data.quarantine import quarantine_of
    from earmark.doctor.quarantine import quarantine

    n = quarantine(path, report, source=as_path(source), domain=domain)
    beside_source = path.absolute() == quarantine_of(as_path(source)).absolute()
    how = f"--data {source} leaves them out" if beside_source else f"give --data {path} to leave them out"
    complain(f"{path}: lists {counted(n, 'example')}; {how}, and a deleted line brings one back")


def _print(report: Report) -> None:
    """Print findings of one kind together."""
    if report.partial:
        print(f"PARTIAL: {report.n_read} of {report.n_examples} examples were read")
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in report.findings:
        kinds.setdefault((finding.severity, finding.family, finding.kind), []).append(finding)
    for (severity, _, kind), findings in kinds.items():
        head = f"{severity:<7}  "
        for finding in findings[:_N_NAMED]:
            print(printable(f"{head}{finding.message}"))
            if len(finding.paths) > 2:
                named = some((report.names.get(path, path) for path in finding.paths), n=_N_NAMED)
                print(f"         {printable(named)}")
            head = " " * len(head)
        if len(findings) > _N_NAMED:
            print(f"         and {len(findings) - _N_NAMED} more of the kind {kind}; --json names all")
        advice = {finding.advice: None for finding in findings if finding.advice}
        print(*(f"         → {text}" for text in advice), sep="\n", end="\n" if advice else "")
