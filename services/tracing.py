"""Traces through OpenTelemetry: one for a request, its job and every attempt at it, in all processes.

Off unless the standard variable ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``) names a
collector; the SDK is not even imported then. The other ``OTEL_…`` variables mean what its documents say.

A job's row keeps the W3C ``traceparent`` of the span that submitted it, because the message to a worker
is only an id and may be lost. **Every attempt is a child of that span**, also the second one after a
worker died: whoever looks a request up sees all that became of it in one place, and the earlier attempt
could not be linked to anyway, since the span of a killed process was never sent. A person's retry is a
new request: it has a span of its own, linked to the one before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_WITHIN_MS: Final = 2_000
Attribute = str | int | float | bool

_PROPAGATOR: Final = TraceContextTextMapPropagator()


@dataclass
class _Active:
    """The tracer of this process, if it has one."""

    tracer: Tracer | None = None
    provider: TracerProvider | None = None


_ACTIVE: Final = _Active()


def wanted() -> bool:
    """Whether the environment names a collector and does not switch the SDK off."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not disabled and any(os.environ.get(name, "").strip() for name in ENDPOINT_VARIABLES)


def start(role: str) -> None:
    """Begin to send spans, if that is wanted; once per process, in a worker after the fork.

    Parameters
    ----------
    role
        ``api``, ``worker`` or ``sweeper``: the service is ``karyobridge-<role>`` unless
        ``OTEL_SERVICE_NAME`` says otherwise.
    """
    if not wanted() or _ACTIVE.tracer is not None:
        return
    # Nobody pays for the SDK who does not use it.
    from services.trace_export import make_provider  # noqa: PLC0415

    use(make_provider(role))


def use(provider: TracerProvider | None) -> None:
    """Take this provider from now on; None switches tracing off."""
    _ACTIVE.provider = provider
    _ACTIVE.tracer = provider.get_tracer("karyobridge", VERSION) if provider else None


def stop() -> None:
    """Send what is left, for two seconds at most, and switch off."""
    provider = _ACTIVE.provider
    use(None)
    if provider is not None:
        provider.force_flush(FLUSH_WITHIN_MS)
        provider.shutdown()


def enabled() -> bool:
    """Whether spans are made."""
    return _ACTIVE.tracer is not None


def begin(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    linked: str | None = None,
    attributes: dict[str, Attribute] | None = None,
) -> Span:
    """Begin a span that nothing runs inside of; one that is never ended is never sent.

    Parameters
    ----------
    parent
        A ``traceparent``; without one, the span that is current here.
    linked
        The ``traceparent`` of a span that led to this one, in another trace.
    """
    if _ACTIVE.tracer is None:
        return INVALID_SPAN
    links = [Link(trace.get_current_span(_context(linked)).get_span_context())] if linked else None
    return _ACTIVE.tracer.start_span(
        name, _context(parent) if parent else None, kind=kind, attributes=attributes, links=links
    )


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    attributes: dict[str, Attribute] | None = None,
) -> Iterator[Span]:
    """Run the ``with`` block inside a span, see `begin`. What it raises marks the span, by class name only.

    Messages and tracebacks stay in the log: a collector is often somebody else's, and they name samples.
    """
    if _ACTIVE.tracer is None:
        yield INVALID_SPAN
        return
    begun = begin(name, kind=kind, parent=parent, attributes=attributes)
    with trace.use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield begun
        except Exception as error:
            mark_failed(begun, type(error).__name__)
            raise


def message_attributes(job_id: str, kind: str, queue: str) -> dict[str, Attribute]:
    """Attributes of a span that sends or takes a job's id, named as OpenTelemetry's conventions do."""
    return {
        "messaging.destination.name": queue,
        "messaging.message.id": job_id,
        "karyobridge.job.id": job_id,
        "karyobridge.job.kind": kind,
    }


def mark_failed(failed: Span, reason: str) -> None:
    """Mark a span as failed; `reason` is a code or a class, never a message."""
    failed.set_attribute("error.type", reason)
    failed.set_status(Status(StatusCode.ERROR))


def traceparent_of(begun: Span) -> str | None:
    """Write a span for those who come after it; None while tracing is off."""
    if not begun.get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(begun, Context()))
    return carrier.get("traceparent")


def current_ids() -> tuple[str, str] | None:
    """Hex ids of the trace and the span that this code runs in, for log lines."""
    if _ACTIVE.tracer is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


def _context(traceparent: str) -> Context:
    # Whatever a caller sends that is no traceparent begins a trace of its own.
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context())
