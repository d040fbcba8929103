"""One server per data directory, kept by a file lock that the kernel drops with its last holder.

The lock's descriptor is inherited by the engine itself. So the lock is free exactly when neither we
nor an engine that outlived us uses the directory, however either of them ended; there is no stale
lock to clean up, and the number written into the file is only for the message.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from services.embedded.errors import DataDirInUseError

RELEASE_GRACE_S = 5.0
POLL_S = 0.05


class DirectoryLock:
    """An exclusive lock on the data of one engine."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine
        self._descriptor: int | None = None

    def acquire(self) -> int:
        """Take the lock and return its descriptor, which the engine's process should inherit.

        Processes of an engine that was killed need a moment to notice, hence the short patience.

        Raises
        ------
        DataDirInUseError
            Another process, or an engine that outlived its supervisor, holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + RELEASE_GRACE_S
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
                os.close(descriptor)
                raise DataDirInUseError(self._engine, self._path.parent, holder)
            time.sleep(POLL_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor
        return descriptor

    def release(self) -> None:
        """Give the lock up; it stays held while an inheriting process lives."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
