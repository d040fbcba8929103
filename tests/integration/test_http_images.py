"""Images, pictures of them and masks over HTTP."""

from __future__ import annotations

import io
import uuid
import zipfile

import httpx
import numpy as np
import pytest
import tifffile

from api.wiring import Wiring
from services import audit
from tests.support.http import tiff_bytes, upload
from tests.support.segmented import INSTANCES, Segmented, segment

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def sample() -> str:
    return f"S-{uuid.uuid4()}"


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client, sample: str) -> Segmented:
    return segment(wiring, client, sample)


def labels(shape: tuple[int, int] = (32, 40)) -> bytes:
    masks = np.zeros(shape, np.uint16)
    masks[2:8, 2:8] = 1
    masks[10:18, 20:30] = 2
    stream = io.BytesIO()
    tifffile.imwrite(stream, masks)
    return stream.getvalue()


class TestImage:
    def test_tells_what_is_known(self, client: httpx.Client, sample: str) -> None:
        """An image has the contract's fields, and is found by its sample and its batch."""
        batch = upload(client, sample, pixel_size_um="0.1")
        image = client.get(f"/v1/images/{batch['items'][0]['image_id']}").json()

        assert (sample, 32, 40, ["dapi"], 8, 0.1) == tuple(
            image[name] for name in ("sample", "height", "width", "channels", "bit_depth", "pixel_size_um")
        )
        assert [image] == client.get("/v1/images", params={"sample": sample}).json()["items"]
        assert [image] == client.get("/v1/images", params={"batch": batch["id"]}).json()["items"]

    def test_content_is_what_was_sent(self, client: httpx.Client, sample: str) -> None:
        """The original bytes come back, for keeping, and once only if the caller names their ETag."""
        image_id = upload(client, sample, seed=3)["items"][0]["image_id"]
        first = client.get(f"/v1/images/{image_id}/content")
        again = client.get(f"/v1/images/{image_id}/content", headers={"If-None-Match": first.headers["etag"]})

        assert tiff_bytes(3) == first.content
        assert "immutable" in first.headers["cache-control"]
        assert 'attachment; filename="metaphase.tif"' == first.headers["content-disposition"]
        assert (304, b"") == (again.status_code, again.content)

    def test_head_has_the_headers_only(self, client: httpx.Client, sample: str) -> None:
        """HEAD answers like GET, without the body."""
        image_id = upload(client, sample)["items"][0]["image_id"]
        answer = client.head(f"/v1/images/{image_id}/content")

        assert (200, b"") == (answer.status_code, answer.content)
        assert str(len(tiff_bytes())) == answer.headers["content-length"]

    def test_preview_is_a_picture(self, client: httpx.Client, sample: str) -> None:
        """The preview is a PNG."""
        image_id = upload(client, sample)["items"][0]["image_id"]
        answer = client.get(f"/v1/images/{image_id}/preview.png")

        assert "image/png" == answer.headers["content-type"]
        assert answer.content.startswith(PNG)

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/content",
            "/preview.png",
            "/masks.tif",
            "/masks.geojson",
            "/overlay.png",
            "/rois.zip",
            "/masks",
        ],
    )
    def test_unknown_image(self, client: httpx.Client, path: str) -> None:
        """Whatever is asked of an image that does not exist is a 404."""
        answer = client.get(f"/v1/images/img_none{path}")

        assert (404, "not_found") == (answer.status_code, answer.json()["code"])


class TestMasks:
    def test_newest_job_counts(self, client: httpx.Client, segmented: Segmented) -> None:
        """Without a job the newest outcome is given, with one that job's."""
        newest = client.get(f"/v1/images/{segmented.image_id}/masks.tif")
        of_job = client.get(f"/v1/images/{segmented.image_id}/masks.tif", params={"job": segmented.job_id})
        masks = tifffile.imread(io.BytesIO(newest.content))

        assert newest.content == of_job.content
        assert ("private, no-cache", True) == (
            newest.headers["cache-control"],
            "immutable" in of_job.headers["cache-control"],
        )
        assert [0, *(instance.label for instance in INSTANCES)] == np.unique(masks).tolist()

    def test_unsegmented_image(self, client: httpx.Client, sample: str) -> None:
        """An image that no job has segmented has no masks."""
        image_id = upload(client, sample)["items"][0]["image_id"]

        assert 404 == client.get(f"/v1/images/{image_id}/masks.tif").status_code
        assert 404 == client.get(f"/v1/images/{image_id}/overlay.png", params={"job": "job_x"}).status_code

    def test_polygons_name_their_crops(self, client: httpx.Client, segmented: Segmented) -> None:
        """GeoJSON has a feature per chromosome with its crop's id."""
        features = client.get(f"/v1/images/{segmented.image_id}/masks.geojson").json()["features"]

        assert set(segmented.crop_ids) == {feature["properties"]["crop_id"] for feature in features}

    def test_overlay_and_regions(self, client: httpx.Client, segmented: Segmented) -> None:
        """The overlay is a PNG, and the ImageJ archive has a region per chromosome."""
        overlay = client.get(f"/v1/images/{segmented.image_id}/overlay.png")
        regions = client.get(f"/v1/images/{segmented.image_id}/rois.zip")

        assert overlay.content.startswith(PNG)
        assert len(INSTANCES) == len(zipfile.ZipFile(io.BytesIO(regions.content)).namelist())


class TestAnnotatedMasks:
    def test_newest_are_given_back(self, client: httpx.Client, wiring: Wiring, sample: str) -> None:
        """Masks that a person drew are stored, audited and given back as they were sent."""
        image_id = upload(client, sample)["items"][0]["image_id"]
        path = f"/v1/images/{image_id}/masks"
        stored = client.put(
            path, params={"annotator": "m.koch"}, content=labels(), headers={"content-type": "image/tiff"}
        )
        with wiring.readers() as session:
            trail = [(row.actor, row.action) for row in audit.history(session, image_id)]

        assert (200, 2, "m.koch") == (
            stored.status_code,
            stored.json()["num_instances"],
            stored.json()["annotator"],
        )
        assert labels() == client.get(path).content
        assert [("local", "image.masks")] == trail

    @pytest.mark.parametrize(
        ("content", "content_type", "status"),
        [
            (b"no picture", "image/tiff", 422),
            (b"", "image/tiff", 422),
            (labels((9, 9)), "image/tiff", 422),
            (labels(), "text/plain", 415),
        ],
    )
    def test_unusable_masks(
        self, client: httpx.Client, sample: str, content: bytes, content_type: str, status: int
    ) -> None:
        """What is no label image of the image's size is refused, and nothing is stored."""
        path = f"/v1/images/{upload(client, sample)['items'][0]['image_id']}/masks"
        answer = client.put(path, content=content, headers={"content-type": content_type})

        assert status == answer.status_code
        assert 404 == client.get(path).status_code
