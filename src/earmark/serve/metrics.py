"""Prometheus metrics of a service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WINDOWS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one service; every service has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "earmark_requests", "Predictions by model and status.", ["model", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "earmark_request_seconds",
            "From the first byte of a request to its answer.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.windows = Histogram(
            "earmark_batch_windows",
            "Windows or drawings that went through a network together.",
            ["model"],
            buckets=_WINDOWS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "earmark_requests_in_flight", "Predictions being received or worked on.", registry=self.registry
        )
        self.abandoned = Counter(
            "earmark_requests_abandoned", "Predictions whose client went away.", registry=self.registry
        )
        self.reloads = Counter(
            "earmark_reloads",
            "Recognizer files that were replaced: loaded, or refused because they are none.",
            ["model", "result"],
            registry=self.registry,
        )
        self.streams = Gauge("earmark_streams", "Open WebSockets.", registry=self.registry)

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests.labels(model, str(status)).inc()
        self.seconds.labels(model).observe(seconds)

    def text(self) -> bytes:
        """Return all of them in the text format of Prometheus."""
        return generate_latest(self.registry)
