"""Changed requests to a real server: no 5xx, no hang, bounded memory, nothing left behind."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.fuzz.limits import LIMITS
from benchmarks.fuzz.requests import Request, request_makers
from benchmarks.fuzz.seeds import tiff_seeds
from benchmarks.fuzz.server import Server, serving

# A client waits longer than a parser may take, since other processes share the machine.
_PATIENCE_S = 60.0
_WARM_UP = 300
# The bound on a file's decoded pixels is no setting: here a file may reach 32 planes of the largest picture
# of 16 bit. Twice that, and the form, in memory and unpacked.
MAX_GROWTH_BYTES = 2 * 32 * 2 * LIMITS.max_pixels + 4 * LIMITS.max_file_bytes + 64 * 1024**2


@dataclass
class HttpReport:
    """What was answered, by kind of request."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    slowest_s: float = 0.0
    warm_bytes: int = 0
    peak_bytes: int = 0
    left_behind: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what a results file keeps."""
        return {
            "requests": sum(counts.total() for counts in self.outcomes.values()),
            "outcomes": {name: dict(sorted(counts.items())) for name, counts in self.outcomes.items()},
            "broken": self.broken,
            "slowest_s": round(self.slowest_s, 2),
            "memory_mib": {
                "after_warm_up": self.warm_bytes >> 20,
                "peak": self.peak_bytes >> 20,
                "bound": (self.warm_bytes + MAX_GROWTH_BYTES) >> 20,
            },
            "left_behind": self.left_behind,
        }


def run(*, seed: int, count: int, keep_in: Path) -> HttpReport:
    """Send `count` changed requests, of all kinds in turn."""
    report = HttpReport()
    with serving() as server, httpx.Client(base_url=server.address, timeout=_PATIENCE_S) as client:
        makers = request_makers(server.document(), existing(client))
        names = sorted(makers)
        for number in range(count):
            name = names[number % len(names)]
            request = makers[name](Random(f"{seed} {name} {number}"))
            broken = _send(client, request, name, report)
            broken = broken or _grown(server, number, report)
            if broken:
                report.broken[_kept(request, keep_in)] = f"{name}: {broken}"
        report.left_behind = server.left_behind()
    return report


def replay(path: Path) -> httpx.Response:
    """Send a saved request to a fresh server."""
    told = json.loads(path.read_text(encoding="utf-8"))
    request = Request(**{**told, "body": base64.b64decode(told["body"])})
    with serving() as server, httpx.Client(base_url=server.address, timeout=_PATIENCE_S) as client:
        return request.send(client)


def _send(client: httpx.Client, request: Request, name: str, report: HttpReport) -> str:
    started = time.perf_counter()
    try:
        answer = request.send(client)
    except httpx.HTTPError as error:
        report.outcomes.setdefault(name, Counter())[type(error).__name__] += 1
        return repr(error)
    report.slowest_s = max(report.slowest_s, time.perf_counter() - started)
    code = answer.json().get("code", "") if answer.status_code >= 400 else ""
    report.outcomes.setdefault(name, Counter())[f"{answer.status_code} {code}".strip()] += 1
    return f"{answer.status_code} {code}" if answer.status_code >= 500 else ""


def _grown(server: Server, number: int, report: HttpReport) -> str:
    """Look at the server's memory; how much it takes when warm is where growth counts from."""
    now = server.memory_bytes()
    if number < _WARM_UP:
        report.warm_bytes = now
    report.peak_bytes = max(report.peak_bytes, now)
    grown = now - report.warm_bytes
    return f"memory: {grown >> 20} MiB more than when warm" if grown > MAX_GROWTH_BYTES else ""


def existing(client: httpx.Client) -> dict[str, str]:
    """Make one of each thing that a path can name."""
    batch = client.post(
        "/v1/batches", data={"sample": "fuzz"}, files=[("files", ("a.tif", tiff_seeds()[0]))]
    ).json()
    job = client.post("/v1/jobs", json={"kind": "diagnostic"}).json()
    return {
        "image_id": batch["items"][0]["image_id"],
        "batch_id": batch["id"],
        "job_id": job["id"],
        "name": "translocation",
        "version_or_alias": "production",
        "kind": "filter",
        "alias": "tried",
    }


def _kept(request: Request, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    told = asdict(request) | {"body": base64.b64encode(request.body).decode()}
    text = json.dumps(told, indent=1)
    path = folder / f"http-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    path.write_text(text, encoding="utf-8")
    return path.name
