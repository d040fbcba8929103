from __future__ import annotations

import io

import numpy as np
import pytest

from services.db.engine import SessionFactory
from services.db.tables import JobItemRow
from services.jobs.errors import LeaseLostError
from services.predictions.arrays import EmbeddingsDamagedError
from services.predictions.assembly import EmbeddingAssembler, discard_parts, part_key, put_part
from services.predictions.repository import PredictionRepository
from services.predictions.types import NewPrediction
from services.storage.base import ObjectStore
from services.storage.factory import open_store

ROWS = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory:///")


def record(sessions: SessionFactory, position: int, *crop_ids: str) -> None:
    """Record an item of the first job."""
    with sessions.begin() as session:
        new = [NewPrediction(crop_id, "normal", 0.1) for crop_id in crop_ids]
        PredictionRepository(session).add("job_1", "c/1", position, new)


def nothing() -> None:
    """The job may go on."""


class TestEmbeddingAssembler:
    def test_joins_parts_in_the_order_of_items(self, stored: SessionFactory, store: ObjectStore) -> None:
        """Items that were recorded in any order lie in theirs; an item without crops leaves no gap."""
        put_part(store, "job_1", 2, ROWS[1:])
        put_part(store, "job_1", 1, ROWS[:0])
        put_part(store, "job_1", 0, ROWS[:1])
        record(stored, 2, "crop_a", "crop_b")
        record(stored, 0, "crop_c")
        made = EmbeddingAssembler(stored, store, nothing).assemble("job_1", "c/1")

        assert made is not None
        content = np.load(io.BytesIO(store.get(made.object_key)), allow_pickle=False)
        assert ROWS.tobytes() == content.tobytes()
        with stored() as session:
            assert made == PredictionRepository(session).get_set("job_1")

    def test_is_done_once(self, stored: SessionFactory, store: ObjectStore) -> None:
        """When the set is there already, its parts are not asked for again."""
        put_part(store, "job_1", 0, ROWS[:1])
        record(stored, 0, "crop_a")
        assembler = EmbeddingAssembler(stored, store, nothing)
        made = assembler.assemble("job_1", "c/1")
        store.delete(part_key("job_1", 0))

        assert made == assembler.assemble("job_1", "c/1")

    def test_nothing_to_join(self, stored: SessionFactory, store: ObjectStore) -> None:
        """A job without predictions has no set."""
        assert EmbeddingAssembler(stored, store, nothing).assemble("job_1", "c/1") is None

    def test_part_of_another_size(self, stored: SessionFactory, store: ObjectStore) -> None:
        """A part that does not fit its predictions would shift all rows after it, and is refused."""
        put_part(store, "job_1", 0, ROWS[:1])
        record(stored, 0, "crop_a", "crop_b")
        with pytest.raises(EmbeddingsDamagedError):
            EmbeddingAssembler(stored, store, nothing).assemble("job_1", "c/1")

    def test_another_worker_goes_on_meanwhile(self, stored: SessionFactory, store: ObjectStore) -> None:
        """Who joins while the job's new holder records leaves the end to that one, and changes nothing."""
        put_part(store, "job_1", 0, ROWS[:1])
        record(stored, 0, "crop_a")
        calls = iter(range(2))

        def overtaken() -> None:
            if next(calls) == 1:
                record(stored, 1, "crop_b")

        with pytest.raises(LeaseLostError):
            EmbeddingAssembler(stored, store, overtaken).assemble("job_1", "c/1")
        with stored() as session:
            assert PredictionRepository(session).get_set("job_1") is None


class TestDiscardParts:
    @pytest.mark.parametrize("status", ["succeeded", "failed"])
    def test_keeps_what_a_retry_would_ask_for(
        self, stored: SessionFactory, store: ObjectStore, status: str
    ) -> None:
        """Parts go when every item of the job succeeded, and stay while one can be tried again."""
        put_part(store, "job_1", 0, ROWS[:1])
        record(stored, 0, "crop_a")
        with stored.begin() as session:
            session.add(JobItemRow(job_id="job_1", position=0, input_id="crop_a", status=status))
        discard_parts(stored, store, "job_1")

        assert (status == "failed") == store.exists(part_key("job_1", 0))
