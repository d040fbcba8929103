from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.filtering.files import to_bytes
from models.filtering.filter import Filter
from services.artifacts.service import ArtifactDamagedError, ArtifactService
from services.artifacts.types import ArtifactVersion
from services.db.engine import SessionFactory
from services.errors import NotFoundError, problem_of
from services.filtering.loading import FILTER_FILE, FilterCache, FilterDamagedError, open_filter
from services.storage.base import ObjectStore
from services.storage.factory import open_store
from tests.support.filters import NUM_ROWS, manifest_of, small_filter


@pytest.fixture(scope="module")
def found() -> Filter:
    """A filter of embeddings that nobody made."""
    rows = np.random.default_rng(0).normal(size=(NUM_ROWS, 512)).astype(np.float32)
    return small_filter(rows, classifier="c/1", classifier_sha256="0" * 64)


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory:///")


Add = Callable[..., tuple[ArtifactVersion, ArtifactService]]


@pytest.fixture
def add(sessions: SessionFactory, store: ObjectStore, found: Filter) -> Add:
    """Adds a version of the filter; its manifest and its bytes can be others."""

    def _add(content: bytes | None = None, filename: str = FILTER_FILE, **manifest: Any) -> Any:
        content = to_bytes(found) if content is None else content
        with sessions.begin() as session:
            artifacts = ArtifactService(session, store)
            told = manifest_of(found, content, "f") | manifest
            return artifacts.add("filter", "f", told, {filename: content}), artifacts

    return _add


class TestOpen:
    def test_scores_as_the_one_that_was_stored(self, add: Add, found: Filter) -> None:
        """What comes back decides the same, bit for bit."""
        rows = np.random.default_rng(1).normal(size=(7, 512)).astype(np.float32)
        expected, scores = found.score(rows), open_filter(*add()).score(rows)

        assert expected.coordinates.tobytes() == scores.coordinates.tobytes()
        assert expected.needed_level.tobytes() == scores.needed_level.tobytes()

    def test_bytes_that_changed_in_the_store(self, add: Add, store: ObjectStore) -> None:
        """One bit is enough, and the message says to restore it."""
        version, artifacts = add()
        key = version.files[FILTER_FILE].key
        content = bytearray(store.get(key))
        content[-1] ^= 1
        store.put(key, bytes(content))
        with pytest.raises(ArtifactDamagedError, match="restore it from a backup"):
            FilterCache().open(version, artifacts)

    def test_bytes_that_are_no_filter(self, add: Add) -> None:
        """What was stored like that is damaged too: the problem names the version and what to do."""
        with pytest.raises(FilterDamagedError, match=r"Filter f/1 cannot be used: .*Fit it again") as caught:
            FilterCache().open(*add(b"no filter"))

        assert "filter_damaged" == problem_of(caught.value)["code"]

    def test_manifest_of_another_filter(self, add: Add, found: Filter) -> None:
        """A level that is told and not applied would mislead everybody."""
        other = replace(found.spec, level=0.9).to_json()
        with pytest.raises(FilterDamagedError, match="manifest of filter f/1"):
            FilterCache().open(*add(filter=other))

    def test_version_without_the_file(self, add: Add) -> None:
        """It is named."""
        with pytest.raises(NotFoundError, match=FILTER_FILE):
            FilterCache().open(*add(filename="weights.safetensors"))


class TestCache:
    def test_loads_once(self, add: Add, store: ObjectStore) -> None:
        """While it is loaded, nothing is read again."""
        cache, (version, artifacts) = FilterCache(), add()
        first = cache.open(version, artifacts)
        store.delete(version.files[FILTER_FILE].key)

        assert first is cache.open(version, artifacts)

    def test_least_used_makes_room(self, add: Add) -> None:
        """Memory holds so many filters and no more."""
        cache, versions = FilterCache(size=2), [add(description=str(number)) for number in range(3)]
        loaded = [cache.open(*version) for version in versions[:2]]
        cache.open(*versions[0])
        cache.open(*versions[2])

        assert 2 == len(cache)
        assert loaded[0] is cache.open(*versions[0])
        assert loaded[1] is not cache.open(*versions[1])

    def test_a_failure_is_not_kept(self, add: Add, store: ObjectStore) -> None:
        """When the bytes are back, the filter is."""
        cache, (version, artifacts) = FilterCache(), add()
        key = version.files[FILTER_FILE].key
        content = store.get(key)
        store.put(key, b"x")
        with pytest.raises(ArtifactDamagedError):
            cache.open(version, artifacts)
        store.put(key, content)

        assert version.manifest["filter"] == cache.open(version, artifacts).spec.to_json()

    def test_threads_share_it(self, add: Add) -> None:
        """Many at once all get a filter, and one stays loaded."""
        cache, (version, artifacts) = FilterCache(), add()
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: cache.open(version, artifacts), range(32)))

        assert 1 == len(cache)
        assert {version.manifest["filter"]["level"]} == {one.spec.level for one in opened}
