"""Generation over HTTP: what is asked, what is shown of synthetic crops, reports and strips."""

from __future__ import annotations

import io
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from api.wiring import Wiring
from services.jobs.types import Job
from tests.support.classifiers import add_classifier
from tests.support.generated import SCALE, add_dataset, add_painter, crops_of, generate, pixels_of
from tests.support.imported import import_crops
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def painter(wiring: Wiring) -> str:
    return add_painter(wiring)


@pytest.fixture(scope="module")
def made(wiring: Wiring, painter: str) -> Job:
    """Two samples of each of three crops, with a report."""
    sources, aberrant = import_crops(wiring, 3, seed=31), import_crops(wiring, 3, seed=32)
    dataset = add_dataset(
        wiring,
        [(c, "normal", "train") for c in sources] + [(c, "aberration", "train") for c in aberrant],
    )
    return generate(wiring, painter, dataset=dataset, samples_per_source=2, seed=9, quality=True)


def post(client: httpx.Client, **body: Any) -> httpx.Response:
    """Submit a generation."""
    return client.post("/v1/jobs", json={"kind": "generation", **body})


class TestSubmission:
    def test_round_trip(self, client: httpx.Client, wiring: Wiring, painter: str) -> None:
        """A job is accepted, runs, and tells where its crops are."""
        (source,) = import_crops(wiring, 1, seed=33)
        body = {"crop_ids": [source], "generator": painter, "quality": False, "external_id": "X-1"}
        answer = post(client, **body)
        job_id = answer.json()["id"]
        run_here(wiring, job_id)
        job = client.get(f"/v1/jobs/{job_id}").json()

        assert (202, f"/v1/jobs/{job_id}") == (answer.status_code, answer.headers["location"])
        assert ("succeeded", 1, {"generator": painter}) == (
            job["status"],
            job["result"]["crops"],
            job["artifacts"],
        )
        assert 1 == len(client.get(job["result"]["links"]["crops"]).json()["items"])
        assert {"batches"} == {job["progress"]["unit"]}

    def test_painter_in_production_is_the_default(self, client: httpx.Client, wiring: Wiring) -> None:
        """Whoever names no generator gets the one that needs no training."""
        job = post(client, crop_ids=list(import_crops(wiring, 1, seed=34))).json()

        assert "painted/1" == job["artifacts"]["generator"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"steps": 20}, "steps"),
            ({"painting": {"colour": "red"}}, "painting"),
            ({"samples_per_source": 0}, "body.generation.samples_per_source"),
        ],
    )
    def test_refusals_name_the_field(
        self, client: httpx.Client, wiring: Wiring, painter: str, body: dict[str, Any], field: str
    ) -> None:
        """A 422 says which field is wrong, and why."""
        answer = post(client, crop_ids=list(import_crops(wiring, 1)), generator=painter, **body)

        assert 422 == answer.status_code
        assert [field] == [one["field"] for one in answer.json()["errors"]]

    def test_unknown_generator(self, client: httpx.Client, wiring: Wiring) -> None:
        """A reference that leads nowhere is a 404."""
        answer = post(client, crop_ids=list(import_crops(wiring, 1)), generator="none/1")

        assert (404, "not_found") == (answer.status_code, answer.json()["code"])


