"""No secret leaves the processes: not in a log line, a problem, a metric or what a process says at its end.

Real processes are given secrets of every kind, and everything around them then fails: a store that
refuses and repeats what it was sent, a broker that is away, a database that goes away, keys that are
wrong. All that came out is searched.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import make_url

from services.db.engine import make_engine
from services.db.migrate import upgrade
from services.embedded.postgres import EmbeddedPostgres
from tests.support.fleet import ROOT, eventually

pytestmark = pytest.mark.integration

GIVEN: Final = {
    "database": "database-horse-battery",
    "broker": "broker-staple/correct+x",
    "store": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "session": "FwoGZXIvYXdzEXAMPLETOKEN==",
    "admin": "admin-key-of-the-operator-0123456789",
    "webhooks": "key-of-all-webhooks-0123456789abcdef",
}
WRONG_KEY: Final = "kb_" + "Wr0ng" * 9
# Anything may answer here but a broker.
NOWHERE: Final = "127.0.0.1:1"


class GossipingStore(BaseHTTPRequestHandler):
    """Refuses everything, and repeats what it was sent, as some stores do in their errors."""

    def refuse(self) -> None:
        """Answer 403 with all headers and the address in the body."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = (
            f"<Error><Code>AccessDenied</Code><Message>{self.path} {self.headers}</Message></Error>".encode()
        )
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = refuse  # noqa: N815 - http.server looks for these names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Machine:
    """Processes with secrets, and everything that came out of them."""

    folder: Path
    postgres: EmbeddedPostgres
    environment: dict[str, str]
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *module: str, level: str = "DEBUG") -> subprocess.Popen[bytes]:
        """Start a process; what it says is kept."""
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env={**self.environment, "LOG_LEVEL": level},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def said(self, number: int) -> str:
        """All that a process has said so far."""
        return (self.folder / f"{number}.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, method: str, path: str, key: str | None = GIVEN["admin"], **options: Any) -> httpx.Response:
        """Send a request and keep the answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.request(method, self.url + path, headers=headers, timeout=60, **options)
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer

    def make_key(self, path: str, **body: Any) -> str:
        """Have a key made; its answer is the one place that it may be in."""
        issued: dict[str, Any] = self.ask("POST", path, json=body).json()
        self.answers.pop()
        self.made[issued["name"]] = issued["key"]
        return str(issued["id"])


@contextmanager
def gossiping_store() -> Iterator[str]:
    """Serve a `GossipingStore`; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), GossipingStore)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A database of its own, and nothing else that works."""
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as stack:
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", durable=False))
        engine = make_engine(postgres.url)
        upgrade(engine)
        engine.dispose()
        endpoint = stack.enter_context(gossiping_store())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        database = make_url(postgres.url).set(password=GIVEN["database"])
        environment = {
            "PATH": os.environ["PATH"],
            "OMP_NUM_THREADS": "1",
            "DATABASE_URL": database.render_as_string(hide_password=False),
            "BROKER_URL": f"redis://:{GIVEN['broker'].replace('/', '%2F').replace('+', '%2B')}@{NOWHERE}/0",
            "OBJECT_STORE_URL": "s3://karyobridge",
            "OBJECT_STORE_PUBLIC_ENDPOINT": endpoint,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": GIVEN["store"],
            "AWS_SESSION_TOKEN": GIVEN["session"],
            "BOOTSTRAP_ADMIN_KEY": GIVEN["admin"],
            "WEBHOOK_KEY": GIVEN["webhooks"],
            "REQUIRE_API_KEY": "true",
            "SWEEP_INTERVAL_S": "0.2",
            "PORT": str(port),
        }
        found = Machine(folder, postgres, environment, port)
        try:
            yield found
        finally:
            for process in found.processes:
                process.kill()
                process.wait()


def answers(machine: Machine) -> bool:
    """Whether the API is up."""
    try:
        return httpx.get(f"{machine.url}/healthz", timeout=10).is_success
    except httpx.TransportError:
        return False


def provoke(machine: Machine) -> None:
    """Ask for all that cannot be done."""
    machine.ask("GET", "/v1/jobs", WRONG_KEY)
    machine.ask("GET", f"/v1/jobs?key={WRONG_KEY}&X-Amz-Signature={GIVEN['store']}", None)
    machine.ask("POST", "/v1/keys", json={"name": GIVEN["broker"], "scopes": ["root"], "key": WRONG_KEY})
    key_id = machine.make_key("/v1/keys", name="lims", scopes=["read"])
    machine.make_key(f"/v1/keys/{key_id}/rotate")
    machine.ask("GET", "/v1/keys", machine.made["lims"])
    machine.ask("GET", "/v1/audit")
    machine.ask("POST", "/v1/jobs", json={"kind": "diagnostic", "items": 1})
    weights = {"data": {"name": "x"}, "files": {"file": ("x.safetensors", b"x")}}
    machine.ask("POST", "/v1/artifacts/segmenter", **weights)
    machine.ask("GET", "/readyz", None)
    machine.ask("GET", "/metrics", None)


@pytest.fixture(scope="module")
def output(machine: Machine) -> str:
    """All that came out while everything failed, one part after the other."""
    # The API compiles a filter when it starts, of which numba would tell megabytes at DEBUG.
    machine.start("api", level="INFO")
    machine.start("workers", "--queues", "cpu")
    machine.start("workers.sweeper")
    eventually(lambda: answers(machine), "the API is up")
    provoke(machine)
    eventually(lambda: NOWHERE.partition(":")[0] in machine.said(1), "the worker misses its broker")
    eventually(lambda: "broker" in machine.said(2), "the sweeper misses its broker")
    machine.postgres.stop()
    machine.ask("GET", "/v1/jobs")
    machine.ask("GET", "/readyz", None)
    machine.start("api.keys", "list").wait(timeout=120)
    return "\n".join([*(machine.said(number) for number in range(len(machine.processes))), *machine.answers])


def test_everything_failed(machine: Machine, output: str) -> None:
    """What is searched below has the failures in it; otherwise its silence would prove nothing."""
    told = ("authentication failed", "scope refused", "job not sent", "store_unavailable", "AccessDenied")
    missing = [
        text for text in (*told, "database away", "The database does not answer") if text not in output
    ]

    assert [] == missing
    assert machine.processes[3].returncode == 2


def test_nothing_that_was_given_came_out(output: str) -> None:
    """Neither as it is, nor as it stands in a URL."""
    quoted = {name: secret.replace("/", "%2F").replace("+", "%2B") for name, secret in GIVEN.items()}
    found = {name for name in GIVEN if GIVEN[name] in output or quoted[name] in output}

    assert set() == found


def test_no_key_came_out(machine: Machine, output: str) -> None:
    """Keys that were made stand in the answer that made them, and wrong ones nowhere."""
    keys = {WRONG_KEY, *machine.made.values()}

    assert 3 == len(keys)
    assert [] == [key for key in keys if key in output]
