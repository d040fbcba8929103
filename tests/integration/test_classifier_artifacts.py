"""Classifiers as artifacts: uploaded starting points, and what they may not do."""

from __future__ import annotations

import io

import httpx
import pytest
import torch

from api.wiring import Wiring
from models.classification import network
from services.jobs.params import ArtifactImportParams
from services.jobs.types import Job
from tests.support.datasets import imported, new_name
from tests.support.jobs import run_here
from tests.support.painted import painted_archive

pytestmark = pytest.mark.integration


def uploaded(wiring: Wiring, content: bytes, filename: str = "resnet18.pth") -> Job:
    """Import weights as the API does once it has received them, and run the job."""
    params = ArtifactImportParams(name=new_name(), licence="BSD-3-Clause", description="ImageNet")
    job = wiring.submissions.import_artifact("classifier", params, io.BytesIO(content), filename)
    return run_here(wiring, job.id)


@pytest.fixture(scope="module")
def imagenet() -> bytes:
    """A checkpoint as torchvision's: a thousand classes, saved by torch."""
    stream = io.BytesIO()
    torch.save(network.build(1000, seed=2).state_dict(), stream)
    return stream.getvalue()


class TestUploadedResNet:
    def test_becomes_a_starting_point(self, wiring: Wiring, client: httpx.Client, imagenet: bytes) -> None:
        """The manifest says what it is, whose it is, and that it was not trained for this."""
        job = uploaded(wiring, imagenet)
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]

        assert ("succeeded", False, 1000) == (job.status, manifest["trained"], manifest["num_classes"])
        assert ("BSD-3-Clause", "resnet18.pth") == (manifest["licence"], manifest["imported"]["filename"])

    def test_may_neither_classify_nor_be_promoted(
        self, wiring: Wiring, client: httpx.Client, imagenet: bytes
    ) -> None:
        """It knows cats and dogs."""
        ref = uploaded(wiring, imagenet).result["artifact"]
        name, version = ref.split("/")
        dataset = imported(client, painted_archive(per_slide=4, seed=50))
        body = {
            "kind": "classification",
            "dataset": f"{dataset['name']}/{dataset['version']}",
            "classifier": ref,
        }
        refused = client.post("/v1/jobs", json=body)
        promoted = client.put(
            f"/v1/artifacts/classifier/{name}/aliases/production", json={"version": int(version)}
        )

        assert 422 == refused.status_code
        assert "starting point" in refused.json()["detail"]
        assert (409, "promotion_refused") == (promoted.status_code, promoted.json()["code"])

    def test_can_be_trained_from(self, wiring: Wiring, client: httpx.Client, imagenet: bytes) -> None:
        """It gets a new head with two classes."""
        torch.set_num_threads(1)
        ref = uploaded(wiring, imagenet).result["artifact"]
        dataset = imported(client, painted_archive(seed=60))
        body = {
            "kind": "classifier_training",
            "name": new_name(),
            "dataset": f"{dataset['name']}/{dataset['version']}",
            "classifier": ref,
            "epochs": 1,
            "canvas_px": 32,
        }
        job = run_here(wiring, client.post("/v1/jobs", json=body).json()["id"])

        assert "succeeded" == job.status, job.error
        manifest = client.get(job.result["links"]["artifact"]).json()["manifest"]
        assert (True, [ref]) == (manifest["trained"], manifest["parents"])

    @pytest.mark.parametrize("content", [b"not weights", b"PK\x03\x04" + bytes(64)])
    def test_other_bytes_fail_the_job_with_a_reason(self, wiring: Wiring, content: bytes) -> None:
        """And nothing is added."""
        job = uploaded(wiring, content)

        assert "failed" == job.status
        assert job.error is not None
        assert ("invalid_input", True) == (job.error["code"], "resnet18.pth" in job.error["detail"])

    def test_another_network_fails_the_job_with_a_reason(self, wiring: Wiring) -> None:
        """A deeper ResNet, for example."""
        state = network.build().state_dict() | {"layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}
        stream = io.BytesIO()
        torch.save(state, stream)
        job = uploaded(wiring, stream.getvalue())

        assert job.error is not None
        assert "layer1.2.conv1.weight" in job.error["detail"]
