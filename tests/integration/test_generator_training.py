"""Training a generator as a job, from an imported data set to a version that others generate with."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
import safetensors.torch
import torch

from api.wiring import Wiring
from services.jobs.types import Job
from tests.support.datasets import imported, labelled_archive, new_name
from tests.support.generators import add_generator
from tests.support.jobs import run_here
from tests.support.painted import painted_archive

pytestmark = pytest.mark.integration

TRAININGS: dict[str, dict[str, Any]] = {
    "bbdm": {"size": "small", "sample_steps": 3},
    "cyclegan": {"width": 8},
}
TRAINING = {
    "kind": "generator_training",
    "steps": 2,
    "batch_size": 2,
    "canvas_px": 32,
    "scale": 0.7,
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Let torch use one thread: networks this small gain nothing from more."""
    torch.set_num_threads(1)


@pytest.fixture
def dataset(client: httpx.Client) -> str:
    """Reference of an imported data set of drawn chromosomes."""
    version = imported(client, painted_archive(), description="Drawn bars.", licence="CC0-1.0")
    return f"{version['name']}/{version['version']}"


def submit(client: httpx.Client, method: str, **changes: Any) -> httpx.Response:
    body = TRAINING | TRAININGS[method] | {"method": method, "name": new_name()} | changes
    return client.post("/v1/jobs", json=body)


def trained(wiring: Wiring, client: httpx.Client, method: str, **changes: Any) -> Job:
    answer = submit(client, method, **changes)

    assert answer.status_code == 202, answer.text
    return run_here(wiring, answer.json()["id"])


def files_of(client: httpx.Client, ref: str) -> dict[str, bytes]:
    content = client.get(f"/v1/artifacts/generator/{ref}/content").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("method", sorted(TRAININGS))
class TestTraining:
    def test_makes_a_version_with_pictures_and_a_card(
        self, wiring: Wiring, client: httpx.Client, dataset: str, method: str
    ) -> None:
        """The manifest says what it learnt from, and from what it kept away."""
        job = trained(wiring, client, method, dataset=dataset, seed=3, licence="CC-BY-4.0")

        assert job.status == "succeeded", job.error
        assert ("steps", 2) == (job.progress.unit, job.progress.done)
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert (method, True, 32) == (
            manifest["method"],
            manifest["trained"],
            manifest["preprocessing"]["canvas_px"],
        )
        assert {"val": ["V1"], "test": ["E1"]} == manifest["held_out_groups"]
        assert (4, ["T1", "T2"], 2) == tuple(
            manifest["training"][name] for name in ("aberrations", "groups", "steps")
        )
        assert "Drawn bars." == manifest["dataset"]["description"]
        files = files_of(client, job.result["artifact"])
        assert {"weights.safetensors", "training.png", "samples.png", "history.json", "card.md"} <= set(files)
        assert all(content.startswith(b"\x89PNG") for name, content in files.items() if name.endswith(".png"))
        assert "> Drawn bars." in files["card.md"].decode()
        assert 2 == json.loads(files["history.json"])[-1]["step"]
        kept = ("training.safetensors", "samples-00000001.safetensors", "samples-00000002.safetensors")
        assert not any(wiring.store.exists(f"checkpoints/{job.id}/{name}") for name in kept)

    def test_repeats_bit_for_bit_under_a_seed(
        self, wiring: Wiring, client: httpx.Client, dataset: str, method: str
    ) -> None:
        """Two jobs with the same parameters make the same weights and pictures; another seed others."""
        made = [
            files_of(client, trained(wiring, client, method, dataset=dataset, seed=seed).result["artifact"])
            for seed in (5, 5, 6)
        ]

        for name in ("weights.safetensors", "samples.png"):
            assert made[0][name] == made[1][name]
            assert made[0][name] != made[2][name]

    def test_keeps_groups_out(self, wiring: Wiring, client: httpx.Client, dataset: str, method: str) -> None:
        """A slide that is named is neither learnt from nor shown."""
        job = trained(wiring, client, method, dataset=dataset, leave_out_groups=["T2", "V1"])

        assert job.status == "succeeded", job.error
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert {"val": [], "test": ["E1"], "left_out": ["T2", "V1"]} == manifest["held_out_groups"]
        assert (2, ["T1"], "train") == tuple(
            manifest["training"][name] for name in ("aberrations", "groups", "examples_split")
        )

    def test_may_store_half_of_the_precision(
        self, wiring: Wiring, client: httpx.Client, dataset: str, method: str
    ) -> None:
        """The same weights, rounded; a bridge's schedule beside them keeps its digits."""
        full, half = (
            safetensors.torch.load(files_of(client, job.result["artifact"])["weights.safetensors"])
            for job in (
                trained(wiring, client, method, dataset=dataset, steps=1, half_precision=half)
                for half in (False, True)
            )
        )

        weights = [name for name in full if "." in name]
        assert all(torch.equal(half[name], full[name].half()) for name in weights)
        assert {torch.float16} == {half[name].dtype for name in weights}
        assert all(torch.equal(half[name], full[name]) for name in full if name not in weights)


class TestFineTuning:
    def test_goes_on_from_a_version(self, wiring: Wiring, client: httpx.Client, dataset: str) -> None:
        """Network, canvas and scale are the parent's; a learning rate of nearly nought leaves its weights."""
        first = trained(wiring, client, "bbdm", dataset=dataset, steps=1).result["artifact"]
        changes = {"size": None, "canvas_px": None, "scale": None, "learning_rate": 1e-12, "seed": 9}
        job = trained(wiring, client, "bbdm", dataset=dataset, generator=first, steps=1, **changes)

        assert job.status == "succeeded", job.error
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert ([first], 32, 0.7) == (
            manifest["parents"],
            manifest["preprocessing"]["canvas_px"],
            manifest["preprocessing"]["scale"],
        )
        before, after = (
            safetensors.torch.load(files_of(client, ref)["weights.safetensors"])
            for ref in (first, job.result["artifact"])
        )
        assert all(torch.allclose(before[name], after[name], atol=1e-8) for name in before)

    def test_refuses_a_generator_of_another_method(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """The job says what each of them is."""
        name = new_name()
        ref = add_generator(wiring, name, "cyclegan")
        job = trained(wiring, client, "bbdm", dataset=dataset, generator=ref)

        assert "failed" == job.status
        assert job.error is not None
        assert "is a cyclegan generator" in job.error["detail"]


class TestRefusals:
    def test_a_data_set_that_does_not_exist(self, client: httpx.Client) -> None:
        """Before anything is queued."""
        assert 404 == submit(client, "cyclegan", dataset="nowhere/1").status_code

    def test_a_data_set_without_aberrations_to_learn_from(self, wiring: Wiring, client: httpx.Client) -> None:
        """The job says what is missing."""
        version = imported(client, labelled_archive(seed=78, per_class=1))
        job = trained(wiring, client, "cyclegan", dataset=f"{version['name']}/{version['version']}")

        assert "failed" == job.status
        assert job.error is not None
        assert "at least 2" in job.error["detail"]

    def test_a_field_of_the_other_method(self, client: httpx.Client) -> None:
        """The answer says whose it is."""
        answer = submit(client, "cyclegan", dataset="any/1", loss="l1")

        assert 422 == answer.status_code
        assert "only the method bbdm" in answer.text
