"""Many clients that poll at once while jobs run: a job, the list of jobs, and streams of events."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from benchmarks.load.figures import percentiles
from benchmarks.load.installation import installed

JOBS = 20
ITEMS = 2000


@dataclass
class Answers:
    """Times of the answers to one question, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, object]:
        """Return percentiles and errors."""
        return {**percentiles(self.seconds), "errors": dict(self.errors)}


def measure(pollers: int, seconds: float, pause_s: float) -> dict[str, object]:
    """Let so many clients ask for so long, each with a pause between two questions."""
    with installed() as installation:
        installation.worker()
        submitted = [
            installation.jobs.submit("diagnostic", {"items": ITEMS, "seconds_per_item": 0.05}).id
            for _ in range(JOBS)
        ]
        questions = {
            "GET /v1/jobs/{id}": [f"/v1/jobs/{job}" for job in submitted],
            "GET /v1/jobs?limit=100": ["/v1/jobs?limit=100"],
        }
        measured: dict[str, object] = {"pollers": pollers, "seconds": seconds, "pause_s": pause_s}
        for name, paths in questions.items():
            answers = asyncio.run(_poll(installation.url, paths, pollers, seconds, pause_s))
            measured[name] = answers.figures() | {"per_s": round(len(answers.seconds) / seconds, 1)}
        streams = asyncio.run(_follow(installation.url, submitted, pollers, seconds))
        measured["GET /v1/jobs/{id}/events, first event"] = streams.figures()
        return measured


async def _poll(url: str, paths: list[str], pollers: int, seconds: float, pause_s: float) -> Answers:
    answers, deadline = Answers(), time.monotonic() + seconds

    async def poller(number: int, client: httpx.AsyncClient) -> None:
        await asyncio.sleep(pause_s * number / pollers)  # as clients that know nothing of each other
        while time.monotonic() < deadline:
            await _ask(client, paths[number % len(paths)], answers)
            await asyncio.sleep(pause_s)

    await _together(url, pollers, poller)
    return answers


async def _follow(url: str, jobs: list[str], pollers: int, seconds: float) -> Answers:
    """Open streams at once and read them for a while; times are those of the first event."""
    answers = Answers()

    async def follower(number: int, client: httpx.AsyncClient) -> None:
        start, first = time.perf_counter(), True
        try:
            async with client.stream("GET", f"/v1/jobs/{jobs[number % len(jobs)]}/events") as stream:
                if stream.status_code != httpx.codes.OK:
                    answers.errors[str(stream.status_code)] += 1
                    return
                async for _ in stream.aiter_lines():
                    if first:
                        answers.seconds.append(time.perf_counter() - start)
                        first = False
                    if time.perf_counter() - start > seconds:
                        return
        except httpx.HTTPError as error:
            answers.errors[type(error).__name__] += 1

    await _together(url, pollers, follower)
    return answers


async def _ask(client: httpx.AsyncClient, path: str, answers: Answers) -> None:
    start = time.perf_counter()
    try:
        answer = await client.get(path)
    except httpx.HTTPError as error:
        answers.errors[type(error).__name__] += 1
        return
    if answer.status_code == httpx.codes.OK:
        answers.seconds.append(time.perf_counter() - start)
    else:
        answers.errors[str(answer.status_code)] += 1


async def _together(
    url: str, pollers: int, work: Callable[[int, httpx.AsyncClient], Awaitable[None]]
) -> None:
    limits = httpx.Limits(max_connections=pollers, max_keepalive_connections=pollers)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        await asyncio.gather(*(work(number, client) for number in range(pollers)))
