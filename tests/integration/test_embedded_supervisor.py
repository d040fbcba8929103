from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.config import Settings
from services.embedded.supervisor import running_service

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something that takes its time has come true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended within a few seconds."""
    return [p for p in psutil.wait_procs(processes, timeout=15)[1] if p.status() != psutil.STATUS_ZOMBIE]


class Service:
    """``python -m services.embedded`` in a process of its own, as ``make serve`` runs it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        environment = {
            **os.environ,
            "DATA_DIR": str(data_dir),
            "DATABASE_URL": "",
            "BROKER_URL": "",
            "OBJECT_STORE_URL": "",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.embedded", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._read_url()
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def _read_url(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready at" in line:
                return line.split()[4]
        raise AssertionError(f"it ended with {self.process.wait()} before it was ready")

    def child(self, module: str) -> psutil.Process:
        """Find the process that runs a module, among those that live now."""
        return next(p for p in psutil.Process(self.process.pid).children() if module in p.cmdline())

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a lab") / "var"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service whose parts may die, but which itself goes on."""
    started = Service(tmp_path_factory.mktemp("lasting") / "var")
    yield started
    started.end(signal.SIGTERM)


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    """A running service; each test ends it in its own way."""
    started = Service(data_dir)
    yield started
    if started.process.poll() is None:
        started.end(signal.SIGTERM)


class TestServe:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ends_with_everything_it_started(self, service: Service, number: signal.Signals) -> None:
        """Ctrl-C and a polite kill leave no process behind, and are no failure."""
        status = service.end(number)

        assert 0 == status
        assert [] == still_running(service.family)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
    def test_kill_leaves_no_orphans_and_the_next_start_works(self, service: Service, data_dir: Path) -> None:
        """Nothing outlives a ``kill -9`` of the supervisor, and the data is served again at once."""
        service.end(signal.SIGKILL)
        left = still_running(service.family)
        again = Service(data_dir)
        answer = httpx.get(f"{again.url}/readyz")
        again.end(signal.SIGTERM)

        assert [] == left
        assert httpx.codes.OK == answer.status_code


class TestServeOfDyingParts:
    def test_a_dead_process_is_started_again(self, lasting: Service) -> None:
        """A crash of the API costs seconds, not the service."""
        api = lasting.child("api")
        api.kill()
        api.wait(10)
        wait_for(lambda: _is_ready(lasting.url))

        assert api.pid != lasting.child("api").pid

    def test_a_dead_engine_is_started_again_at_the_same_place(self, lasting: Service) -> None:
        """A killed Redis comes back under the address that API and worker know."""
        redis = next(p for p in lasting.family if "redis-server" in p.name())
        redis.kill()
        wait_for(lambda: not _is_ready(lasting.url) or not redis.is_running())
        wait_for(lambda: _is_ready(lasting.url))

        assert not redis.is_running()

    def test_a_second_service_on_the_same_data_is_refused(self, lasting: Service) -> None:
        """The message says what holds the directory, and the first service goes on."""
        second = subprocess.run(
            [sys.executable, "-m", "services.embedded", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(lasting.data_dir), "DATABASE_URL": "", "BROKER_URL": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

        assert 2 == second.returncode
        assert f"served by process {lasting.process.pid}" in second.stderr
        assert _is_ready(lasting.url)


class TestRunningService:
    def test_yields_the_address_of_a_ready_service(self, tmp_path: Path) -> None:
        """A program gets a whole service for the length of a block, and a job goes through it."""
        settings = Settings(
            _env_file=None, data_dir=tmp_path, database_url="", broker_url="", object_store_url=""
        )
        before = set(psutil.Process().children(recursive=True))
        with running_service(settings) as url:
            made = httpx.post(f"{url}/v1/jobs", json={"kind": "diagnostic", "items": 2})
            job = made.json()
            wait_for(lambda: "succeeded" == httpx.get(f"{url}/v1/jobs/{job['id']}").json()["status"])
            family = set(psutil.Process().children(recursive=True)) - before

        assert [] == still_running(list(family))

    def test_command_gets_the_address_and_gives_its_status(self, tmp_path: Path) -> None:
        """``--run`` ends the service with the command, whose own success or failure is passed on."""
        program = (
            "import os, sys, urllib.request as r; "
            "print(r.urlopen(os.environ['KARYOBRIDGE_URL'] + '/readyz').read().decode()); sys.exit(7)"
        )
        finished = subprocess.run(
            [sys.executable, "-m", "services.embedded", "--run", sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path), "DATABASE_URL": "", "BROKER_URL": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

        assert 7 == finished.returncode
        assert json.loads(finished.stdout)["ready"] is True


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
