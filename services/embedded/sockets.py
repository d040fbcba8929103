"""Where the engines' unix sockets live: a short private folder, found again from the data directory.

The kernel takes at most 107 bytes of a socket's path (103 on macOS), which a checkout a few folders
deep exceeds. The folder's name is therefore a digest of the data directory below the system's
temporary folder, so that the same data directory always has the same sockets.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from services.embedded.errors import DataDirNotOursError

MAX_SOCKET_PATH_BYTES = 103
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
DIGEST_LENGTH = 16


def socket_directory(data_dir: Path) -> Path:
    """Create, or find again, the private socket folder of a data directory.

    Parameters
    ----------
    data_dir : Path
        The service's DATA_DIR; two spellings of one directory give one folder.

    Raises
    ------
    DataDirNotOursError
        Somebody else owns a folder of that name, or could write into it.
    """
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:DIGEST_LENGTH]
    directory = _short_temporary_root() / f"karyobridge-{os.geteuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU
    if not private or status.st_uid != os.geteuid():
        raise DataDirNotOursError(directory)
    return directory


def _short_temporary_root() -> Path:
    """Return the temporary folder, or ``/tmp`` where that one's path is itself too long."""
    root = Path(tempfile.gettempdir())
    longest = root / f"karyobridge-{2**32}-{'0' * DIGEST_LENGTH}" / LONGEST_SOCKET_NAME
    if len(os.fsencode(longest)) <= MAX_SOCKET_PATH_BYTES:
        return root
    return Path("/tmp")  # noqa: S108 - only ever holds a folder that is checked to be ours and private
