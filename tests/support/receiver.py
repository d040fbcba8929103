"""A receiver of webhooks on a real socket, as a LIMS has one; it answers what a test wants."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

CERTIFICATE = Path(__file__).resolve().parents[1] / "data" / "lims_test.pem"


@dataclass(frozen=True)
class Received:
    """A message as it came; `server_name` is what the sender wanted to talk to by TLS."""

    path: str
    headers: dict[str, str]
    body: bytes
    server_name: str | None


@dataclass(frozen=True)
class Reply:
    """What to answer, and how slowly: `hang_s` before the answer, `drip_s` between its body's bytes."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang_s: float = 0.0
    drip_s: float = 0.0


class Receiver:
    """Answers each message with the next of `replies`, and then always with the last."""

    def __init__(self, *replies: Reply, address: str = "127.0.0.1", port: int = 0, tls: bool = False) -> None:
        self.replies = list(replies or (Reply(),))
        self.received: list[Received] = []
        self.server_name: str | None = None
        self.sent_bytes = 0
        self.closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            context.sni_callback = lambda _, name, __: setattr(self, "server_name", name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "https" if tls else "http"
        self.port = self._server.server_port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://{self._server.server_address[0]!s}:{self.port}/hook?lab=7"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Take a message in, and answer it."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        reply = self.replies[min(len(self.received), len(self.replies) - 1)]
        self.received.append(Received(handler.path, headers, body, self.server_name))
        self.closing.wait(reply.hang_s)
        try:
            handler.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            step = 1 if reply.drip_s else 8192
            for start in range(0, len(reply.body), step):
                handler.wfile.write(reply.body[start : start + step])
                self.sent_bytes += step
                time.sleep(reply.drip_s)
        except OSError:
            handler.close_connection = True  # the sender had enough

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="receiver")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
