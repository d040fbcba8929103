"""The object store as an onlooker sees it: what lies there, and whether it is what its key says."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import obstore

from services.storage.factory import open_store
from services.storage.obstore_store import ObstoreStore

_DIGEST_IN_KEY: Final = re.compile(r"^(?:originals|masks|crops|artifacts|embeddings)/../([0-9a-f]{64})")


class Objects:
    """Lists, reads and deletes past the service's own seam, which needs none of it."""

    def __init__(self, url: str) -> None:
        store = open_store(url)
        assert isinstance(store, ObstoreStore)  # noqa: S101 - there is one implementation
        self._backend = store._backend

    def keys(self, prefix: str = "") -> set[str]:
        """Return all keys below a prefix."""
        pages = obstore.list(self._backend, prefix or None)
        return {entry["path"] for page in pages for entry in page}

    def delete(self, keys: set[str]) -> None:
        """Delete objects; missing ones are passed over."""
        for key in sorted(keys & self.keys()):
            obstore.delete(self._backend, key)

    def delete_below(self, prefix: str) -> None:
        """Delete everything below a prefix."""
        for key in sorted(self.keys(prefix)):
            obstore.delete(self._backend, key)

    def read(self, key: str) -> bytes | None:
        """Return an object; None if there is none."""
        try:
            return bytes(obstore.get(self._backend, key).bytes())
        except FileNotFoundError:
            return None

    def damage(self, key: str, sha256: str | None = None) -> str | None:
        """Say what is wrong with an object: missing, or not what `sha256` or its key says; None if sound."""
        content = self.read(key)
        if content is None:
            return f"{key} is missing"
        named = _DIGEST_IN_KEY.match(key)
        wanted = sha256 or (named.group(1) if named else None)
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            return f"{key} has other bytes than its digest says"
        return None
