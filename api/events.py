"""A job's progress as server-sent events, until the job ends.

Each stream sleeps on the event loop and reads its job now and then through a few threads of its
own, so that hundreds of watchers neither fill the thread pool of the requests nor the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

import anyio
from anyio import CapacityLimiter, to_thread
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.schemas.jobs import JobView
from services.jobs.service import JobService
from services.jobs.types import Job

FIRST_INTERVAL_S: Final = 0.25
LONGEST_INTERVAL_S: Final = 2.0
_SLOWING: Final = 1.25
HEARTBEAT_S: Final = 15
READING_THREADS: Final = 4
SEND_TIMEOUT_S: Final = 30


class JobEvents:
    """Streams of one application."""

    def __init__(self, jobs: JobService) -> None:
        self._jobs = jobs
        self._limiter = CapacityLimiter(READING_THREADS)

    async def follow(self, job_id: str) -> EventSourceResponse:
        """Open a stream; raises `NotFoundError` before anything is sent if there is no such job."""
        first = await self._read(job_id)
        events = progress_events(first, partial(self._read, job_id))
        return EventSourceResponse(events, ping=HEARTBEAT_S, send_timeout=SEND_TIMEOUT_S)

    async def _read(self, job_id: str) -> Job:
        return await to_thread.run_sync(self._jobs.get, job_id, limiter=self._limiter)


async def progress_events(first: Job, read: Callable[[], Awaitable[Job]]) -> AsyncIterator[ServerSentEvent]:
    """Yield the job now and at every change; the last event is called `end` and has the final state.

    Reading slows down while nothing changes. `Last-Event-ID` is not needed: every event has the
    whole job, so a client that comes back starts with the newest state.
    """
    job, number, interval_s = first, 1, FIRST_INTERVAL_S
    while True:
        yield _event(job, number)
        if job.is_terminal:
            return
        newest = job
        while newest == job:
            await anyio.sleep(interval_s)
            interval_s = min(interval_s * _SLOWING, LONGEST_INTERVAL_S)
            newest = await read()
        job, number, interval_s = newest, number + 1, FIRST_INTERVAL_S


def _event(job: Job, number: int) -> ServerSentEvent:
    return ServerSentEvent(
        data=JobView.of(job).model_dump_json(),
        event="end" if job.is_terminal else "progress",
        id=str(number),
    )
