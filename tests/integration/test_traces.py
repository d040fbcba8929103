"""Traces, received by a collector over the wire: one for a request, its job, and whatever became of it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from services import tracing
from services.db.engine import SessionFactory
from tests.support.fleet import Fleet, eventually, hasty_fleet, wiring_of
from tests.support.http import serving
from tests.support.otlp import Collector, Received, running_collector

pytestmark = pytest.mark.integration

CALLERS_TRACE, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture
def fleet(
    collector: Collector, database_url: str, sessions: SessionFactory, tmp_path: Path
) -> Iterator[Fleet]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with hasty_fleet(database_url, sessions, tmp_path) as fleet:
        fleet.variables |= variables
        yield fleet


@pytest.fixture
def traced_client(
    fleet: Fleet, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    """A client of an API, in this process, that sends its spans to the collector."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    tracing.start("api")
    try:
        with wiring_of(fleet) as wiring, serving(wiring) as url, httpx.Client(base_url=url) as client:
            yield client
    finally:
        tracing.stop()


def one(spans: list[Received]) -> Received:
    """Return the only span of a list."""
    assert 1 == len(spans), spans
    return spans[0]


class TestOneTrace:
    def test_goes_from_the_caller_to_the_second_attempt(
        self, fleet: Fleet, collector: Collector, traced_client: httpx.Client
    ) -> None:
        """A worker is killed; the id is sent again by the sweep; the caller finds it all in its own trace."""
        queue = fleet.settings.cpu_queue
        worker = fleet.worker()
        fleet.sweeper()
        answer = traced_client.post(
            "/v1/jobs",
            json={"kind": "diagnostic", "items": 4, "seconds_per_item": 0.2},
            headers={"traceparent": TRACEPARENT, "X-Request-ID": "lims-1"},
        )
        job = fleet.jobs.get(answer.json()["id"])
        fleet.wait_done(job, 1)
        worker.child().kill()
        fleet.wait(job, "succeeded")
        eventually(lambda: collector.named(f"process {queue}"), "the attempt's span has come")

        request = one(collector.named("POST /v1/jobs"))
        publish = one(collector.named(f"publish {queue}", "karyobridge-api"))
        sent_again = one(collector.named(f"publish {queue}", "karyobridge-sweeper"))
        attempt = one(collector.named(f"process {queue}"))
        items = [span for span in collector.named("item") if span.parent_id == attempt.span_id]
        ours = [request, publish, sent_again, attempt, *items]

        assert {CALLERS_TRACE} == {span.trace_id for span in ours}
        assert ("SERVER", CALLERS_SPAN) == (request.kind, request.parent_id)
        assert ("PRODUCER", request.span_id) == (publish.kind, publish.parent_id)
        assert ("PRODUCER", publish.span_id) == (sent_again.kind, sent_again.parent_id)
        assert ("CONSUMER", publish.span_id) == (attempt.kind, attempt.parent_id)
        assert (2, "succeeded") == tuple(
            attempt.attributes[f"karyobridge.job.{name}"] for name in ("attempt", "status")
        )
        assert "lims-1" == attempt.attributes["karyobridge.request_id"]
        assert 202 == request.attributes["http.response.status_code"]
        assert 1 <= len(items) <= 3

    def test_of_a_persons_retry_is_linked_to_the_first(
        self, fleet: Fleet, collector: Collector, traced_client: httpx.Client
    ) -> None:
        """A retry is a request of its own, in a trace of its own, which leads to the one before."""
        queue = fleet.settings.cpu_queue
        fleet.worker()
        answer = traced_client.post(
            "/v1/jobs",
            json={"kind": "diagnostic", "items": 2, "flaky_items": [0]},
            headers={"traceparent": TRACEPARENT},
        )
        job = fleet.wait(fleet.jobs.get(answer.json()["id"]), "partial")
        traced_client.post(f"/v1/jobs/{job.id}/retry")
        fleet.wait(job, "succeeded")
        eventually(lambda: len(collector.named(f"process {queue}")) == 2, "both attempts' spans have come")
        eventually(lambda: len(collector.named(f"publish {queue}")) == 2, "both requests' spans have come")

        first, second = collector.named(f"publish {queue}")
        attempts = {span.trace_id: span for span in collector.named(f"process {queue}")}

        assert first.trace_id == CALLERS_TRACE != second.trace_id
        assert (first.span_id,) == second.links
        assert first.span_id == attempts[first.trace_id].parent_id
        assert second.span_id == attempts[second.trace_id].parent_id


class TestLogs:
    def test_lead_to_the_trace(self, fleet: Fleet, collector: Collector, traced_client: httpx.Client) -> None:
        """A worker's lines are JSON and carry the ids of request, job, trace and span."""
        worker = fleet.worker()
        answer = traced_client.post(
            "/v1/jobs", json={"kind": "diagnostic"}, headers={"traceparent": TRACEPARENT}
        )
        job = fleet.wait(fleet.jobs.get(answer.json()["id"]), "succeeded")
        attempt = eventually(
            lambda: collector.named(f"process {fleet.settings.cpu_queue}"), "the attempt's span has come"
        )[0]
        worker.stop()

        lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
        ended = next(line for line in lines if line["event"] == "job ended")
        assert (job.id, job.request_id) == (ended["job_id"], ended["request_id"])
        assert (attempt.trace_id, attempt.span_id) == (ended["trace_id"], ended["span_id"])
        assert all({"event", "level", "logger", "timestamp"} <= set(line) for line in lines)


class TestCollectorAway:
    def test_costs_one_warning_and_nothing_else(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a collector spans are dropped beyond a bound, work goes on, and it is said once."""
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32")
        with capture_logs() as logs:
            tracing.start("api")
            started = time.monotonic()
            for _ in range(2000):
                with tracing.span("work"):
                    pass
            worked_s = time.monotonic() - started
            processor = tracing._ACTIVE.provider._active_span_processor._span_processors[0]  # type: ignore[union-attr]
            waiting = len(processor._batch_processor._queue)  # type: ignore[attr-defined]
            eventually(lambda: any("traces not sent" in line["event"] for line in logs), "it is said")
            with tracing.span("work"):
                pass
            time.sleep(0.5)
            tracing.stop()

        assert 64 >= waiting
        assert 5 > worked_s
        assert 1 == len([line for line in logs if "traces" in line["event"]])


class TestOff:
    def test_is_the_default(self) -> None:
        """Without a collector's address no span is made, nothing is written to rows, no line has ids."""
        tracing.start("api")
        with tracing.span("work") as span:
            traceparent, ids = tracing.traceparent_of(span), tracing.current_ids()

        assert not tracing.enabled()
        assert (None, None) == (traceparent, ids)

    def test_can_be_asked_for_by_the_standard_switch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """OTEL_SDK_DISABLED wins over an address."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

        assert not tracing.wanted()

    @pytest.mark.parametrize("sent", ["", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01"])
    def test_nonsense_from_a_caller_begins_a_trace_of_its_own(
        self, collector: Collector, monkeypatch: pytest.MonkeyPatch, sent: str
    ) -> None:
        """A traceparent that is none is passed over."""
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        tracing.start("api")
        with tracing.span("work", parent=sent):
            pass
        tracing.stop()

        assert "" == one(collector.named("work")).parent_id
