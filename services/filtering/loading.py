"""From a filter's version to the filter itself, for the API and the workers alike. Free of torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from models.filtering.files import FilterFileError, from_bytes
from models.filtering.filter import Filter
from services.artifacts.service import ArtifactDamagedError, ArtifactService
from services.artifacts.types import ArtifactVersion

FILTER_FILE: Final = "filter.safetensors"
MAX_LOADED: Final = 4


class FilterDamagedError(ArtifactDamagedError):
    """The bytes are those that were stored, but they make no filter, or not the one of the manifest."""

    code = "filter_damaged"
    title = "A stored filter is damaged"


class FilterCache:
    """Filters that stay loaded; the one unused for longest makes room for the next. Threads may share it.

    Parameters
    ----------
    size
        Filters kept.
    """

    def __init__(self, size: int = MAX_LOADED) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, Filter] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of loaded filters."""
        with self._lock:
            return len(self._loaded)

    def open(self, version: ArtifactVersion, artifacts: ArtifactService) -> Filter:
        """Return a version's filter, loaded and checked the first time.

        Two threads that ask for the same one at once may both load it: neither waits for the other.

        Raises
        ------
        NotFoundError, ObjectNotFoundError
            The version has no such file, or the object is gone from the store.
        ArtifactDamagedError
            The stored bytes changed, or they do not score the way they did when they were made.
        """
        with self._lock:
            known = self._loaded.get(version.sha256)
            if known is not None:
                self._loaded.move_to_end(version.sha256)
                return known
        loaded = _load(version, artifacts)
        with self._lock:
            self._loaded[version.sha256] = loaded
            while len(self._loaded) > self._size:
                self._loaded.popitem(last=False)
        return loaded


_SHARED: Final = FilterCache()


def open_filter(version: ArtifactVersion, artifacts: ArtifactService) -> Filter:
    """Return a version's filter from the cache of this process; raises as `FilterCache.open`."""
    return _SHARED.open(version, artifacts)


def _load(version: ArtifactVersion, artifacts: ArtifactService) -> Filter:
    try:
        found = from_bytes(artifacts.open_file(version, FILTER_FILE))
    except FilterFileError as error:
        raise FilterDamagedError(
            f"Filter {version.ref} cannot be used: {error} Fit it again, or import it from its source."
        ) from error
    if found.spec.to_json() != version.manifest["filter"]:
        raise FilterDamagedError(
            f"The manifest of filter {version.ref} is not that of its {FILTER_FILE}; fit or import it again."
        )
    return found
