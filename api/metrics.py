"""Prometheus metrics of HTTP requests; those of jobs come from the database, see `services.metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
        self._received = Counter(
            "karyobridge_http_received_bytes",
            "Bytes of bodies that were read, by route template.",
            ("route",),
            registry=registry,
        )
        self.in_progress = Gauge(
            "karyobridge_http_requests_in_progress",
            "Requests that are being answered, streams of events included.",
            registry=registry,
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float, received_bytes: int) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if received_bytes:
            self._received.labels(route).inc(received_bytes)
