from __future__ import annotations

import pytest

from client.errors import ConnectionFailedError, ProblemError, WaitTimeoutError
from client.http import Client
from client.watching import JobWatch
from tests.fakes.tiny_service import Answer, TinyService, job


@pytest.fixture
def running(service: TinyService) -> TinyService:
    """A job that goes from the queue to its end."""
    service.jobs["job_1"] = [
        job("job_1", "queued"),
        job("job_1", "running", 1),
        job("job_1", "running", 3),
        job("job_1", "succeeded", 4),
    ]
    return service


class TestJobWatch:
    def test_follows_events(self, client: Client, running: TinyService) -> None:
        """Each state of the stream is told once, and the last ends the watch."""
        states = [(job.status, job.progress.done) for job in client.watch("job_1")]

        assert states == [("queued", 0), ("running", 1), ("running", 3), ("succeeded", 4)]
        assert len(running.seen("GET", "/v1/jobs/job_1")) == 1

    def test_asks_where_there_are_no_events(
        self, client: Client, running: TinyService, sleeps: list[float]
    ) -> None:
        """Without a stream the job is polled until it ends."""
        running.events = False

        assert client.wait("job_1").status == "succeeded"
        assert sleeps == [1.0, 1.0, 1.0]

    def test_survives_a_stream_that_breaks(self, client: Client, running: TinyService) -> None:
        """A broken stream is reopened, and no state is told twice."""
        whole = running.stream(running.jobs["job_1"][:2])
        running.first(
            "GET", "/v1/jobs/job_1/events", Answer(200, whole.body + b"data: {", {}, drop=len(whole.body))
        )

        states = [job.progress.done for job in client.watch("job_1")]

        assert states == [0, 1, 3, 4]
        assert len(running.seen("GET", "/v1/jobs/job_1/events")) == 2

    def test_waits_for_a_service_that_restarts(self, client: Client, running: TinyService) -> None:
        """Connections that fail in the middle of a watch do not end it."""
        running.events = False
        down = [Answer(drop=0)] * 7
        running.first("GET", "/v1/jobs/job_1", Answer(body=running.jobs["job_1"][0]), *down)

        assert client.wait("job_1").status == "succeeded"

    def test_gives_up_on_a_service_that_stays_away(self, client: Client, running: TinyService) -> None:
        """After its patience the watch says that nobody answers."""
        running.events = False
        running.first("GET", "/v1/jobs/job_1", Answer(body=running.jobs["job_1"][0]), *[Answer(drop=0)] * 50)
        times = iter(range(0, 10_000, 30))

        watch = JobWatch(client.transport, "job_1", clock=lambda: next(times))

        with pytest.raises(ConnectionFailedError):
            list(watch)

    def test_does_not_wait_for_an_unknown_job(self, client: Client, service: TinyService) -> None:
        """404 ends the watch at once."""
        with pytest.raises(ProblemError, match="not_found"):
            client.wait("job_none")

        assert len(service.requests) == 1

    def test_ends_when_time_is_up(self, client: Client, service: TinyService) -> None:
        """A job that takes too long is left alone, and the error names it."""
        service.jobs["job_1"] = [job("job_1", "running")]
        service.events = False
        times = iter(range(100))

        watch = JobWatch(client.transport, "job_1", timeout_s=10, clock=lambda: next(times))

        with pytest.raises(WaitTimeoutError, match="job_1 has not ended after 10 s"):
            list(watch)

    def test_ignores_events_about_other_things(self, client: Client, running: TinyService) -> None:
        """Data that is no job is passed over."""
        stream = running.stream(running.jobs["job_1"])
        odd = b'data: {"hello": 1}\n\ndata: not json\n\n' + stream.body
        running.first("GET", "/v1/jobs/job_1/events", Answer(body=odd))

        assert client.wait("job_1").status == "succeeded"
