"""Prometheus metrics of HTTP requests; those of jobs come from the database, see `services.metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class HttpMetrics:
    """How many requests were answered how, and how fast.

    The registry is the application's own, so that two applications in one process do not clash.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "karyobridge_http_requests",
            "Requests by route template and status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "karyobridge_http_request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ("method", "route"),
            registry=registry,
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
