"""The whole service on one machine: engines, migrations, API, worker and sweeper, and their end."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr

from services.bootstrap import bootstrap
from services.config import Settings
from services.embedded.children import Child, environment_of, programs
from services.embedded.engine import EmbeddedEngine
from services.embedded.errors import EngineFailedError, PortInUseError
from services.embedded.keys import webhook_key
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis
from services.errors import InvalidInputError
from services.log import get_logger

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 25.0
WATCH_EVERY_S = 0.5
POLL_S = 0.1
WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound

log = get_logger(__name__)


class Supervisor:
    """Starts on entry everything that the settings leave to us, and ends it on exit.

    Parameters
    ----------
    settings : Settings
        A URL that is set is used as it is; an empty one makes us start that engine.
    port : int, optional
        Overrides the settings' port; 0 takes a free one.
    """

    def __init__(self, settings: Settings, *, port: int | None = None) -> None:
        self._wanted = settings
        self._port = settings.port if port is None else port
        self._exits = ExitStack()
        self._engines: list[EmbeddedEngine] = []
        self.children: list[Child] = []
        self.settings = settings
        self.logs = settings.data_dir.resolve() / "logs"

    @property
    def url(self) -> str:
        """Address of the API."""
        host = WILDCARD_HOSTS.get(self.settings.host, self.settings.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"

    def start(self) -> str:
        """Start everything and return the API's URL once it is ready.

        Raises
        ------
        PortInUseError
            Before anything was started.
        KaryobridgeError
            Something did not come up; what had been started is stopped again.
        """
        port = claim_port(self._wanted.host, self._port)
        try:
            self.settings = self._with_engines(port)
            bootstrap(self.settings)
            self._start_children()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self.url

    def _with_engines(self, port: int) -> Settings:
        """Start the engines that are ours, and return the settings that lead to them."""
        data_dir = self._wanted.data_dir.resolve()
        found: dict[str, object] = {
            "data_dir": data_dir,
            "port": port,
            "object_store_url": self._wanted.store_url,
        }
        if self._wanted.embedded_database:
            found["database_url"] = SecretStr(self._add_engine(EmbeddedPostgres(data_dir)))
        if self._wanted.embedded_broker:
            found["broker_url"] = SecretStr(self._add_engine(EmbeddedRedis(data_dir)))
        if not self._wanted.webhook_key.get_secret_value():
            found["webhook_key"] = webhook_key(data_dir)
        return self._wanted.model_copy(update=found)

    def _add_engine(self, engine: EmbeddedEngine) -> str:
        self._engines.append(engine)
        self._exits.callback(engine.stop)
        return engine.start()

    def _start_children(self) -> None:
        environment = environment_of(self.settings)
        self.children = [
            Child(program, self.logs / f"{program.name}.log", environment)
            for program in programs(self.settings)
        ]
        self._exits.callback(self._stop_children)
        for child in self.children:
            child.start()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            while not _ready(client, self.url):
                for child in self.children:
                    if child.exit_status is not None:
                        reason = f"it ended with status {child.exit_status}"
                        raise EngineFailedError(child.program.name, reason, child.log_file)
                if time.monotonic() > deadline:
                    reason = f"{self.url}/readyz was not ready within {READY_WITHIN_S:.0f} s"
                    raise EngineFailedError("api", reason, self.children[0].log_file)
                time.sleep(POLL_S)

    def watch(self, until: threading.Event) -> None:
        """Start again what dies, until told to end.

        Raises
        ------
        EngineFailedError
            A part dies again and again.
        """
        while not until.wait(WATCH_EVERY_S):
            for engine in self._engines:
                if engine.pid is None:
                    log.warning("engine died", engine=engine.name)
                    engine.stop()
                    engine.start()
            for child in self.children:
                child.supervise()

    def stop(self) -> None:
        """Stop the processes, then the engines; harmless when nothing runs."""
        self._exits.close()
        self._engines = []
        self.children = []

    def _stop_children(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in self.children:
            child.stop(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def running_service(settings: Settings, port: int = 0) -> Iterator[str]:
    """Run the whole service for the length of a ``with`` block, which gets its URL.

    Parameters
    ----------
    settings : Settings
        As for `Supervisor`.
    port : int
        0 takes a free one.
    """
    end = threading.Event()
    with Supervisor(settings, port=port) as supervisor:
        watcher = threading.Thread(target=supervisor.watch, args=(end,), name="supervisor", daemon=True)
        watcher.start()
        try:
            yield supervisor.url
        finally:
            end.set()
            watcher.join()


def claim_port(host: str, port: int) -> int:
    """Return `port` if the API will be able to listen there, or a free one for 0.

    Raises
    ------
    PortInUseError
        Something listens there already.
    InvalidInputError
        `host` is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from None
        raise InvalidInputError(f"Cannot listen on HOST={host} PORT={port}: {error.strerror}.") from None


def _ready(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
