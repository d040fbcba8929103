"""A relay before an HTTP server that does to single requests what networks and servers do."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["none", "unavailable", "silent", "slow", "reset", "cut", "flipped"]
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>"
SLOW_PIECES = 6
SLOW_PAUSE_S = 1.0
# A connection that ends with a reset instead of a farewell.
ABRUPT = struct.pack("ii", 1, 0)


class FaultyRelay(ThreadingHTTPServer):
    """Passes requests on, each treated as the next planned fault says, and well once there is none.

    Faults: ``unavailable`` answers 503, ``silent`` never answers, ``slow`` answers in pieces with
    pauses, ``reset`` breaks the connection off before the answer and ``cut`` in the middle of it,
    ``flipped`` changes one bit of what is sent.

    Parameters
    ----------
    endpoint
        The server behind, ``http://host:port``.
    """

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(endpoint).netloc
        self.seen: list[str] = []
        self.released = threading.Event()
        self._plan: deque[Fault] = deque()
        self._forever: Fault = "none"

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def plan(self, faults: Iterable[Fault], then: Fault = "none") -> None:
        """Say what happens to the next requests, and to all after them."""
        self.seen.clear()
        self._plan, self._forever = deque(faults), then

    def next_fault(self) -> Fault:
        """Return what happens to a request that has just come."""
        return self._plan.popleft() if self._plan else self._forever


class _Handler(BaseHTTPRequestHandler):
    server: FaultyRelay
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(f"{self.command} {urlsplit(self.path).query}".strip())
        self._treat(self.server.next_fault(), body)

    def _treat(self, fault: Fault, body: bytes) -> None:
        if fault == "silent":
            self.server.released.wait()
        if fault in {"silent", "reset"}:
            self._break_off()
        elif fault == "unavailable":
            self._answer(503, {"Content-Length": str(len(BUSY))}, BUSY)
        else:
            sent = bytes([body[0] ^ 1]) + body[1:] if fault == "flipped" and body else body
            status, headers, content = self._ask(sent)
            pause_s = SLOW_PAUSE_S if fault == "slow" else 0.0
            self._answer(
                status, headers, content[: len(content) // 2] if fault == "cut" else content, pause_s
            )
            if fault == "cut":
                self._break_off()

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.behind, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name != "Transfer-Encoding"}
        connection.close()
        return answer.status, {"Content-Length": str(len(content))} | headers, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, pause_s: float = 0.0) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        # Whoever asked may have lost patience meanwhile.
        with suppress(ConnectionError):
            pieces = [content] if self.command != "HEAD" else []
            if pause_s:
                length = len(content) // SLOW_PIECES + 1
                pieces = [content[start : start + length] for start in range(0, len(content), length)]
            for piece in pieces:
                time.sleep(pause_s)
                self.wfile.write(piece)
                self.wfile.flush()

    def _break_off(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        self.connection.close()
        self.close_connection = True


@contextmanager
def faulty_relay(endpoint: str) -> Iterator[FaultyRelay]:
    """Run a relay in threads of its own."""
    relay = FaultyRelay(endpoint)
    thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.05}, name="relay")
    thread.start()
    try:
        yield relay
    finally:
        relay.released.set()
        relay.shutdown()
        thread.join()
        relay.server_close()
