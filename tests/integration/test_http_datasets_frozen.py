"""Data sets frozen from annotated crops, over HTTP."""

from __future__ import annotations

import io
import uuid
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, insert, update

from api.wiring import Wiring
from services.db.tables import CropRow, ImageRow
from services.ids import new_id
from tests.support.datasets import archive, chromosome, imported, items_of, new_name, png
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration


@pytest.fixture
def annotated(wiring: Wiring, client: httpx.Client) -> list[Segmented]:
    """Three samples of a slide each, every image with a normal and an aberration."""
    tag = uuid.uuid4().hex[:8]
    found = []
    for number in range(3):
        seed = int(tag[:6], 16) + number
        one = segment(wiring, client, f"S-{tag}-{number}", seed=seed, slide=f"{tag}-{number}")
        for crop_id, verdict in zip(one.crop_ids, ("normal", "aberration"), strict=True):
            annotate(client, crop_id, verdict)
        found.append(one)
    return found


def annotate(client: httpx.Client, crop_id: str, verdict: str) -> None:
    answer = client.put(f"/v1/crops/{crop_id}/annotation", json={"class": verdict, "annotator": "m.koch"})

    assert answer.status_code == 200, answer.text


def samples_of(annotated: list[Segmented]) -> list[str]:
    return [one.sample for one in annotated]


def freeze(client: httpx.Client, **body: Any) -> httpx.Response:
    shares = {"val_fraction": 0.33, "test_fraction": 0.33}
    return client.post("/v1/datasets", json={"name": new_name(), "splits": shares} | body)


