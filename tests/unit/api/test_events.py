"""Progress as server-sent events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from api import events
from services.clock import utc_now
from services.jobs.types import Job, Progress

QUEUED = Job(
    id="job_x",
    kind="diagnostic",
    status="queued",
    params={},
    inputs={},
    artifacts={},
    sample=None,
    external_id=None,
    request_id=None,
    traceparent=None,
    queue="cpu",
    priority=0,
    attempt=0,
    max_attempts=3,
    not_before=None,
    progress=Progress(0, 2, "items", ""),
    error=None,
    result={},
    created_at=utc_now(),
    started_at=None,
    finished_at=None,
)
RUNNING = replace(QUEUED, status="running", progress=Progress(1, 2, "items", ""))
ENDED = replace(RUNNING, status="succeeded", progress=Progress(2, 2, "items", ""))


def follow(first: Job, later: list[Job], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Name, id and progress of each event, without waiting."""
    monkeypatch.setattr(events, "FIRST_INTERVAL_S", 0.0)
    coming = iter(later)

    async def read() -> Job:
        return next(coming)

    async def collect() -> list[tuple[str, str, int]]:
        return [
            (str(event.event), str(event.id), json.loads(str(event.data))["progress"]["done"])
            async for event in events.progress_events(first, read)
        ]

    return asyncio.run(collect())


class TestProgressEvents:
    def test_ends_with_the_final_state(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The job is sent now and at every change; the last event is called end."""
        told = follow(QUEUED, [QUEUED, RUNNING, RUNNING, ENDED], monkeypatch)

        assert [("progress", "1", 0), ("progress", "2", 1), ("end", "3", 2)] == told

    def test_finished_job_is_one_event(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A job that has ended is not read again."""
        assert [("end", "1", 2)] == follow(ENDED, [], monkeypatch)
