"""Exclusion list from the findings: what to leave out of training."""

from __future__ import annotations

from pathlib import Path

from earmark.data import read_manifest
from earmark.data.quarantine import data_of, is_quarantine, write_quarantine
from earmark.doctor.findings import Report
from earmark.errors import UsageError
from earmark.types import Domain


def quarantine(path: Path, report: Report, *, source: Path, domain: Domain | None = None) -> int:
    """Write the list of the examples that findings want left out, and return how many they are.

    Parameters
    ----------
    path
        Of the list, a csv: one line an example, with the kind of finding and why.
    report
        What was found.
    source, domain
        Where the data was read from.

    Raises
    ------
    UsageError
        When the source cannot be read as examples, so that nothing could leave them out.
    """
    if is_quarantine(source):
        source = data_of(source) or source
    if report.of("unreadable-source"):
        raise UsageError(f"{source}: is refused as a whole, so a list would have no effect; mend what is said first")
    reasons: dict[str, tuple[str, str]] = {}
    for finding in report.findings:
        for where in finding.quarantine:
            reasons.setdefault(where, (finding.kind, finding.message))
    rows = [(where, kind, why) for where, (kind, why) in sorted(reasons.items())]
    manifest = read_manifest(source, domain=domain, quarantined=True)
    return write_quarantine(path, manifest, source=source, reasons=rows)