class TestFreeze:
    def test_by_samples(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """Every verdict becomes an item, and every slide lies in one split."""
        answer = freeze(client, samples=samples_of(annotated), licence="CC0-1.0")
        version = answer.json()

        assert 201 == answer.status_code, answer.text
        assert [{"normal": 1, "aberration": 1, "unlabelled": 0}] * 3 == list(version["counts"].values())
        assert {c for one in annotated for c in one.crop_ids} == {
            item["crop_id"] for item in items_of(client, version)
        }
        assert ("annotations", "CC0-1.0") == (version["source"], version["licence"])

    def test_again_is_the_same_version(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """The same verdicts make the same content; a changed one makes the next version."""
        name, samples = new_name(), samples_of(annotated)
        first = freeze(client, name=name, samples=samples)
        again = freeze(client, name=name, samples=samples[::-1])
        annotate(client, annotated[0].crop_ids[0], "excluded")
        changed = freeze(client, name=name, samples=samples, splits={"test_fraction": 0}).json()

        assert (201, 200) == (first.status_code, again.status_code)
        assert first.json() == again.json()
        assert (2, {"excluded": 1}) == (changed["version"], changed["left_out"])

    def test_named_groups(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """The client may say which slide lies in which split, or group by sample."""
        first, second, third = samples_of(annotated)
        splits = {"train": [first], "val": [second], "test": [third]}
        version = freeze(client, samples=splits["train"] + [second, third], splits=splits, group_by="sample")

        assert {s: {"count": 1, "names": n} for s, n in splits.items()} == version.json()["groups"]

    def test_wrong_groups_are_listed(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """Groups that are missing from the selection, or from the splits, are all told."""
        splits = {"train": ["nowhere"]}
        answer = freeze(client, samples=samples_of(annotated), splits=splits, group_by="sample")

        assert ["nowhere", *samples_of(annotated)] == [one["field"] for one in answer.json()["errors"]]
        assert "dataset_invalid" == answer.json()["code"]

    def test_the_newest_segmentation_counts(
        self, client: httpx.Client, wiring: Wiring, annotated: list[Segmented]
    ) -> None:
        """An image that was segmented twice does not show its chromosomes twice."""
        first = annotated[0]
        newer = segment(wiring, client, first.sample, seed=int(first.sample[2:8], 16))
        splits = {"val_fraction": 0.5, "test_fraction": 0}
        answer = freeze(client, samples=samples_of(annotated), splits=splits, include_unlabelled=True)
        counts = answer.json()["counts"].values()

        assert newer.image_id == first.image_id
        assert 2 == sum(one["unlabelled"] for one in counts)
        assert 2 == sum(one["normal"] for one in counts)

    def test_crops_without_a_verdict_are_sources(
        self, client: httpx.Client, wiring: Wiring, annotated: list[Segmented]
    ) -> None:
        """They are left out, or become unlabelled where the client wants them."""
        plain = segment(wiring, client, f"S-{uuid.uuid4()}", seed=uuid.uuid4().int % 2**31, slide="x")
        jobs = [one.job_id for one in (*annotated, plain)]
        splits = {"train": [one.sample for one in annotated], "test": [plain.sample]}
        wanted = {"job_ids": jobs, "group_by": "sample", "splits": splits}
        version = freeze(client, **wanted, include_unlabelled=True).json()
        refused = freeze(client, **wanted).json()

        assert {"normal": 0, "aberration": 0, "unlabelled": 2} == version["counts"]["test"]
        assert [plain.sample] == [one["field"] for one in refused["errors"]]

    def test_colour_views_share_a_chromosome(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """Two crops of one place of one DAPI plane are one chromosome, and no two others are."""
        version = freeze(client, samples=samples_of(annotated)).json()

        assert version["counts"] == version["chromosomes"]
        assert 6 == len({item["chromosome"] for item in items_of(client, version)})

    def test_same_image_under_two_samples(self, client: httpx.Client, wiring: Wiring) -> None:
        """The same pixels cannot be in two splits, whatever the samples are called."""
        seed, names = uuid.uuid4().int % 2**31, [f"S-{uuid.uuid4()}" for _ in range(2)]
        for name in names:
            for crop_id in segment(wiring, client, name, seed=seed).crop_ids:
                annotate(client, crop_id, "normal")
        splits = {"train": names[:1], "test": names[1:]}
        answer = freeze(client, samples=names, splits=splits, group_by="sample").json()

        assert "dataset_leakage" == answer["code"]
        assert {"The same picture is in train and test.", "The same chromosome is in train and test."} == {
            one["message"] for one in answer["errors"]
        }

    def test_imported_crops_keep_their_groups(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """Single crops of an earlier import can be frozen anew, beside segmented ones."""
        tag = uuid.uuid4().hex[:8]
        old = imported(client, archive({f"train/aberration/{tag}/1.png": png(chromosome(int(tag[:6], 16)))}))
        crop_ids = [items_of(client, old)[0]["crop_id"], annotated[0].crop_ids[0]]
        splits = {"train": [tag], "val": [annotated[0].sample]}
        version = freeze(client, crop_ids=crop_ids, splits=splits, group_by="sample").json()

        assert [tag] == version["groups"]["train"]["names"]
        assert {items_of(client, old)[0]["sha256"]} < {i["sha256"] for i in items_of(client, version)}

    def test_export_draws_segmented_crops(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """What was cut out of images is drawn in 8 bit with its mask, and can be imported."""
        version = freeze(client, samples=samples_of(annotated)).json()
        content = client.get(f"/v1/datasets/{version['name']}/1/export").content
        packed = zipfile.ZipFile(io.BytesIO(content))
        pixels = np.asarray(Image.open(packed.open(packed.namelist()[0])))

        assert {0, 255} == set(np.unique(pixels[..., 3]))
        assert 0 == pixels[..., :2].max() < pixels[..., 2].max()
        assert version["counts"] == imported(client, content)["counts"]


class TestRefusedFreeze:
    @pytest.mark.parametrize("selection", ["samples", "batch_ids", "job_ids", "crop_ids"])
    def test_unknown_source(self, client: httpx.Client, selection: str) -> None:
        """Whatever is named must exist."""
        assert 404 == freeze(client, **{selection: ["none"]}).status_code

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"samples": []},
            {"samples": ["a"], "job_ids": ["b"]},
            {"samples": ["a", "a"]},
            {"samples": ["a"], "splits": {"train": ["a"], "seed": 1}},
            {"samples": ["a"], "splits": {"val_fraction": 1}},
            {"samples": ["a"], "group_by": "patient"},
            {"samples": ["a\0"]},
            {"samples": "a"},
        ],
    )
    def test_malformed(self, client: httpx.Client, body: dict[str, Any]) -> None:
        """A selection is exactly one list, and unknown words are refused."""
        assert 422 == freeze(client, **body).status_code

    def test_no_json(self, client: httpx.Client) -> None:
        """A body that is not what its type says is told as such."""
        answer = client.post("/v1/datasets", content=b"{", headers={"content-type": "application/json"})

        assert (422, "invalid_input") == (answer.status_code, answer.json()["code"])

    def test_nothing_annotated(self, client: httpx.Client, wiring: Wiring) -> None:
        """Without a verdict there is nothing to learn from, and the answer says how to give one."""
        plain = segment(wiring, client, f"S-{uuid.uuid4()}")

        assert "annotation" in freeze(client, samples=[plain.sample]).json()["detail"]

    def test_too_few_slides(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """Two slides make no three splits."""
        answer = freeze(client, samples=samples_of(annotated)[:2])

        assert (422, ["splits"]) == (answer.status_code, [one["field"] for one in answer.json()["errors"]])

    def test_withdrawn_image(self, client: httpx.Client, wiring: Wiring, annotated: list[Segmented]) -> None:
        """What a laboratory has withdrawn is not learnt from."""
        with wiring.sessions.begin() as session:
            gone = update(ImageRow).where(ImageRow.id == annotated[0].image_id)
            session.execute(gone.values(withdrawn_at=func.now()))
        version = freeze(
            client, job_ids=[one.job_id for one in annotated], splits={"test_fraction": 0}
        ).json()

        assert {"withdrawn": 2} == version["left_out"]

    def test_running_job(self, client: httpx.Client, wiring: Wiring) -> None:
        """A job that may still make crops is waited for."""
        job = wiring.jobs.submit("diagnostic", {})

        assert 409 == freeze(client, job_ids=[job.id]).status_code

    def test_generated_crops(self, client: httpx.Client, wiring: Wiring, annotated: list[Segmented]) -> None:
        """Synthetic crops are no ground truth."""
        synthetic, source = new_id("crop"), annotated[0].crop_ids[0]
        made = {"source_crop_id": source, "job_id": annotated[0].job_id}
        with wiring.sessions.begin() as session:
            row = {"id": synthetic, "origin": "generated", "pack_key": "none"} | made
            session.execute(
                insert(CropRow), [row | {"pack_index": 0, "bbox": [0, 0, 1, 1], "area_px": 1, "flags": []}]
            )
        answer = freeze(client, crop_ids=[synthetic, source])

        assert [synthetic] == [one["field"] for one in answer.json()["errors"]]
        assert "synthetic" in answer.json()["errors"][0]["message"]

    def test_idempotency(self, client: httpx.Client, annotated: list[Segmented]) -> None:
        """The first answer is given again under its key."""
        key, name = {"Idempotency-Key": uuid.uuid4().hex}, new_name()
        body = {"name": name, "samples": samples_of(annotated), "splits": {"test_fraction": 0.3}}
        answers = [client.post("/v1/datasets", json=body, headers=key) for _ in range(2)]

        assert [201, 201] == [answer.status_code for answer in answers]
        assert "true" == answers[1].headers["idempotency-replayed"]
