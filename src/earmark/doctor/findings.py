"""Findings of the checks, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

Family: TypeAlias = Literal["broken", "suspicious", "repeated", "labels", "splits", "facts"]
FAMILIES: tuple[Family, ...] = ("broken", "splits", "repeated", "labels", "suspicious", "facts")
"""In the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a data set.

    Attributes
    ----------
    kind
        ``"unreadable"``, ``"group-leak"``, …: what was found; docs/doctor.md lists them.
    severity
        ``"error"``: training would fail or a score would be false. ``"warning"``: think about it. ``"note"``: a fact.
    paths
        The examples concerned; none when it is about all.
    message, advice
        What is so, and what to do; empty when there is nothing to do.
    family
        What it is about.
    evidence
        The numbers behind the message, by name with their unit.
    quarantine
        Those of `paths` that one can leave out to be rid of it.
    """

    kind: str
    severity: Severity
    paths: tuple[str, ...]
    message: str
    advice: str = ""
    family: Family = "facts"
    evidence: dict[str, Any] = field(default_factory=dict)
    quarantine: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found about one source.

    Attributes
    ----------
    source
        As it was given.
    findings
        Errors first, then by family.
    n_examples, n_read
        How many there are and how many were looked into.
    partial
        Whether it was interrupted, so that what is not here may still be there.
    sound_s
        Seconds of sound that were decoded.
    names
        What a person calls an example whose path is a row of a table or an array.
    """

    source: str
    findings: tuple[Finding, ...]
    n_examples: int
    n_read: int
    partial: bool = False
    sound_s: float = 0.0
    names: dict[str, str] = field(default_factory=dict)

    def of(self, *kinds: str) -> tuple[Finding, ...]:
        """Return the findings of these kinds."""
        return tuple(finding for finding in self.findings if finding.kind in kinds)

    @property
    def has_errors(self) -> bool:
        """Whether anything must be mended before training."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            "source": self.source,
            "n_examples": self.n_examples,
            "n_read": self.n_read,
            "partial": self.partial,
            "sound_s": self.sound_s,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the errors first, then by family; otherwise as they came."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), FAMILIES.index(f.family))))
