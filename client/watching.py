"""Following a job until it ends: by server-sent events, and by asking where those do not come through.

A service that restarts while we watch is waited for; jobs survive it, so a watch should too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import ValidationError

from client.errors import ConnectionFailedError, ProblemError, WaitTimeoutError
from client.events import EventTooLongError, parse_events
from client.records import Job
from client.transport import Transport

STREAM_SILENCE_S = 45.0


@dataclass
class JobWatch:
    """Yields a job each time it changed.

    Attributes
    ----------
    poll_s
        Seconds between questions when events do not arrive.
    patience_s
        Seconds without any answer after which the service counts as gone.
    timeout_s
        Seconds after which waiting ends although the job has not, or None.
    """

    transport: Transport
    job_id: str
    poll_s: float = 1.0
    patience_s: float = 120.0
    timeout_s: float | None = None
    clock: Callable[[], float] = time.monotonic

    def __iter__(self) -> Iterator[Job]:
        """Yield states until the last one, in which the job has ended.

        Raises
        ------
        ProblemError
            The job is unknown or may not be seen.
        ConnectionFailedError
            The service stayed away for longer than `patience_s`.
        WaitTimeoutError
            `timeout_s` passed.
        """
        self._started_s = self.clock()
        streaming = True
        seen: Job | None = None
        job = self._ask(first=True)
        while True:
            if job != seen:
                seen = job
                yield job
            if job.ended:
                return
            if streaming:
                streaming = False
                for job in self._events():
                    # A stream that brought something is worth reopening when it breaks.
                    streaming = True
                    if job != seen:
                        seen = job
                        yield job
                    if job.ended:
                        return
            self._check_time()
            self.transport.sleep(self.poll_s)
            job = self._ask()

    def _events(self) -> Iterator[Job]:
        """States from the event stream until it ends or breaks; breaking is no error here."""
        try:
            with self.transport.stream(
                f"v1/jobs/{self.job_id}/events",
                accept="text/event-stream",
                once=True,
                read_timeout_s=min(STREAM_SILENCE_S, self._left_s()),
            ) as response:
                for event in parse_events(self._timed(response.iter_raw())):
                    job = _job_of(event.data)
                    if job is not None:
                        yield job
        except (ConnectionFailedError, EventTooLongError, ProblemError):
            return  # What is really wrong shows when the job is asked for.

    def _timed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._check_time()
            yield chunk

    def _ask(self, *, first: bool = False) -> Job:
        """Fetch the job, waiting for a service that is restarting (but not for one that never was)."""
        lost_s = self.clock()
        while True:
            try:
                return Job.model_validate(self.transport.json("GET", f"v1/jobs/{self.job_id}"))
            except (ConnectionFailedError, ProblemError) as error:
                away = (
                    isinstance(error, ConnectionFailedError)
                    or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
                )
                if first or not away or self.clock() - lost_s > self.patience_s:
                    raise
            self._check_time()
            self.transport.sleep(self.poll_s)

    def _left_s(self) -> float:
        if self.timeout_s is None:
            return STREAM_SILENCE_S
        return max(0.1, self._started_s + self.timeout_s - self.clock())

    def _check_time(self) -> None:
        if self.timeout_s is not None and self.clock() - self._started_s >= self.timeout_s:
            raise WaitTimeoutError(self.job_id, self.timeout_s)


def _job_of(data: str) -> Job | None:
    """The job that an event carries, or None for an event about something else."""
    try:
        value = json.loads(data)
        return Job.model_validate(value)
    except (ValueError, ValidationError):
        return None
