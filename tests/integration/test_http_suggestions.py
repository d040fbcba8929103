"""Crops that a person may want to exclude, over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from scipy import ndimage
from sqlalchemy import func, select, update

from api.wiring import Wiring
from models.segmentation.crops import cut_crops
from models.segmentation.postprocess import measure
from services.crops import suggestions
from services.crops.repository import CropRepository
from services.db.tables import CropRow, JobRow
from services.ids import new_id
from services.segmentations.repository import NewSegmentation, SegmentationRepository
from services.storage.keys import content_key, sha256_hex
from tests.support.http import upload
from tests.support.imported import freeze, import_crops

pytestmark = pytest.mark.integration

PATH = "/v1/crops/suggestions"
CELL_PX = 60
COLUMNS, ROWS = 5, 4
SMALL, BLURRED, SATURATED, CROSSED = 3, 8, 11, 16


@pytest.fixture
def sample() -> str:
    return f"S-{uuid.uuid4()}"


def metaphase() -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.int32]]]:
    """Twenty chromosomes of which four are spoilt, each in its own way."""
    masks = np.zeros((ROWS * CELL_PX, COLUMNS * CELL_PX), np.int32)
    for index in range(ROWS * COLUMNS):
        row, column = divmod(index, COLUMNS)
        y, x = row * CELL_PX + 30, column * CELL_PX + 30
        half = 2 if index + 1 == SMALL else 17 + index % 3
        cv2.line(masks, (x - half, y), (x + half, y), index + 1, 2 if index + 1 == SMALL else 10)
        if index + 1 == CROSSED:
            cv2.line(masks, (x, y - 20), (x, y + 20), index + 1, 10)
    rng = np.random.default_rng(0)
    bands = 110 + 40 * np.sin(np.arange(masks.shape[1]) / 2.5)
    picture = ndimage.gaussian_filter(np.where(masks > 0, bands, 20.0), 0.8)
    blurred = ndimage.gaussian_filter(picture, 6.0)
    row, column = divmod(BLURRED - 1, COLUMNS)
    window = np.s_[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]
    picture[window] = blurred[window]
    dapi = np.clip(picture + rng.normal(0, 2, masks.shape), 0, 250).astype(np.uint8)
    dapi[masks == SATURATED] = np.where(rng.random(int((masks == SATURATED).sum())) < 0.4, 255, 120)
    return dapi, masks


def record(wiring: Wiring, client: httpx.Client, sample: str, seed: int = 0) -> tuple[str, dict[int, str]]:
    """Record an image's outcome as a worker would; returns its job, and the crops' ids by label."""
    image_id = upload(client, sample, seed=seed)["items"][0]["image_id"]
    job_id = wiring.jobs.submit("diagnostic", {}, sample=sample).id
    dapi, masks = metaphase()
    instances = measure(masks, dapi)
    pack = cut_crops(dapi[np.newaxis], masks, instances).to_npz()
    key = content_key("crops", sha256_hex(pack), ".npz")
    wiring.store.put(key, pack)
    ids = {
        one.label: crop_id
        for one, crop_id in zip(instances, sorted(new_id("crop") for _ in instances), strict=True)
    }
    outcome = NewSegmentation(job_id, image_id, "annotated", key, key, len(ids), 0, {}, {}, {}, 0.1)
    rows = [
        {
            "id": ids[one.label],
            "origin": "segmented",
            "image_id": image_id,
            "sample": sample,
            "job_id": job_id,
            "pack_key": key,
            "pack_index": index,
            "label": one.label,
            "bbox": list(one.bbox),
            "area_px": one.area_px,
            "flags": [],
        }
        for index, one in enumerate(instances)
    ]
    with wiring.sessions.begin() as session:
        SegmentationRepository(session).add(outcome)
        CropRepository(session).add(rows)
        done = {"status": "succeeded", "finished_at": func.now()}
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**done))
    return job_id, ids


def reasons(client: httpx.Client, **params: str | int) -> dict[str, list[str]]:
    """Codes of one page by crop."""
    answer = client.get(PATH, params=params)
    assert 200 == answer.status_code, answer.text
    return {one["crop_id"]: [r["code"] for r in one["reasons"]] for one in answer.json()["items"]}


class TestSuggestions:
    def test_spoilt_crops_are_named_with_the_reason(
        self, wiring: Wiring, client: httpx.Client, sample: str
    ) -> None:
        """Each spoilt crop is named with what is wrong with it, and no other crop is."""
        job_id, ids = record(wiring, client, sample)

        assert {
            ids[SMALL]: ["area_small"],
            ids[BLURRED]: ["out_of_focus"],
            ids[SATURATED]: ["saturated"],
            ids[CROSSED]: ["area_large", "several_chromosomes"],
        } == reasons(client, job=job_id)

    def test_values_and_limits_are_told(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """Whoever sets other limits has the numbers."""
        _, ids = record(wiring, client, sample)
        items = client.get(PATH, params={"sample": sample}).json()["items"]
        (reason,) = next(one["reasons"] for one in items if one["crop_id"] == ids[SATURATED])

        assert ("saturated", 0.2) == (reason["code"], reason["limit"])
        assert 0.4 == pytest.approx(reason["value"], abs=0.1)

    def test_nothing_is_changed(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """A suggestion is no verdict."""
        job_id, _ = record(wiring, client, sample)
        reasons(client, job=job_id)
        with wiring.readers() as session:
            classes = set(session.scalars(select(CropRow.crop_class).where(CropRow.job_id == job_id)))

        assert {None} == classes

    def test_an_excluded_crop_is_not_suggested_again(
        self, wiring: Wiring, client: httpx.Client, sample: str
    ) -> None:
        """What a person excluded is done with."""
        job_id, ids = record(wiring, client, sample)
        verdict = {"class": "excluded", "annotator": "m.koch"}
        client.put(f"/v1/crops/{ids[SMALL]}/annotation", json=verdict)

        assert ids[SMALL] not in reasons(client, job=job_id)

    def test_the_newest_outcome_of_an_image_counts(
        self, wiring: Wiring, client: httpx.Client, sample: str
    ) -> None:
        """Of a sample that was segmented twice each chromosome is looked at once."""
        _, older = record(wiring, client, sample)
        _, newer = record(wiring, client, sample)
        found = reasons(client, sample=sample)

        assert {newer[n] for n in (SMALL, BLURRED, SATURATED, CROSSED)} == set(found)
        assert not set(older.values()) & set(found)

    def test_pages_hold_the_same_as_one(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """Following the cursors gives each suggestion once, with the same reasons."""
        job_id, _ = record(wiring, client, sample)
        found: list[dict[str, Any]] = []
        params: dict[str, str | int] = {"job": job_id, "limit": 1}
        while True:
            page = client.get(PATH, params=params).json()
            found += page["items"]
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]

        assert client.get(PATH, params={"job": job_id}).json()["items"] == found

    def test_a_request_reads_a_bounded_number_of_packs(
        self, wiring: Wiring, client: httpx.Client, sample: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page ends when enough was looked at, and the next one goes on where it ended."""
        for seed in range(3):
            record(wiring, client, sample, seed)
        whole = reasons(client, sample=sample)
        monkeypatch.setattr(suggestions, "CROPS_PER_REQUEST", 25)
        first = client.get(PATH, params={"sample": sample}).json()
        found = {one["crop_id"] for one in first["items"]}
        cursor = first["next_cursor"]
        while cursor is not None:
            page = client.get(PATH, params={"sample": sample, "cursor": cursor}).json()
            found |= {one["crop_id"] for one in page["items"]}
            cursor = page["next_cursor"]

        assert 12 == len(whole)
        assert first["next_cursor"] is not None
        assert set(whole) == found

    def test_imported_crops_of_a_data_set(self, wiring: Wiring, client: httpx.Client) -> None:
        """A data set's crops are looked at as well; white pixels of pictures are no fault."""
        name = f"set-{uuid.uuid4().hex[:8]}"
        ref = freeze(wiring, name, import_crops(wiring, 12))
        found = reasons(client, dataset=ref)

        assert not any("saturated" in codes for codes in found.values())

    def test_unknown_data_set(self, client: httpx.Client) -> None:
        """A data set that does not exist is named."""
        assert 404 == client.get(PATH, params={"dataset": "none/1"}).status_code

    def test_nothing_there(self, client: httpx.Client) -> None:
        """A job without crops has nothing to look at."""
        assert {"items": [], "next_cursor": None} == client.get(PATH, params={"job": "job_none"}).json()

    @pytest.mark.parametrize(
        "query", ["", "job=a&image=b", "dataset=a", "dataset=a/0", "job=a&odd=1", "job=a&cursor=%21"]
    )
    def test_wrong_questions(self, client: httpx.Client, query: str) -> None:
        """None or several selections, a reference that is none, and unknown parameters are refused."""
        assert 422 == client.get(f"{PATH}?{query}").status_code
