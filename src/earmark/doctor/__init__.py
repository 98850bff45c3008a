"""Data quality checks: what is wrong with a data set before training, and how much a score on it is worth."""

from earmark.doctor.checkup import check
from earmark.doctor.findings import Finding, Report
from earmark.doctor.index import LandmarkIndex
from earmark.doctor.landmarks import Fingerprint, fingerprint

__all__ = ["Finding", "Fingerprint", "LandmarkIndex", "Report", "check", "fingerprint"]
