"""Verdicts on many crops over HTTP."""

from __future__ import annotations

import uuid

import httpx
import pytest
from sqlalchemy import select

from api.wiring import Wiring
from services import audit
from services.auth import ApiKeyService
from services.crops.repository import CropRepository
from services.db.tables import AuditRow
from services.ids import new_id
from tests.support.http import Guarded
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration

PATH = "/v1/crops/annotations"


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    return segment(wiring, client, f"S-{uuid.uuid4()}")


@pytest.fixture
def generated(wiring: Wiring, segmented: Segmented) -> str:
    """A synthetic crop, made from a real one."""
    crop_id = new_id("crop")
    with wiring.sessions.begin() as session:
        source = CropRepository(session).get(segmented.crop_ids[0])
        assert source is not None
        row = {
            "id": crop_id,
            "origin": "generated",
            "source_crop_id": source.id,
            "job_id": segmented.job_id,
            "pack_key": source.pack_key,
            "pack_index": 0,
            "bbox": [0, 0, 8, 8],
            "area_px": 12,
            "flags": [],
        }
        CropRepository(session).add([row])
    return crop_id


def verdicts(*crop_ids: str, crop_class: str = "normal") -> dict[str, list[dict[str, str]]]:
    """One person's verdict on each crop."""
    return {"annotations": [{"crop_id": i, "class": crop_class, "annotator": "m.koch"} for i in crop_ids]}


def classes(client: httpx.Client, crop_ids: tuple[str, ...]) -> list[str | None]:
    """The newest verdicts."""
    return [client.get(f"/v1/crops/{crop_id}").json()["class"] for crop_id in crop_ids]


class TestBulk:
    def test_every_verdict_is_recorded(self, client: httpx.Client, segmented: Segmented) -> None:
        """The newest verdict of each crop counts, and earlier ones stay."""
        answers = [
            client.put(PATH, json=verdicts(*segmented.crop_ids, crop_class=one))
            for one in ("normal", "excluded")
        ]
        crop = client.get(f"/v1/crops/{segmented.crop_ids[1]}").json()

        assert [(200, {"annotated": 2})] * 2 == [(one.status_code, one.json()) for one in answers]
        assert ["excluded", "excluded"] == classes(client, segmented.crop_ids)
        assert ["normal", "excluded"] == [one["class"] for one in crop["annotations"]]

    def test_is_one_entry_in_the_audit(
        self, client: httpx.Client, wiring: Wiring, segmented: Segmented
    ) -> None:
        """One call is one entry, which lists each crop with the verdict before and after."""
        first, second = segmented.crop_ids
        client.put(f"/v1/crops/{second}/annotation", json={"class": "normal", "annotator": "a"})
        client.put(PATH, json=verdicts(first, second, crop_class="aberration"))
        with wiring.readers() as session:
            entries = [e for e in audit.history(session, first) if e.action == "crops.annotated"]

        assert [[(first, None, "aberration"), (second, "normal", "aberration")]] == [
            [(one["crop_id"], one["from"], one["to"]) for one in entry.details["verdicts"]]
            for entry in entries
        ]

    def test_unknown_crops_are_named_and_nothing_is_recorded(
        self, client: httpx.Client, wiring: Wiring, segmented: Segmented
    ) -> None:
        """All or nothing: one wrong id leaves every crop as it was."""
        answer = client.put(PATH, json=verdicts(*segmented.crop_ids, "crop_none"))
        with wiring.readers() as session:
            trail = session.scalars(select(AuditRow).where(AuditRow.subject == segmented.crop_ids[0])).all()

        assert (404, "not_found") == (answer.status_code, answer.json()["code"])
        assert "crop_none" in answer.json()["detail"]
        assert [None, None] == classes(client, segmented.crop_ids)
        assert [] == trail

    def test_synthetic_crops_are_refused(
        self, client: httpx.Client, segmented: Segmented, generated: str
    ) -> None:
        """A synthetic crop has the class it was made with; nobody's verdict is mixed with it."""
        answer = client.put(PATH, json=verdicts(segmented.crop_ids[0], generated))

        assert (409, "crop_is_synthetic") == (answer.status_code, answer.json()["code"])
        assert generated in answer.json()["detail"]
        assert [None] == classes(client, segmented.crop_ids[:1])

    def test_a_single_synthetic_crop_is_refused_too(self, client: httpx.Client, generated: str) -> None:
        """The path for one crop keeps the same rule."""
        verdict = {"class": "normal", "annotator": "m.koch"}
        answer = client.put(f"/v1/crops/{generated}/annotation", json=verdict)

        assert (409, "crop_is_synthetic") == (answer.status_code, answer.json()["code"])

    def test_a_crop_named_twice_is_refused(self, client: httpx.Client, segmented: Segmented) -> None:
        """Nobody could say which of two verdicts is the newer one."""
        first = segmented.crop_ids[0]
        answer = client.put(PATH, json=verdicts(first, first))

        assert (422, "invalid_input") == (answer.status_code, answer.json()["code"])
        assert first in answer.json()["detail"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"annotations": []},
            {"annotations": [{"crop_id": "crop_a", "class": "odd", "annotator": "m"}]},
            {"annotations": [{"crop_id": "crop_a", "class": "normal"}]},
            {"annotations": [{"crop_id": "a\0", "class": "normal", "annotator": "m"}]},
            {"annotations": [{"crop_id": "crop_a", "class": "normal", "annotator": "m", "sure": True}]},
            verdicts(*(f"crop_{number}" for number in range(1001))),
        ],
    )
    def test_wrong_bodies(self, client: httpx.Client, body: dict[str, object]) -> None:
        """No verdict, an odd one, or more than a thousand are refused."""
        assert 422 == client.put(PATH, json=body).status_code

    def test_needs_the_scope_of_a_reviewer(self, wiring: Wiring, guarded: Guarded) -> None:
        """Whoever may only read cannot give verdicts."""
        with wiring.sessions.begin() as session:
            key = ApiKeyService(session).create(f"reader {uuid.uuid4()}", ["read"]).key
        with guarded.client(key) as reader:
            assert 403 == reader.put(PATH, json=verdicts("crop_a")).status_code
