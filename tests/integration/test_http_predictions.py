"""Predictions over HTTP: lists by probability, embeddings, neighbours, tables."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from api.wiring import Wiring
from services.predictions.types import EMBEDDING_DIMENSIONS
from tests.support.classifiers import add_classifier
from tests.support.http import tiff_bytes
from tests.support.imported import freeze, import_crops
from tests.support.predicted import end, new_job, predict
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    return segment(wiring, client, f"S-{uuid.uuid4()}")


def embeddings_of(number: int, seed: int = 0) -> NDArray[np.float32]:
    """Random embeddings."""
    return np.random.default_rng(seed).normal(size=(number, EMBEDDING_DIMENSIONS)).astype(np.float32)


def pages(client: httpx.Client, **params: Any) -> list[str]:
    """Follow the cursors of a list of crops, two at a time."""
    seen, cursor = [], None
    while True:
        page = client.get(
            "/v1/crops", params={"limit": 2, **params} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += [crop["id"] for crop in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return seen


def ids(client: httpx.Client, **params: Any) -> set[str]:
    """Ids of a list that fits on one page."""
    answer = client.get("/v1/crops", params={"limit": 1000, **params})

    assert answer.status_code == 200, answer.text
    return {crop["id"] for crop in answer.json()["items"]}


class TestCropView:
    def test_shows_every_prediction(
        self, client: httpx.Client, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """The newest comes last, and is also shown beside the crop's own fields."""
        crop_id = segmented.crop_ids[0]
        first = predict(wiring, classifier, {crop_id: 0.25})
        second = predict(wiring, "other/3", {crop_id: 0.75})
        crop = client.get(f"/v1/crops/{crop_id}").json()

        assert [(classifier, first, "normal"), ("other/3", second, "aberration")] == [
            (one["classifier"], one["job_id"], one["class"]) for one in crop["predictions"]
        ]
        assert {"normal": 0.25, "aberration": 0.75} == crop["predictions"][1]["probabilities"]
        assert ("aberration", 0.75, None) == (crop["predicted_class"], crop["probability"], crop["class"])
        listed = client.get("/v1/crops", params={"job": segmented.job_id}).json()["items"]
        assert crop == next(one for one in listed if one["id"] == crop_id)


class TestFilters:
    @pytest.fixture
    def dataset(self, wiring: Wiring, classifier: str) -> tuple[str, tuple[str, ...]]:
        """Four crops: 0.1, 0.6 and 0.9 by one classifier, none for the last."""
        crop_ids = import_crops(wiring, 4, seed=20)
        predict(wiring, classifier, dict(zip(crop_ids, (0.1, 0.6, 0.9), strict=False)))
        return freeze(wiring, f"d-{uuid.uuid4().hex[:8]}", crop_ids), crop_ids

    @pytest.mark.parametrize(
        ("params", "indices"),
        [
            ({}, {0, 1, 2, 3}),
            ({"predicted_class": "aberration"}, {1, 2}),
            ({"class": "normal"}, {0}),
            ({"min_probability": 0.6}, {1, 2}),
            ({"max_probability": 0.6}, {0, 1}),
            ({"min_probability": 0.2, "max_probability": 0.8}, {1}),
            ({"annotated": False}, {0, 1, 2, 3}),
            ({"annotated": True}, set()),
            ({"origin": "segmented"}, set()),
        ],
    )
    def test_narrows(
        self,
        client: httpx.Client,
        dataset: tuple[str, tuple[str, ...]],
        params: dict[str, Any],
        indices: set[int],
    ) -> None:
        """Each filter keeps what it says of a data set's crops."""
        ref, crop_ids = dataset

        assert {crop_ids[index] for index in indices} == ids(client, dataset=ref, **params)

    def test_verdict_of_a_person_wins(
        self, client: httpx.Client, dataset: tuple[str, tuple[str, ...]]
    ) -> None:
        """`class` asks the person first, `predicted_class` never."""
        ref, crop_ids = dataset
        for index, verdict in ((0, "aberration"), (2, "excluded")):
            body = {"class": verdict, "annotator": "m.koch"}
            client.put(f"/v1/crops/{crop_ids[index]}/annotation", json=body).raise_for_status()

        assert {crop_ids[0], crop_ids[1]} == ids(client, dataset=ref, **{"class": "aberration"})
        assert {crop_ids[2]} == ids(client, dataset=ref, **{"class": "excluded"})
        assert {crop_ids[1], crop_ids[2]} == ids(client, dataset=ref, predicted_class="aberration")
        assert {crop_ids[0], crop_ids[2]} == ids(client, dataset=ref, annotated=True)

    def test_classifier_tells_its_own_newest(
        self, client: httpx.Client, wiring: Wiring, dataset: tuple[str, tuple[str, ...]], classifier: str
    ) -> None:
        """With a classifier named, other versions and its own older jobs do not count."""
        ref, crop_ids = dataset
        newer = add_classifier(wiring, classifier.partition("/")[0], seed=1)
        predict(wiring, classifier, {crop_ids[0]: 0.8})
        predict(wiring, newer, dict.fromkeys(crop_ids[:2], 0.05))
        own = {"dataset": ref, "classifier": classifier}

        assert set(crop_ids[:3]) == ids(client, **own, predicted_class="aberration")
        assert set() == ids(client, **own, max_probability=0.5)
        assert set(crop_ids[:2]) == ids(client, dataset=ref, max_probability=0.5)
        assert [crop_ids[2], crop_ids[0], crop_ids[1]] == pages(client, **own, sort="-probability")
        assert set(crop_ids[:3]) == ids(client, **own)

    def test_alias(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """A classifier may be named by an alias, as everywhere."""
        name, _, version = classifier.partition("/")
        path = f"/v1/artifacts/classifier/{name}/aliases/trial"
        client.put(path, json={"version": int(version)}).raise_for_status()
        (crop_id,) = import_crops(wiring, 1, seed=21)
        predict(wiring, classifier, {crop_id: 0.5})

        assert crop_id in ids(client, classifier=f"{name}/trial")

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("min_probability=2", 422),
            ("min_probability=nan", 422),
            ("min_probability=0.6&max_probability=0.5", 422),
            ("classifier=none/1", 404),
            ("classifier=none/production", 404),
            ("classifier=none/99999999999999999999", 404),
            ("classifier=No", 422),
            ("dataset=a", 422),
            ("sort=area", 422),
            ("annotated=perhaps", 422),
            ("sort=probability&cursor=Y3JvcF8x", 422),
        ],
    )
    def test_senseless_filter_is_refused(self, client: httpx.Client, query: str, status: int) -> None:
        """A value that can never match is an error, not an empty list."""
        assert status == client.get(f"/v1/crops?{query}").status_code


