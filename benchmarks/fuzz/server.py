"""A whole API on engines of its own, as processes, whose memory and temporary files are watched."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.fuzz.limits import LIMITS
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis

ROOT = Path(__file__).parents[2]
_STARTING_S = 300.0


@dataclass(frozen=True)
class Server:
    """A running API that needs no key.

    Attributes
    ----------
    temporary
        The folder that its temporary files go to, and nothing else.
    """

    address: str
    process: psutil.Process
    temporary: Path

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return int(self.process.memory_info().rss)

    def document(self) -> dict[str, Any]:
        """The OpenAPI document that it gives."""
        document: dict[str, Any] = httpx.get(f"{self.address}/v1/openapi.json", timeout=60).json()
        return document

    def new_key(self) -> str:
        """Make a key that may do everything: none is needed, but a made-up one is refused."""
        body = {"name": "fuzzing", "scopes": ["admin"]}
        answer = httpx.post(f"{self.address}/v1/keys", json=body, timeout=60).raise_for_status()
        return str(answer.json()["key"])

    def left_behind(self) -> list[str]:
        """Names of temporary files."""
        return sorted(path.name for path in self.temporary.iterdir())


@contextmanager
def serving() -> Iterator[Server]:
    """Start Postgres, Redis and ``python -m api`` with the small limits; at the end all of it is gone."""
    with tempfile.TemporaryDirectory(prefix="karyobridge-fuzz-") as name:
        folder = Path(name)
        for part in ("postgres", "redis", "objects", "tmp"):
            (folder / part).mkdir()
        with (
            EmbeddedPostgres(folder / "postgres", durable=False) as postgres,
            EmbeddedRedis(folder / "redis") as redis,
        ):
            environment = _environment(folder, postgres.url, redis.url)
            subprocess.run(
                [sys.executable, "-m", "services.bootstrap"],
                cwd=ROOT,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            with (folder / "api.log").open("wb") as log:
                command = [sys.executable, "-m", "api"]
                process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            try:
                address = f"http://127.0.0.1:{environment['PORT']}"
                _wait(address, process, folder / "api.log")
                yield Server(address, psutil.Process(process.pid), folder / "tmp")
            finally:
                process.terminate()
                process.wait()


def _environment(folder: Path, database_url: str, broker_url: str) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return os.environ | {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "OBJECT_STORE_URL": (folder / "objects").as_uri(),
        "DATA_DIR": str(folder),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "TMPDIR": str(folder / "tmp"),
        "LOG_LEVEL": "ERROR",
        "WEBHOOK_KEY": "00" * 32,
        "MAX_FILE_BYTES": str(LIMITS.max_file_bytes),
        "MAX_UPLOAD_BYTES": str(2 * LIMITS.max_file_bytes),
        "MAX_ZIP_BYTES": str(LIMITS.max_zip_total_bytes),
        "MAX_IMAGE_PIXELS": str(LIMITS.max_pixels),
    }


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTING_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"The API did not become ready. Its log ends: {log.read_text()[-2000:]}")
