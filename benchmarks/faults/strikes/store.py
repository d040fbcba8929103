"""The object store refuses: S3 answers 503 for a minute, or the folder's disk is full."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from benchmarks.faults.relays import Relay, to_port
from benchmarks.faults.stage import Options, Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault, NotPossibleError
from benchmarks.faults.traffic import Traffic
from services.config import Settings
from tests.support.seaweed import running_seaweed

AWAY_S: Final = 60.0
FULL_S: Final = 20.0
DISK_MB: Final = 1500


def patience_of_production() -> dict[str, Any]:
    """Return how often, and how long apart, the shipped defaults try a job again."""
    fields = Settings.model_fields
    return {name: fields[name].default for name in ("retry_backoff_s", "job_max_attempts")}


class StoreAway(Fault):
    """SeaweedFS behind a relay that answers 503 to everything for a minute."""

    name: ClassVar[str] = "store-503"
    title: ClassVar[str] = "the object store (SeaweedFS) answers 503 for a minute"
    place: ClassVar[str] = "s3"
    jobs_at_once: ClassVar[int] = 13
    counts_waiting: ClassVar[bool] = True

    @contextmanager
    def options(self, folder: Path, broker_url: str) -> Iterator[Options]:
        """Start the S3 server and the relay; the onlooker goes past the relay."""
        with running_seaweed(folder / "s3") as server:
            port = urlsplit(server.endpoint).port
            if port is None:
                raise NotPossibleError("the S3 server tells no port")
            with Relay(to_port(port)) as self._relay, _environ(server.environment):
                yield Options(
                    settings=patience_of_production(),
                    store_url=server.url,
                    environment=server.environment
                    | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._relay.port}"},
                    broker_url=broker_url,
                )

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Refuse for a minute, under requests."""
        del hit
        before = self._relay.refused
        traffic = Traffic(stage, rng)
        self._relay.refuse()
        time.sleep(AWAY_S - 2)
        traffic.start()
        time.sleep(2)
        self._relay.serve()
        breaches = traffic.breaches()
        facts = {"away_s": AWAY_S, "refused": self._relay.refused - before}
        return Blow(facts, breaches, list(traffic.accepted.values()))


class FullDisk(Fault):
    """A small disk of its own (tmpfs), filled to the last byte."""

    name: ClassVar[str] = "disk-full"
    title: ClassVar[str] = f"the disk of the folder store is full for {FULL_S:.0f} s"
    place: ClassVar[str] = "small disk"
    jobs_at_once: ClassVar[int] = 13
    counts_waiting: ClassVar[bool] = True

    @contextmanager
    def options(self, folder: Path, broker_url: str) -> Iterator[Options]:
        """Mount the disk; needs root."""
        self._disk = folder / "disk"
        self._disk.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self._disk)]
        made = subprocess.run(mount, check=False, capture_output=True, text=True)
        if made.returncode != 0:
            raise NotPossibleError(f"no disk of its own can be mounted: {made.stderr.strip()}")
        try:
            yield Options(
                settings=patience_of_production(),
                store_url=(self._disk / "objects").as_uri(),
                broker_url=broker_url,
            )
        finally:
            subprocess.run(["umount", "--lazy", str(self._disk)], check=False)

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Fill the disk, keep it full, and free it, under requests."""
        del hit
        traffic = Traffic(stage, rng)
        ballast = self._disk / "ballast"
        filled = fill(ballast)
        time.sleep(FULL_S - 2)
        traffic.start()
        time.sleep(2)
        filled += fill(ballast.with_suffix(".more"))
        for file in (ballast, ballast.with_suffix(".more")):
            file.unlink()
        breaches = traffic.breaches()
        return Blow(
            {"full_s": FULL_S, "filled_mb": filled // 2**20}, breaches, list(traffic.accepted.values())
        )


def fill(file: Path) -> int:
    """Write until the disk is full; returns the bytes."""
    written = 0
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while True:
                    written += stream.write(bytes(size))
    return written


@contextmanager
def _environ(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
