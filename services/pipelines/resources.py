"""What a pipeline works with: one per worker process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from services.config import Settings
from services.db.engine import SessionFactory
from services.storage.base import ObjectStore

Loaded = TypeVar("Loaded")


class ModelCache:
    """Networks that stay loaded; the one unused for longest makes room for the next."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()

    def get_or_load(self, key: Hashable, load: Callable[[], Loaded]) -> Loaded:
        """Return what is cached under the key, loading it first if need be."""
        if key not in self._entries:
            while len(self._entries) >= self._size:
                self._entries.popitem(last=False)
            self._entries[key] = load()
        self._entries.move_to_end(key)
        return cast("Loaded", self._entries[key])

    def __len__(self) -> int:
        """Return the number of loaded networks."""
        return len(self._entries)


@dataclass(frozen=True)
class Resources:
    """Database, store, settings and loaded networks of a worker process."""

    session_factory: SessionFactory
    store: ObjectStore
    settings: Settings
    cache: ModelCache
