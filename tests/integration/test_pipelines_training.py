"""Training a classifier as a job, from an imported data set to a version that classifies."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
import torch

from api.wiring import Wiring
from services.jobs.types import Job
from tests.support.datasets import imported, labelled_archive, new_name
from tests.support.jobs import run_here
from tests.support.painted import painted_archive

pytestmark = pytest.mark.integration

TRAINING = {
    "kind": "classifier_training",
    "epochs": 6,
    "batch_size": 8,
    "canvas_px": 32,
    "scale": 0.7,
    "augmentation": {"flips": True, "rotation_deg": 0, "crop_px": 1},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Let torch use one thread: networks this small gain nothing from more."""
    torch.set_num_threads(1)


@pytest.fixture
def dataset(client: httpx.Client) -> str:
    """Reference of an imported data set of drawn chromosomes."""
    version = imported(client, painted_archive())
    return f"{version['name']}/{version['version']}"


def submit(client: httpx.Client, **changes: Any) -> httpx.Response:
    return client.post("/v1/jobs", json=TRAINING | {"name": new_name()} | changes)


def trained(wiring: Wiring, client: httpx.Client, **changes: Any) -> Job:
    answer = submit(client, **changes)

    assert answer.status_code == 202, answer.text
    return run_here(wiring, answer.json()["id"])


def files_of(client: httpx.Client, ref: str) -> dict[str, bytes]:
    content = client.get(f"/v1/artifacts/classifier/{ref}/content").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestTraining:
    def test_makes_a_version_with_figures_pictures_and_a_card(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """Two seeds: the better one on validation is kept, both are told, the test split is reported."""
        job = trained(wiring, client, dataset=dataset, num_seeds=2, seed=3, licence="CC-BY-4.0")

        assert job.status == "succeeded", job.error
        assert ("epochs", 12) == (job.progress.unit, job.progress.done)
        assert "evaluating on held-out slides" == job.progress.message
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert {"val", "test"} == set(manifest["metrics"])
        assert {"val": ["V1"], "test": ["E1"]} == manifest["held_out_groups"]
        assert [3, 4] == manifest["training"]["seeds"]
        assert dataset == f"{manifest['dataset']['name']}/{manifest['dataset']['version']}"
        assert 2 == manifest["seeds"]["test"]["crops"]["average_precision"]["count"]
        files = files_of(client, job.result["artifact"])
        assert {"training.png", "roc_pr.png", "reliability.png", "false_negatives_test.png"} <= set(files)
        assert all(content.startswith(b"\x89PNG") for name, content in files.items() if name.endswith(".png"))
        assert "T1" in files["card.md"].decode()
        assert [6, 6] == [len(seed["epochs"]) for seed in json.loads(files["history.json"])]

    def test_then_classifies_what_it_was_trained_for(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """The new version may be promoted, and ranks aberrations of its data set first."""
        job = trained(wiring, client, dataset=dataset, epochs=12)
        name, version = job.result["artifact"].split("/")
        promoted = client.put(
            f"/v1/artifacts/classifier/{name}/aliases/production", json={"version": int(version)}
        )
        answer = client.post(
            "/v1/jobs",
            json={"kind": "classification", "dataset": dataset, "classifier": f"{name}/production"},
        )
        ended = run_here(wiring, answer.json()["id"])
        ranked = client.get(
            "/v1/crops", params={"dataset": dataset, "sort": "-probability", "limit": 4}
        ).json()

        assert 200 == promoted.status_code
        assert "succeeded" == ended.status
        truth = {
            item["crop_id"]: item["class"]
            for item in client.get(f"/v1/datasets/{dataset}/items", params={"limit": 1000}).json()["items"]
        }
        assert ["aberration"] * 4 == [truth[crop["id"]] for crop in ranked["items"]]

    def test_repeats_bit_for_bit_under_a_seed(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """Two jobs with the same parameters make the same weights."""
        shas = {
            files_of(client, trained(wiring, client, dataset=dataset, epochs=1).result["artifact"])[
                "weights.safetensors"
            ]
            for _ in range(2)
        }

        assert 1 == len(shas)

    def test_reports_groups_that_were_left_out(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """A slide that is named is neither trained nor chosen on, and reported apart."""
        job = trained(wiring, client, dataset=dataset, epochs=1, leave_out_groups=["T2"], evaluate_test=False)
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]

        assert {"val", "left_out"} == set(manifest["metrics"])
        assert ["T1"] == manifest["training"]["groups"]

    def test_starts_from_uploaded_weights(self, wiring: Wiring, client: httpx.Client, dataset: str) -> None:
        """A version that exists can be trained further; it becomes the parent."""
        first = trained(wiring, client, dataset=dataset, epochs=1).result["artifact"]
        job = trained(wiring, client, dataset=dataset, epochs=1, classifier=first)

        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert [first] == manifest["parents"]

    def test_keeps_nothing_for_a_resume_when_it_is_done(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """Checkpoints are large."""
        job = trained(wiring, client, dataset=dataset, epochs=1)
        kept = [
            name
            for name in ("training.safetensors", "done.safetensors", "done.json")
            if wiring.store.exists(f"checkpoints/{job.id}/network-000-{name}")
        ]

        assert [] == kept


class TestRefusals:
    def test_a_data_set_that_does_not_exist(self, client: httpx.Client) -> None:
        """Before anything is queued."""
        assert 404 == submit(client, dataset="nowhere/1").status_code

    def test_a_data_set_without_aberrations_to_learn_from(self, wiring: Wiring, client: httpx.Client) -> None:
        """The job says what is missing."""
        version = imported(client, labelled_archive(seed=77, per_class=1))
        job = trained(wiring, client, dataset=f"{version['name']}/{version['version']}")

        assert "failed" == job.status
        assert job.error is not None
        assert "at least 2 aberrations" in job.error["detail"]

    def test_a_group_that_is_not_there(self, wiring: Wiring, client: httpx.Client, dataset: str) -> None:
        """A typing error would train on everything."""
        job = trained(wiring, client, dataset=dataset, leave_out_groups=["T9"])

        assert "failed" == job.status
        assert job.error is not None
        assert "'T9'" in job.error["detail"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"epochs": 0}, "epochs"),
            ({"canvas_px": 50}, "canvas_px"),
            ({"num_seeds": 1000}, "num_seeds"),
            ({"augmentation": {"twist": 3}}, "twist"),
            ({"preset": "best"}, "preset"),
        ],
    )
    def test_parameters_out_of_bounds(
        self, client: httpx.Client, changes: dict[str, Any], field: str
    ) -> None:
        """The answer names the field."""
        answer = submit(client, dataset="any/1", **changes)

        assert 422 == answer.status_code
        assert field in answer.text
