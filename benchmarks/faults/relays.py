"""A relay between an installation and a server, which answers 503 instead when it is told to."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

CHUNK_BYTES: Final = 256 * 1024
BUSY: Final = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message></Error>"
)

Connect = Callable[[], socket.socket]


class Relay:
    """Passes on whatever comes to a port, byte by byte.

    Parameters
    ----------
    connect
        Opens a connection to the server behind.
    host
        Address to listen on; the port is free to choose.
    """

    def __init__(self, connect: Connect, host: str = "127.0.0.1") -> None:
        self._connect = connect
        self._listener = socket.create_server((host, 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._refusing = False
        self.refused = 0
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.hang_up()

    def refuse(self) -> None:
        """From now on answer 503 to every HTTP request; what is under way breaks off."""
        self._refusing = True
        self.hang_up()

    def serve(self) -> None:
        """Pass on again."""
        self._refusing = False

    def hang_up(self) -> None:
        """End all connections."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            target = self._answer_busy if self._refusing else self._pass_on
            threading.Thread(target=target, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._connect() as server:
            pair = {client: server, server: client}
            with self._lock:
                self._open |= set(pair)
            try:
                while self._turn(pair):
                    pass
            finally:
                with self._lock:
                    self._open -= set(pair)

    @staticmethod
    def _turn(pair: dict[socket.socket, socket.socket]) -> bool:
        """Pass on what is there; False at the end of either side."""
        ready, _, _ = select.select(list(pair), [], [], 60)
        for one in ready:
            content = one.recv(CHUNK_BYTES)
            if not content:
                return False
            pair[one].sendall(content)
        return True

    def _answer_busy(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(5)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = client.recv(CHUNK_BYTES)
                if not piece:
                    return
                request += piece
            head, _, body = request.partition(b"\r\n\r\n")
            left = _content_length(head) - len(body)
            while left > 0:
                left -= len(client.recv(min(CHUNK_BYTES, left))) or left
            client.sendall(
                b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
                b"Content-Length: " + str(len(BUSY)).encode() + b"\r\n\r\n"
            )
            if not head.startswith(b"HEAD"):
                client.sendall(BUSY)
            self.refused += 1


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def to_port(port: int, host: str = "127.0.0.1") -> Connect:
    """Connect to a port of this computer."""
    return lambda: socket.create_connection((host, port), timeout=10)


def to_socket(path: str) -> Connect:
    """Connect to a Unix socket."""

    def connect() -> socket.socket:
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(path)
        return opened

    return connect
