from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from client.demo.service import DemoService, ServiceStartError, free_port, postponed_signals

READY = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"ready": true, "parts": []}'
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
signal.signal(signal.SIGTERM, lambda *_: (print("told to stop", flush=True), os._exit(0)))
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def service(tmp_path: Path, program: str, **options: bool) -> DemoService:
    """A service whose process is a few lines of Python."""
    return DemoService(tmp_path, tmp_path / "var demo", command=(sys.executable, "-c", program), **options)


class Interrupting(os.PathLike[str]):
    """A program whose name is asked for while it is being started; then Ctrl-C comes."""

    def __fspath__(self) -> str:
        """Name it, and interrupt."""
        signal.raise_signal(signal.SIGINT)
        return sys.executable


def fail_within(started: DemoService) -> None:
    """Begin a demonstration and fail in the middle of it."""
    with started:
        started.wait_ready(20)
        started.port //= 0


class TestDemoService:
    def test_starts_and_stops(self, tmp_path: Path) -> None:
        """It is ready when it says so, and nothing runs afterwards."""
        with service(tmp_path, READY) as started:
            started.wait_ready(20)
            process = started._process

            assert process.poll() is None

        assert process.returncode == 0
        assert "told to stop" in started.log_tail()

    def test_stops_when_the_demonstration_fails(self, tmp_path: Path) -> None:
        """An error or Ctrl-C leaves nothing running, even with --keep."""
        started = service(tmp_path, READY, keep=True)

        with pytest.raises(ZeroDivisionError):
            fail_within(started)

        assert started._process.returncode == 0

    def test_stops_what_was_being_started(self, tmp_path: Path) -> None:
        """Ctrl-C that comes before the process is known does not leave it behind."""
        started = DemoService(tmp_path, tmp_path / "var", command=(Interrupting(), "-c", READY), keep=True)

        with pytest.raises(KeyboardInterrupt), started:
            pytest.fail("It must not begin.")

        assert started._process.returncode is not None

    def test_leaves_the_service_on_request(self, tmp_path: Path) -> None:
        """With --keep it goes on, and its process id is known."""
        with service(tmp_path, READY, keep=True) as started:
            started.wait_ready(20)
        running = started._process.poll() is None
        started.stop()

        assert running
        assert started.pid > 0

    def test_says_that_the_process_ended(self, tmp_path: Path) -> None:
        """The log's last lines are at hand."""
        program = "print('no wheels here'); raise SystemExit(2)"

        with pytest.raises(ServiceStartError, match="ended with 2"), service(tmp_path, program) as started:
            started.wait_ready(20)

        assert started.log_tail() == "no wheels here"

    def test_gives_up_on_a_silent_process(self, tmp_path: Path) -> None:
        """A process that never answers is stopped."""
        program = "import time; time.sleep(60)"

        with pytest.raises(ServiceStartError, match="not ready after"), service(tmp_path, program) as started:
            started.wait_ready(0.3)

        assert started._process.returncode is not None


class TestPostponedSignals:
    def test_wait_until_the_block_is_left(self) -> None:
        """Inside they are noted; then they do what they would have done."""
        with pytest.raises(KeyboardInterrupt), postponed_signals() as came:
            signal.raise_signal(signal.SIGINT)

        assert [signal.SIGINT] == came

    def test_handlers_are_put_back(self) -> None:
        """Whatever happens inside."""
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

        with pytest.raises(ValueError, match="x"), postponed_signals():
            raise ValueError("x")

        assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def test_what_is_ignored_stays_so(self) -> None:
        """A demonstration under `nohup` goes on when its terminal is closed."""
        previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with postponed_signals() as came:
                signal.raise_signal(signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, previous)

        assert [] == came


class TestFreePort:
    def test_is_a_port(self) -> None:
        """Within the range of ports that need no privilege."""
        assert 1024 <= free_port() <= 65535
