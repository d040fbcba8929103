"""Embeddings from a local file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from client.errors import InvalidArgumentError, LocalFileError

SUFFIX = ".npy"


def read_embeddings(path: Path) -> Sequence[Sequence[float]]:
    """Read rows of numbers that ``numpy.save`` wrote; needs numpy, which nothing else here does.

    Raises
    ------
    InvalidArgumentError
        The file has another ending, or numpy is not installed.
    LocalFileError
        The file cannot be read, is no table of numbers, or holds Python objects, which are never loaded.
    """
    if path.suffix.lower() != SUFFIX:
        raise InvalidArgumentError(f"Embeddings are read from {SUFFIX} files, not from {path.name!r}.")
    try:
        import numpy as np  # noqa: PLC0415 - see above
    except ImportError as error:
        raise InvalidArgumentError("Reading .npy needs numpy; install it.") from error
    try:
        rows: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise LocalFileError(path, f"cannot be read as numbers: {error}") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":  # noqa: PLR2004 - a table
        raise LocalFileError(path, "holds no table of numbers, a row for each crop.")
    table: Sequence[Sequence[float]] = rows.tolist()
    return table
