"""Local files on their way out: read in pieces, hashed, counted; never whole in memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from client.channel_rules import LocalFile
from client.errors import LocalFileError


class CountingReader(io.RawIOBase):
    """A file that opens at its first read, closes at its end, and tells how much was read.

    Thousands of files can so be listed in one request while one is open.
    """

    def __init__(self, file: LocalFile, on_read: Callable[[LocalFile], None]) -> None:
        super().__init__()
        self.file = file
        self.read_bytes = 0
        self._on_read = on_read
        self._open: io.BufferedReader | None = None
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def seekable(self) -> bool:
        """Requests measure and repeat files by seeking."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to the start or the end, which is all that a request asks for."""
        self._position = self.file.size_bytes + offset if whence == io.SEEK_END else offset
        self._shut()
        self.read_bytes = min(self.read_bytes, self._position) if whence == io.SEEK_SET else self.read_bytes
        return self._position

    def tell(self) -> int:
        """Position from the start."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes.

        Raises
        ------
        LocalFileError
            The file vanished or is not readable.
        """
        try:
            if self._open is None:
                self._open = self.file.path.open("rb")
                self._open.seek(self._position)
            content = self._open.read(size)
        except OSError as error:
            raise LocalFileError(self.file.path, error.strerror or "cannot be read") from error
        self._position += len(content)
        self.read_bytes = self._position
        if not content:
            self._shut()
        self._on_read(self.file)
        return content

    def close(self) -> None:
        """Close the file if it is open."""
        self._shut()
        super().close()

    def _shut(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def sha256_of(path: Path) -> str:
    """Hash a file without holding it in memory.

    Raises
    ------
    LocalFileError
        It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise LocalFileError(path, error.strerror or "cannot be read") from error
