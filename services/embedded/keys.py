"""Secrets that an installation on one machine makes for itself, once, and keeps beside its data."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from services.errors import ConflictError
from services.webhooks.signing import MIN_KEY_CHARACTERS

_BYTES: Final = 32


class KeyFileDamagedError(ConflictError):
    """The file is there, but holds no key."""

    code = "key_file_damaged"
    title = "A key of this installation cannot be read"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used: {reason}. Restore it from a backup, or delete it for a new key; "
            "that makes the secrets of all webhooks void."
        )


def webhook_key(data_dir: Path) -> SecretStr:
    """Return the key in ``DATA_DIR/webhook.key``; the first call makes it, readable for its owner alone.

    Raises
    ------
    KeyFileDamagedError
        The file cannot be read, or holds too little.
    """
    path = data_dir / "webhook.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, secrets.token_hex(_BYTES))
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileDamagedError(path, getattr(error, "strerror", None) or "it is not text") from error
    if len(key) < MIN_KEY_CHARACTERS:
        raise KeyFileDamagedError(path, f"it has less than {MIN_KEY_CHARACTERS} characters")
    return SecretStr(key)


def _write_once(path: Path, key: str) -> None:
    """Write a new file whole or not at all: a half-written key would be kept for ever."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{key}\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
