"""How spans leave a process: in batches, by OTLP over HTTP, without ever getting in the way.

At most `OTEL_BSP_MAX_QUEUE_SIZE` spans (2,048 unless set) wait in memory; while the collector is away
the oldest are dropped. That is said once, and once more when it is back.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from services.log import get_logger
from services.version import VERSION

# The library repeats itself at every batch; `_QuietExporter` says it once instead.
_TALKATIVE: Final = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")

log = get_logger(__name__)


def make_provider(role: str) -> TracerProvider:
    """Make a provider that sends to the collector which the environment names."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME") or f"karyobridge-{role}",
            "service.version": VERSION,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(QuietExporter(OTLPSpanExporter())))
    return provider


class QuietExporter(SpanExporter):
    """Another exporter, whose failures are told when they begin and when they end."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._away:
            log.warning("traces not sent, the collector is away; the oldest spans will be dropped")
        elif self._away and not failed:
            log.info("traces are sent again")
        self._away = failed
        return result

    def shutdown(self) -> None:
        """Give the connection up."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)
