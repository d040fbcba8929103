"""Crops and verdicts over HTTP."""

from __future__ import annotations

import uuid

import httpx
import pytest

from api.wiring import Wiring
from services import audit
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    return segment(wiring, client, f"S-{uuid.uuid4()}")


class TestCrops:
    def test_lists_whole_crops(self, client: httpx.Client, segmented: Segmented) -> None:
        """Items of the list are the crops as they are read one by one."""
        listed = client.get("/v1/crops", params={"sample": segmented.sample}).json()["items"]

        assert sorted(segmented.crop_ids) == [crop["id"] for crop in listed]
        assert listed[0] == client.get(f"/v1/crops/{listed[0]['id']}").json()
        assert {"segmented"} == {crop["origin"] for crop in listed}

    @pytest.mark.parametrize(
        ("filters", "count"),
        [
            ({"image": "{image_id}"}, 2),
            ({"job": "{job_id}"}, 2),
            ({"sample": "{sample}", "origin": "segmented"}, 2),
            ({"sample": "{sample}", "origin": "generated"}, 0),
            ({"sample": "{sample}", "class": "normal"}, 0),
            ({"sample": "{sample}", "kept": "true"}, 0),
            ({"sample": "other"}, 0),
        ],
    )
    def test_filters(
        self, client: httpx.Client, segmented: Segmented, filters: dict[str, str], count: int
    ) -> None:
        """Each filter of the contract narrows the list."""
        params = {name: value.format(**vars(segmented)) for name, value in filters.items()}

        assert count == len(client.get("/v1/crops", params=params).json()["items"])

    @pytest.mark.parametrize(
        "query", ["kept=perhaps", "min_probability=x", "dataset=a", "class=odd", "origin=x", "sampel=x"]
    )
    def test_filter_that_cannot_apply_is_refused(self, client: httpx.Client, query: str) -> None:
        """A filter that this version does not know is not ignored."""
        assert 422 == client.get(f"/v1/crops?{query}").status_code

    def test_pages_cover_every_crop_once(self, client: httpx.Client, segmented: Segmented) -> None:
        """Following the cursors gives each crop once, and ends."""
        seen, cursor = [], None
        while True:
            params = {"sample": segmented.sample, "limit": "1"} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/crops", params=params).json()
            seen += [crop["id"] for crop in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert sorted(segmented.crop_ids) == seen

    def test_picture(self, client: httpx.Client, segmented: Segmented) -> None:
        """A crop is drawn in colour or one channel in grey, and may be kept for ever."""
        path = f"/v1/crops/{segmented.crop_ids[0]}/image.png"
        colour, grey = client.get(path), client.get(path, params={"channel": "dapi"})

        assert ("image/png", "image/png") == (colour.headers["content-type"], grey.headers["content-type"])
        assert colour.content != grey.content
        assert "immutable" in colour.headers["cache-control"]

    def test_channel_that_the_image_lacks(self, client: httpx.Client, segmented: Segmented) -> None:
        """A channel that was not recorded cannot be drawn."""
        path = f"/v1/crops/{segmented.crop_ids[0]}/image.png"

        assert [422, 422] == [
            client.get(path, params={"channel": channel}).status_code for channel in ("red", "uv")
        ]


class TestAnnotation:
    def test_history_is_kept(self, client: httpx.Client, wiring: Wiring, segmented: Segmented) -> None:
        """The newest verdict counts, earlier ones stay, and each is audited."""
        crop_id = segmented.crop_ids[0]
        for verdict in ("normal", "aberration"):
            crop = client.put(
                f"/v1/crops/{crop_id}/annotation", json={"class": verdict, "annotator": "m.koch"}
            ).json()
        with wiring.readers() as session:
            trail = [row.details for row in audit.history(session, crop_id)]

        assert "aberration" == crop["class"]
        assert ["normal", "aberration"] == [one["class"] for one in crop["annotations"]]
        assert [(None, "normal"), ("normal", "aberration")] == [(one["from"], one["to"]) for one in trail]

    @pytest.mark.parametrize(
        "body",
        [
            {"class": "odd", "annotator": "m"},
            {"class": "normal"},
            {"class": "normal", "annotator": ""},
            {"class": "normal", "annotator": "a\0"},
            {"class": "normal", "annotator": "m", "extra": 1},
            {"crop_class": "normal", "annotator": "m"},
        ],
    )
    def test_wrong_verdict(self, client: httpx.Client, segmented: Segmented, body: dict[str, str]) -> None:
        """A verdict that is not one of the classes, or nobody's, is refused."""
        answer = client.put(f"/v1/crops/{segmented.crop_ids[0]}/annotation", json=body)

        assert 422 == answer.status_code

    def test_unknown_crop(self, client: httpx.Client) -> None:
        """There is nothing to say of a crop that does not exist."""
        verdict = {"class": "normal", "annotator": "m"}

        assert 404 == client.put("/v1/crops/crop_none/annotation", json=verdict).status_code
