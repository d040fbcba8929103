"""Segmentation along the masks that a person drew, from the job to the crops."""

from __future__ import annotations

import io
import uuid

import httpx
import numpy as np
import pytest
import tifffile

from api.wiring import Wiring
from services.artifacts.shipped import register_shipped
from services.crops.pixels import CropReader
from services.crops.repository import CropRepository
from services.crops.types import CropFilter
from services.jobs.params import SegmentationRequest
from services.jobs.types import Job
from services.pagination import PageRequest
from services.segmentations.repository import SegmentationRepository
from tests.support.drawn import drawn_masks, masks_file, put_masks
from tests.support.http import upload
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def _shipped(wiring: Wiring) -> None:
    register_shipped(wiring.sessions, wiring.store)


@pytest.fixture
def sample() -> str:
    return f"S-{uuid.uuid4()}"


def image_of(client: httpx.Client, sample: str, seed: int = 0) -> str:
    """Upload one image and return its id."""
    image_id: str = upload(client, sample, seed=seed)["items"][0]["image_id"]
    return image_id


def segment(wiring: Wiring, *image_ids: str) -> Job:
    """Cut crops along the drawn masks, in this process."""
    request = SegmentationRequest(kind="segmentation", image_ids=image_ids, masks="annotated")
    return run_here(wiring, wiring.submissions.submit(request).id)


class TestAnnotatedMasks:
    def test_crops_are_what_was_drawn(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """Each drawn chromosome is a crop with its own number, less what it shares with another one."""
        image_id = image_of(client, sample)
        put_masks(wiring, image_id)
        job = segment(wiring, image_id)
        masks, overlaps = drawn_masks()
        with wiring.readers() as session:
            crops = CropRepository(session).list_page(CropFilter(job_id=job.id), PageRequest(10)).items
        reader = CropReader(wiring.store)

        assert "succeeded" == job.status, job.error
        assert [9, 40, 700] == [crop.label for crop in crops]
        for crop in crops:
            own = int(np.sum((masks == crop.label) & (overlaps == 0)))
            assert own == crop.area_px == reader.read(crop).mask.sum()

    def test_no_network_is_named(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """The outcome says that a person outlined the chromosomes; the job keeps what it resolved."""
        image_id = image_of(client, sample)
        put_masks(wiring, image_id)
        job = segment(wiring, image_id)
        with wiring.readers() as session:
            outcome = SegmentationRepository(session).get(image_id)

        assert ("annotated", None) == (job.result["segmenter"], job.result["weights_sha256"])
        assert "annotated" == outcome.segmenter
        assert {"segmenter": "chromosome/1"} == job.artifacts

    def test_pictures_and_files_show_them(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """Overlay, label image and polygons come from the drawn masks."""
        image_id = image_of(client, sample)
        put_masks(wiring, image_id)
        segment(wiring, image_id)
        shown = tifffile.imread(io.BytesIO(client.get(f"/v1/images/{image_id}/masks.tif").content))
        features = client.get(f"/v1/images/{image_id}/masks.geojson").json()["features"]

        assert [0, 9, 40, 700] == np.unique(shown).tolist()
        assert 3 == len({feature["properties"]["crop_id"] for feature in features})
        assert 200 == client.get(f"/v1/images/{image_id}/overlay.png").status_code

    def test_the_newest_masks_count(self, wiring: Wiring, client: httpx.Client, sample: str) -> None:
        """A corrected drawing is what the next job cuts along."""
        image_id = image_of(client, sample)
        put_masks(wiring, image_id)
        corrected = drawn_masks()[0].copy()
        corrected[corrected == 700] = 0
        wiring.annotations.put_masks(image_id, masks_file(corrected), "m.koch")

        assert 2 == segment(wiring, image_id).result["chromosomes"]

    def test_an_image_without_masks_fails_its_item(
        self, wiring: Wiring, client: httpx.Client, sample: str
    ) -> None:
        """The image is named with what to do; the others are cut."""
        drawn, bare = image_of(client, sample), image_of(client, sample, seed=1)
        put_masks(wiring, drawn)
        job = segment(wiring, drawn, bare)
        items = wiring.jobs.items(job.id).items

        assert "partial" == job.status
        assert ["succeeded", "failed"] == [item.status for item in items]
        assert items[1].error is not None
        assert "annotated_masks_missing" == items[1].error["code"]
        assert f"PUT /v1/images/{bare}/masks" in items[1].error["detail"]