class TestCrops:
    def test_tell_how_they_were_made(
        self, client: httpx.Client, wiring: Wiring, made: Job, painter: str
    ) -> None:
        """A synthetic crop shows source, generator, seed and sample; a real one shows none of that."""
        crop = crops_of(wiring, made.id)[1]
        shown = client.get(f"/v1/crops/{crop.id}").json()

        assert {
            "source_crop_id": crop.source_crop_id,
            "generator": painter,
            "seed": 9,
            "sample_number": 1,
            "canvas_scale": SCALE,
        } == shown["synthetic"]
        assert ("generated", None, None, made.id) == (
            shown["origin"],
            shown["sample"],
            shown["image_id"],
            shown["job_id"],
        )
        assert client.get(f"/v1/crops/{crop.source_crop_id}").json()["synthetic"] is None

    def test_are_listed_by_job_origin_and_source(
        self, client: httpx.Client, wiring: Wiring, made: Job
    ) -> None:
        """Filters of the list find what was made by a job, and of a source; pages cover each once."""
        crops = crops_of(wiring, made.id)
        source = crops[0].source_crop_id
        seen, cursor = [], None
        while True:
            params = {"origin": "generated", "job": made.id, "limit": "4"} | (
                {"cursor": cursor} if cursor else {}
            )
            page = client.get("/v1/crops", params=params).json()
            seen += [crop["id"] for crop in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        of_source = client.get("/v1/crops", params={"source_crop": source}).json()["items"]

        assert [crop.id for crop in crops] == seen
        assert [crop.id for crop in crops if crop.source_crop_id == source] == [c["id"] for c in of_source]
        assert [] == client.get("/v1/crops", params={"origin": "imported", "job": made.id}).json()["items"]

    def test_are_drawn_as_they_are(self, client: httpx.Client, wiring: Wiring, made: Job) -> None:
        """The picture is the generated one, pixel by pixel, within the chromosome's box."""
        crop = crops_of(wiring, made.id)[0]
        y0, x0, y1, x1 = crop.bbox
        answer = client.get(f"/v1/crops/{crop.id}/image.png")
        picture = np.asarray(Image.open(io.BytesIO(answer.content)))
        grey = client.get(f"/v1/crops/{crop.id}/image.png", params={"channel": "green"})

        assert "immutable" in answer.headers["cache-control"]
        assert 200 == grey.status_code
        assert np.array_equal(pixels_of(wiring.store, [crop])[0][:, y0:y1, x0:x1], picture.transpose(2, 0, 1))

    def test_have_neighbours(self, client: httpx.Client, wiring: Wiring, made: Job) -> None:
        """Once they are classified, the nearest among them are found."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        body = {"kind": "classification", "job_id": made.id, "classifier": classifier}
        run_here(wiring, client.post("/v1/jobs", json=body).json()["id"])
        crop = crops_of(wiring, made.id)[0]
        found = client.get(f"/v1/crops/{crop.id}/similar", params={"origin": "generated", "k": 3}).json()

        assert {"generated"} == {one["origin"] for one in found["items"]}
        assert 3 == len(found["items"])

    def test_take_no_verdict(self, client: httpx.Client, wiring: Wiring, made: Job) -> None:
        """What was generated is no evidence of anything."""
        crop = crops_of(wiring, made.id)[0]
        body = {"class": "normal", "annotator": "m.koch"}
        answer = client.put(f"/v1/crops/{crop.id}/annotation", json=body)

        assert (409, "crop_is_synthetic") == (answer.status_code, answer.json()["code"])

    def test_are_no_ground_truth(self, client: httpx.Client, made: Job) -> None:
        """A data set of a generation job is refused, with advice."""
        answer = client.post("/v1/datasets", json={"name": "synthetic", "job_ids": [made.id]})

        assert (422, "dataset_invalid") == (answer.status_code, answer.json()["code"])
        assert "segmentation jobs instead" in answer.json()["detail"]


class TestQuality:
    def test_report_and_pictures(self, client: httpx.Client, made: Job) -> None:
        """The figures are there, and every picture that they name is a PNG."""
        report = client.get(f"/v1/jobs/{made.id}/quality").json()
        pictures = [client.get(path) for path in report["pictures"].values()]

        assert (made.id, made.inputs["dataset"]) == (report["job_id"], report["compared_with"])
        assert {"total": 6, "looked_at": 6} == report["figures"]["generated"]
        assert {(200, "image/png")} == {(one.status_code, one.headers["content-type"]) for one in pictures}

    def test_picture_is_kept_by_the_browser(self, client: httpx.Client, made: Job) -> None:
        """Who has it already is told so."""
        path = f"/v1/jobs/{made.id}/quality/max_ssim.png"
        tag = client.get(path).headers["etag"]

        assert 304 == client.get(path, headers={"If-None-Match": tag}).status_code

    @pytest.mark.parametrize("name", ["none", "..%2f..%2fx", "max_ssim.png", "reports"])
    def test_unknown_picture(self, client: httpx.Client, made: Job, name: str) -> None:
        """No name leads to anything but the report's own pictures."""
        answer = client.get(f"/v1/jobs/{made.id}/quality/{name}.png")

        assert 404 == answer.status_code

    def test_job_without_a_report(self, client: httpx.Client, wiring: Wiring) -> None:
        """Its absence has a code of its own; a job that does not exist has another."""
        other = wiring.jobs.submit("diagnostic", {}).id
        answers = [client.get(f"/v1/jobs/{job_id}/quality") for job_id in (other, "job_none")]

        assert [(404, "quality_missing"), (404, "not_found")] == [
            (one.status_code, one.json()["code"]) for one in answers
        ]


class TestSamples:
    def test_strip(self, client: httpx.Client, made: Job) -> None:
        """Six crops are a band of six columns; fewer can be asked for."""
        path = f"/v1/jobs/{made.id}/samples.png"
        whole, part = (
            Image.open(io.BytesIO(client.get(path, params=params).content)) for params in ({}, {"limit": 2})
        )

        assert whole.height == part.height
        assert 4 * 98 == whole.width - part.width

    @pytest.mark.parametrize("limit", ["0", "121", "x"])
    def test_number_out_of_range(self, client: httpx.Client, made: Job, limit: str) -> None:
        """One to a hundred and twenty are drawn."""
        assert 422 == client.get(f"/v1/jobs/{made.id}/samples.png", params={"limit": limit}).status_code

    def test_job_that_made_none(self, client: httpx.Client, wiring: Wiring) -> None:
        """There is nothing to draw."""
        other = wiring.jobs.submit("diagnostic", {}).id
        answer = client.get(f"/v1/jobs/{other}/samples.png")

        assert (404, "samples_missing") == (answer.status_code, answer.json()["code"])
