"""What the database itself refuses, whoever asks."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from api.wiring import Wiring
from services.db.migrate import head_revision, upgrade
from services.db.tables import Base, CropRow, JobRow, SyntheticCropRow
from services.ids import new_id

pytestmark = pytest.mark.integration


def crop(**changes: Any) -> dict[str, Any]:
    """Return a synthetic crop's row; its source and its job need not exist, since checks come first."""
    row = {
        "id": new_id("crop"),
        "origin": "generated",
        "source_crop_id": "crop_source",
        "job_id": "job_maker",
        "pack_key": "crops/00",
        "pack_index": 0,
        "bbox": [0, 0, 1, 1],
        "area_px": 1,
        "flags": [],
    }
    return row | changes


class TestMigrations:
    def test_make_exactly_the_tables_that_the_code_declares(self, wiring: Wiring) -> None:
        """No migration was forgotten."""
        with wiring.engine.connect() as connection:
            difference = compare_metadata(MigrationContext.configure(connection), Base.metadata)

        assert difference == []

    def test_upgrading_twice_changes_nothing(self, wiring: Wiring) -> None:
        """Every start may migrate."""
        upgrade(wiring.engine)
        with wiring.engine.connect() as connection:
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))

        assert revision == head_revision()


class TestSyntheticCrops:
    @pytest.mark.parametrize(
        "link", [{"sample": "S26-1"}, {"image_id": "img"}, {"source_crop_id": None}, {"job_id": None}]
    )
    def test_can_never_have_a_patient(self, wiring: Wiring, link: dict[str, Any]) -> None:
        """A generated crop with a sample or image, or without its source or job, is refused."""
        with (
            pytest.raises(IntegrityError, match="synthetic_has_no_patient"),
            wiring.engine.begin() as connection,
        ):
            connection.execute(insert(CropRow).values(crop(**link)))

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ({"sample_number": -1}, "sample_number_counts"),
            ({"canvas_scale": 0.0}, "canvas_scale_positive"),
            ({"crop_id": "crop_none"}, "fk_synthetic_crops_crop_id"),
        ],
    )
    def test_must_have_been_made_somehow(self, wiring: Wiring, value: dict[str, Any], rule: str) -> None:
        """How a crop was made is told with numbers that can be, and of a crop that exists."""
        real = crop(origin="imported", source_crop_id=None, job_id=None)
        made = {"crop_id": real["id"], "generator": "g/1", "seed": 0, "sample_number": 0, "canvas_scale": 1.0}
        with wiring.engine.begin() as connection:
            connection.execute(insert(CropRow).values(real))
        with pytest.raises(IntegrityError, match=rule), wiring.engine.begin() as connection:
            connection.execute(insert(SyntheticCropRow).values(made | value))

    def test_a_segmented_crop_must_say_where_it_comes_from(self, wiring: Wiring) -> None:
        """A real crop without image, sample and job is refused as well."""
        with pytest.raises(IntegrityError, match="segmented_has_origin"), wiring.engine.begin() as connection:
            connection.execute(insert(CropRow).values(crop(origin="segmented", source_crop_id=None)))


class TestJobRows:
    @pytest.mark.parametrize(
        ("status", "rule"),
        [
            ("running", "lease_while_running"),
            ("succeeded", "finished_when_terminal"),
            ("lost", "status_known"),
        ],
    )
    def test_a_status_must_be_true(self, wiring: Wiring, status: str, rule: str) -> None:
        """Running without a lease, ended without an end, or an unknown status cannot be stored."""
        row = {
            "id": f"job_{uuid.uuid4().hex}",
            "kind": "diagnostic",
            "status": status,
            "params": {},
            "inputs": {},
            "artifacts": {},
            "queue": "cpu",
            "max_attempts": 1,
        }
        with pytest.raises(IntegrityError, match=rule), wiring.engine.begin() as connection:
            connection.execute(insert(JobRow).values(row))
