"""What a pipeline works with: one per worker process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from prometheus_client import Counter, Histogram

from services import tracing
from services.config import Settings
from services.db.engine import SessionFactory
from services.storage.base import ObjectStore

Loaded = TypeVar("Loaded")


LOOKUPS: Final = Counter(
    "karyobridge_worker_network_lookups", "Networks asked for: found loaded (hit) or not (miss).", ["result"]
)
LOAD_SECONDS: Final = Histogram(
    "karyobridge_worker_network_load_seconds",
    "Seconds to load a network.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class ModelCache:
    """Networks that stay loaded; the one unused for longest makes room for the next."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()

    def get_or_load(self, key: Hashable, load: Callable[[], Loaded]) -> Loaded:
        """Return what is cached under the key, loading it first if need be."""
        LOOKUPS.labels("hit" if key in self._entries else "miss").inc()
        if key not in self._entries:
            while len(self._entries) >= self._size:
                self._entries.popitem(last=False)
            with tracing.span("load network"), LOAD_SECONDS.time():
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