class TestSort:
    @pytest.mark.parametrize(("sort", "reverse"), [("-probability", True), ("probability", False)])
    def test_pages_cover_every_crop_once(
        self, client: httpx.Client, wiring: Wiring, classifier: str, sort: str, *, reverse: bool
    ) -> None:
        """Cursors hold their place among equal probabilities; crops without a prediction are left out."""
        crop_ids = import_crops(wiring, 8, seed=22)
        ref = freeze(wiring, f"d-{uuid.uuid4().hex[:8]}", crop_ids)
        said = dict(zip(crop_ids, (0.1, 0.3, 0.3, 0.3, 1 / 3, 0.1, 0.9), strict=False))
        predict(wiring, classifier, said)
        expected = sorted(said, key=lambda crop_id: (said[crop_id], crop_id), reverse=reverse)

        assert expected == pages(client, dataset=ref, sort=sort)
        assert expected == pages(client, dataset=ref, sort=sort, classifier=classifier)

    def test_cursor_of_another_order(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """A cursor is refused where it means nothing."""
        predict(wiring, classifier, dict.fromkeys(import_crops(wiring, 2, seed=23), 0.5))
        cursor = client.get("/v1/crops", params={"limit": 1, "sort": "-probability"}).json()["next_cursor"]
        answer = client.get("/v1/crops", params={"sort": "probability", "cursor": cursor})

        assert (422, "cursor") == (answer.status_code, answer.json()["errors"][0]["field"])


class TestEmbedding:
    def test_reads_the_row(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """The embedding is that of the newest job of the classifier, exactly."""
        crop_ids = import_crops(wiring, 5, seed=24)
        said = dict.fromkeys(crop_ids, 0.5)
        predict(wiring, classifier, said, embeddings_of(5, seed=1), per_item=2)
        job_id = predict(wiring, classifier, said, embeddings_of(5, seed=2), per_item=2)
        answer = client.get(f"/v1/crops/{crop_ids[3]}/embedding", params={"classifier": classifier}).json()

        assert (classifier, job_id) == (answer["classifier"], answer["job_id"])
        assert embeddings_of(5, seed=2)[3].tobytes() == np.array(answer["embedding"], np.float32).tobytes()
        assert answer == client.get(f"/v1/crops/{crop_ids[3]}/embedding").json()

    def test_unfinished_job_does_not_hide_the_last_one(
        self, client: httpx.Client, wiring: Wiring, classifier: str
    ) -> None:
        """While a newer job is not through, the earlier embedding is given."""
        crop_ids = import_crops(wiring, 1, seed=25)
        job_id = predict(wiring, classifier, {crop_ids[0]: 0.5}, embeddings_of(1))
        predict(wiring, classifier, {crop_ids[0]: 0.6})

        assert job_id == client.get(f"/v1/crops/{crop_ids[0]}/embedding").json()["job_id"]

    def test_missing(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """A crop that was not embedded says how to get there; one that does not exist says so."""
        (crop_id,) = import_crops(wiring, 1, seed=26)
        predict(wiring, classifier, {crop_id: 0.5})
        answer = client.get(f"/v1/crops/{crop_id}/embedding")
        absent = client.get("/v1/crops/crop_none/similar")
        unknown = client.get(f"/v1/crops/{crop_id}/embedding", params={"classifier": "none/1"})

        assert (404, "embedding_missing") == (answer.status_code, answer.json()["code"])
        assert "submit a classification job" in answer.json()["detail"]
        assert (404, "not_found") == (absent.status_code, absent.json()["code"])
        assert (404, "not_found") == (unknown.status_code, unknown.json()["code"])


class TestSimilar:
    def test_agrees_with_brute_force(self, client: httpx.Client, wiring: Wiring) -> None:
        """Over two jobs of one version, every crop counts once with its newest embedding."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        crop_ids = import_crops(wiring, 40, seed=27)
        old, new = embeddings_of(40, seed=3), embeddings_of(15, seed=4)
        predict(wiring, classifier, dict.fromkeys(crop_ids, 0.2), old, per_item=7)
        predict(wiring, classifier, dict.fromkeys(crop_ids[10:25], 0.8), new, per_item=4)
        predict(wiring, "other/1", dict.fromkeys(crop_ids, 0.9), embeddings_of(40, seed=5))
        newest = old.astype(np.float64)
        newest[10:25] = new
        for index in (0, 12):
            distances = np.sqrt(((newest - newest[index]) ** 2).sum(axis=1))
            order = [i for i in np.argsort(distances, kind="stable") if i != index][:10]
            params = {"classifier": classifier}
            found = client.get(f"/v1/crops/{crop_ids[index]}/similar", params=params).json()["items"]

            assert [crop_ids[i] for i in order] == [one["crop_id"] for one in found]
            assert distances[order] == pytest.approx([one["distance"] for one in found], rel=1e-12)
            assert [0.8 if 10 <= i < 25 else 0.2 for i in order] == [one["probability"] for one in found]

    def test_equal_distances_go_by_id(self, client: httpx.Client, wiring: Wiring) -> None:
        """Ties have one order, also where `k` cuts them."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        crop_ids = import_crops(wiring, 6, seed=28)
        same = np.ones((6, EMBEDDING_DIMENSIONS), np.float32)
        predict(wiring, classifier, dict.fromkeys(crop_ids, 0.2), same)
        found = client.get(f"/v1/crops/{crop_ids[2]}/similar", params={"k": 3}).json()["items"]

        assert [crop_ids[0], crop_ids[1], crop_ids[3]] == [one["crop_id"] for one in found]

    def test_filters(self, client: httpx.Client, wiring: Wiring, segmented: Segmented) -> None:
        """Neighbours may be asked of one sample, job or origin; the crop itself may be from elsewhere."""
        classifier = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}")
        (outside,) = import_crops(wiring, 1, seed=29)
        said = dict.fromkeys((outside, *segmented.crop_ids), 0.5)
        predict(wiring, classifier, said, embeddings_of(3))
        path = f"/v1/crops/{outside}/similar"
        for params in (
            {"sample": segmented.sample},
            {"job": segmented.job_id},
            {"origin": "segmented"},
        ):
            found = client.get(path, params=params).json()["items"]

            assert set(segmented.crop_ids) == {one["crop_id"] for one in found}
            assert {segmented.sample} == {one["sample"] for one in found}
        assert [] == client.get(path, params={"origin": "generated"}).json()["items"]

    @pytest.mark.parametrize("k", ["0", "101", "x"])
    def test_number_out_of_range(self, client: httpx.Client, k: str) -> None:
        """One to a hundred neighbours are given."""
        assert 422 == client.get("/v1/crops/crop_none/similar", params={"k": k}).status_code


class TestExports:
    def test_csv(self, client: httpx.Client, wiring: Wiring, segmented: Segmented, classifier: str) -> None:
        """A line per crop, with where it lies, what was said, and what a person said since."""
        job_id = predict(wiring, classifier, dict(zip(segmented.crop_ids, (0.25, 0.75), strict=True)))
        body = {"class": "excluded", "annotator": "m.koch"}
        client.put(f"/v1/crops/{segmented.crop_ids[0]}/annotation", json=body).raise_for_status()
        answer = client.get(f"/v1/jobs/{job_id}/predictions.csv")
        lines = {line["crop_id"]: line for line in csv.DictReader(io.StringIO(answer.text))}
        first, second = (lines[crop_id] for crop_id in segmented.crop_ids)

        assert "text/csv; charset=utf-8" == answer.headers["content-type"]
        assert f'attachment; filename="{job_id}_predictions.csv"' == answer.headers["content-disposition"]
        assert ("normal", "0.25", "excluded") == (
            first["predicted_class"],
            first["probability"],
            first["annotated_class"],
        )
        assert ("20", "10", "26", "30") == (second["y0"], second["x0"], second["y1"], second["x1"])
        assert ("touching", "120", segmented.sample) == (second["flags"], second["area_px"], second["sample"])
        assert "metaphase.tif" == first["filename"]
        assert second["at"].endswith("+00:00")

    def test_parquet(
        self, client: httpx.Client, wiring: Wiring, segmented: Segmented, classifier: str
    ) -> None:
        """Types are kept, and embeddings come along if they are asked for."""
        said = dict(zip(segmented.crop_ids, (0.25, 0.75), strict=True))
        job_id = predict(wiring, classifier, said, embeddings_of(2))
        path = f"/v1/jobs/{job_id}/predictions.parquet"
        plain = pq.read_table(io.BytesIO(client.get(path).content))
        whole = pq.read_table(io.BytesIO(client.get(path, params={"embeddings": "true"}).content))

        assert [*plain.column_names, "embedding"] == whole.column_names
        assert sorted(said) == plain["crop_id"].to_pylist()
        assert [said[crop_id] for crop_id in sorted(said)] == plain["probability"].to_pylist()
        assert plain.to_pylist()[0]["at"].tzinfo is not None
        assert (
            embeddings_of(2).tobytes() == np.array(whole["embedding"].to_pylist(), dtype=np.float32).tobytes()
        )

    def test_formula_is_defused(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """A name that a spreadsheet would run arrives as text."""
        sample = f'=HYPERLINK("{uuid.uuid4()}")'
        answer = client.post(
            "/v1/batches",
            data={"sample": sample, "slide": "@1", "channels": '{"dapi": 0}'},
            files=[("files", ("+1.tif", tiff_bytes()))],
        )
        crop_ids = import_crops(wiring, 1, sample=sample, image_id=answer.json()["items"][0]["image_id"])
        job_id = predict(wiring, classifier, {crop_ids[0]: 0.5})
        (line,) = csv.DictReader(io.StringIO(client.get(f"/v1/jobs/{job_id}/predictions.csv").text))

        assert (f"'{sample}", "'@1", "'+1.tif") == (line["sample"], line["slide"], line["filename"])

    def test_only_what_has_ended(self, client: httpx.Client, wiring: Wiring) -> None:
        """A job that may still add lines, or never makes any, gives no table."""
        running, other = new_job(wiring), new_job(wiring, "diagnostic")
        end(wiring, other)
        statuses = [
            client.get(f"/v1/jobs/{job_id}/predictions.{ending}").status_code
            for job_id in (running, other, "job_none")
            for ending in ("csv", "parquet")
        ]

        assert [409, 409, 404, 404, 404, 404] == statuses

    def test_embeddings_of_a_job_without(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """They are refused before the first byte; the table itself is there."""
        (crop_id,) = import_crops(wiring, 1, seed=30)
        path = f"/v1/jobs/{predict(wiring, classifier, {crop_id: 0.5})}/predictions.parquet"

        assert 409 == client.get(path, params={"embeddings": "true"}).status_code
        assert 200 == client.get(path).status_code

    def test_empty_table(self, client: httpx.Client, wiring: Wiring) -> None:
        """A job that classified nothing gives the head alone."""
        job_id = new_job(wiring)
        end(wiring, job_id, "failed")
        text = client.get(f"/v1/jobs/{job_id}/predictions.csv").text
        table = pq.read_table(io.BytesIO(client.get(f"/v1/jobs/{job_id}/predictions.parquet").content))

        assert 1 == len(text.splitlines())
        assert (0, text.strip().split(",")) == (table.num_rows, table.column_names)
