"""Server-sent events of a job."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, update

from api.wiring import Wiring
from services.db.tables import JobRow

pytestmark = pytest.mark.integration

STREAMS = 200


def submit(client: httpx.Client) -> str:
    job_id: str = client.post("/v1/jobs", json={"kind": "diagnostic", "items": 2}).json()["id"]
    return job_id


def change(wiring: Wiring, job_id: str, **values: Any) -> None:
    with wiring.sessions.begin() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))


def end(wiring: Wiring, job_id: str) -> None:
    change(wiring, job_id, status="succeeded", finished_at=func.now(), lease_token=None, progress_done=2)


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and job of each event."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        if line.startswith("data:"):
            yield name, json.loads(line.removeprefix("data:"))


class TestEvents:
    def test_follows_to_the_end(self, client: httpx.Client, wiring: Wiring) -> None:
        """Every change is sent, and the last event is the final state; then the stream ends."""
        job_id = submit(client)
        seen = []
        with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "7"}) as response:
            for name, job in events(response):
                seen.append((name, job["status"], job["progress"]["done"]))
                if job["status"] == "queued":
                    change(wiring, job_id, status="running", lease_token="token", progress_done=1)
                if job["status"] == "running":
                    end(wiring, job_id)

        assert "text/event-stream" in response.headers["content-type"]
        assert [("progress", "queued", 0), ("progress", "running", 1), ("end", "succeeded", 2)] == seen

    def test_finished_job_ends_at_once(self, client: httpx.Client, wiring: Wiring) -> None:
        """The stream of a job that has ended is one event."""
        job_id = submit(client)
        end(wiring, job_id)
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
            seen = [name for name, _ in events(response)]

        assert ["end"] == seen

    def test_many_watchers_leave_room_for_requests(
        self, client: httpx.Client, address: str, wiring: Wiring
    ) -> None:
        """Two hundred open streams neither block requests nor flood the database; all see the end."""
        job_id = submit(client)
        opened = threading.Barrier(STREAMS + 1, timeout=60)
        limits = httpx.Limits(max_connections=STREAMS)
        reads = 0

        def count(*_: Any) -> None:
            nonlocal reads
            reads += 1

        with httpx.Client(base_url=address, timeout=60, limits=limits) as watchers:

            def watch(_: int) -> str:
                with watchers.stream("GET", f"/v1/jobs/{job_id}/events") as response:
                    stream = events(response)
                    next(stream)
                    opened.wait()
                    return [name for name, _ in stream][-1]

            with ThreadPoolExecutor(STREAMS) as pool:
                ends = pool.map(watch, range(STREAMS))
                opened.wait()
                event.listen(wiring.engine, "before_cursor_execute", count)
                started = time.monotonic()
                for _ in range(10):
                    client.get(f"/v1/jobs/{job_id}").raise_for_status()
                seconds = time.monotonic() - started
                event.remove(wiring.engine, "before_cursor_execute", count)
                end(wiring, job_id)

                assert {"end"} == set(ends)
        assert seconds < 10
        assert reads / seconds < 5 * STREAMS

    def test_watcher_that_leaves_is_forgotten(self, client: httpx.Client, wiring: Wiring) -> None:
        """When a client closes its stream, the server stops asking the database for it."""
        job_id = submit(client)
        with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
            next(events(response))
        reads: list[str] = []
        time.sleep(0.5)

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            reads.append(statement)

        event.listen(wiring.engine, "before_cursor_execute", note)
        time.sleep(2.5)
        event.remove(wiring.engine, "before_cursor_execute", note)

        assert [] == reads
