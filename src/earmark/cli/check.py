"""``earmark check``: what is wrong with a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from earmark.cli.output import AsJson, print_json

_N_NAMED = 5


def check(
    source: Annotated[str, typer.Argument(help="Folder of classes, manifest, HOMUS zip, GTZAN folder, npz, table.")],
    as_json: AsJson = False,
) -> None:
    """Read every example once and say what is wrong with the data; the exit code is 1 when there are errors."""
    from earmark.data import check as findings_of

    findings = findings_of(source)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            advice = f"; {finding.advice}" if finding.advice else ""
            print(f"{finding.severity:<7}  {finding.message}{advice}")
            if len(finding.paths) > 1:
                more = f" and {len(finding.paths) - _N_NAMED} more" if len(finding.paths) > _N_NAMED else ""
                print(f"         {', '.join(finding.paths[:_N_NAMED])}{more}")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
