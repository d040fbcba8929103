"""GETs of a job per second from one uvicorn worker, beside a bare FastAPI route, in turns.

The bare route looks nothing up, checks no key and counts nothing: it answers the same document, through
the same response model, from memory. Processor time of the server per answer is told beside the rates: it
says much the same on a busy machine.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import psutil

from benchmarks.load.installation import ROOT, free_port, installed, wait_until

CONNECTIONS: Final = 8
WITHIN_S: Final = 60.0

_Question = tuple[str, dict[str, str], psutil.Process]


@dataclass(frozen=True)
class _Answers:
    """How many came per second, and what each cost the server, in milliseconds of processor time."""

    per_s: float
    cpu_ms: float


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Ask both in turns, with a key and without one."""
    with installed() as installation, _bare() as (bare, bare_process):
        job = installation.jobs.submit("diagnostic", {"items": 3})
        with installation.client() as client:
            answer = client.post("/v1/keys", json={"name": "load", "scopes": ["read"]})
            answer.raise_for_status()
            key = {"Authorization": f"Bearer {answer.json()['key']}"}
        ours = f"{installation.url}/v1/jobs/{job.id}"
        asked: dict[str, _Question] = {
            "bare": (f"{bare}/v1/jobs/{job.id}", {}, bare_process),
            "with_key": (ours, key, installation.api),
            "without_key": (ours, {}, installation.api),
        }
        answers: dict[str, list[_Answers]] = {name: [] for name in asked}
        for _ in range(rounds):
            for name, question in asked.items():
                answers[name].append(_ask(question, seconds))
    rates = {name: statistics.median(a.per_s for a in found) for name, found in answers.items()}
    cpu_ms = {name: statistics.median(a.cpu_ms for a in found) for name, found in answers.items()}
    return {
        "connections": CONNECTIONS,
        "answers_per_s": {name: [round(a.per_s, 1) for a in found] for name, found in answers.items()},
        "median_answers_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "server_cpu_ms_per_answer": {name: round(ms, 2) for name, ms in cpu_ms.items()},
        "ratio_with_key": round(rates["with_key"] / rates["bare"], 3),
        "ratio_without_key": round(rates["without_key"] / rates["bare"], 3),
    }


def _ask(question: _Question, seconds: float) -> _Answers:
    url, headers, server = question
    before = server.cpu_times()
    number, taken_s = asyncio.run(_answered(url, headers, seconds))
    after = server.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return _Answers(number / taken_s, 1000 * cpu_s / number)


async def _answered(url: str, headers: dict[str, str], seconds: float) -> tuple[int, float]:
    """Ask over some connections that never rest; returns the number of answers and the time they took."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as client:
        (await client.get(url)).raise_for_status()
        deadline, start = time.monotonic() + seconds, time.perf_counter()

        async def ask() -> int:
            number = 0
            while time.monotonic() < deadline:
                (await client.get(url)).raise_for_status()
                number += 1
            return number

        counts = await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
        return sum(counts), time.perf_counter() - start


@contextmanager
def _bare() -> Iterator[tuple[str, psutil.Process]]:
    port = free_port()
    command = ("uvicorn", "benchmarks.load.bare_fastapi:app", "--port", str(port), "--log-level", "warning")
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), WITHIN_S, "the bare route answers")
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/jobs/job_1").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
