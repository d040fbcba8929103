"""What the embedded Postgres and Redis have in common: lock, sockets, process, readiness, end."""

from __future__ import annotations

import importlib.util
import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from services.embedded.errors import DataDirNotOursError, EngineFailedError, EngineMissingError
from services.embedded.lock import DirectoryLock
from services.embedded.process import Command, ManagedProcess
from services.embedded.sockets import socket_directory
from services.log import get_logger

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
POLL_S = 0.05

log = get_logger(__name__)


class EmbeddedEngine(ABC):
    """A server from a wheel on a unix socket, its data in a folder of its own below DATA_DIR.

    Use as a context manager, or call `start` and `stop`. Starting recovers from any earlier end,
    including ``kill -9`` of everything.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    remedy: ClassVar[str]
    folder: ClassVar[str]

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir.resolve()
        self._process: ManagedProcess | None = None
        self._lock: DirectoryLock | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where clients connect; empty while stopped."""
        return self._url

    def running_url(self) -> str:
        """Where a server that another process has started from this data directory listens; empty if none."""
        url = self._known_url() if self._socket().exists() else ""
        with suppress(OSError):
            self.sockets.rmdir()
        return url

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def data(self) -> Path:
        """The engine's own folder."""
        return self._root / self.folder

    @property
    def sockets(self) -> Path:
        """The private folder of its socket."""
        return socket_directory(self._root)

    @property
    def log_file(self) -> Path:
        """What the server writes."""
        return self._root / "logs" / f"{self.folder}.log"

    def start(self) -> str:
        """Start the server, wait until it answers, and return its URL.

        Raises
        ------
        EngineMissingError
            There is no wheel of it for this platform.
        DataDirInUseError
            Another process serves this directory.
        EngineFailedError
            The server ended or did not answer in time; the message has the end of its log.
        """
        if self._process is not None:
            return self._url
        self._binaries()
        self._prepare_root()
        lock = DirectoryLock(self._root / f"{self.folder}.lock", self.name)
        descriptor = lock.acquire()
        self._lock = lock
        try:
            self._prepare()
            self._process = ManagedProcess(self._command(descriptor))
            self._wait_until_ready(self._process)
            self._url = self._connect_url()
        except BaseException:
            self.stop()
            raise
        log.info("engine started", engine=self.name, pid=self._process.pid, data=str(self.data))
        return self._url

    def stop(self) -> None:
        """Stop the server, politely first; harmless when it is not running."""
        if self._process is not None:
            self._process.stop(STOP_WITHIN_S)
            self._process = None
            log.info("engine stopped", engine=self.name)
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._url = ""
        # The folder is shared by the engines of one data directory: the last one to stop removes it.
        with suppress(OSError):
            self.sockets.rmdir()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _binaries(self) -> Path:
        """Return the folder of the executables, or raise `EngineMissingError`."""

    @abstractmethod
    def _prepare(self) -> None:
        """Bring the data folder into a state from which the server starts."""

    @abstractmethod
    def _command(self, lock_descriptor: int) -> Command:
        """Return how the server is run."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server takes requests now."""

    @abstractmethod
    def _connect_url(self) -> str:
        """Return the URL, called once the server answers."""

    @abstractmethod
    def _socket(self) -> Path:
        """Return where the server's socket lies while it runs."""

    @abstractmethod
    def _known_url(self) -> str:
        """Return the URL without asking the server."""

    def _prepare_root(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise DataDirNotOursError(self._root)

    def _wait_until_ready(self, process: ManagedProcess) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            status = process.poll()
            if status is not None:
                raise EngineFailedError(self.name, f"it ended with status {status}", self.log_file)
            if time.monotonic() > deadline:
                raise EngineFailedError(self.name, f"no answer within {READY_WITHIN_S:.0f} s", self.log_file)
            time.sleep(POLL_S)

    def _inside_wheel(self, module: str, *parts: str) -> Path:
        """Find a folder inside an installed package without importing the package."""
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations:
            folder = Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)
            if folder.is_dir():
                return folder
        raise EngineMissingError(self.name, self.package, self.remedy)
