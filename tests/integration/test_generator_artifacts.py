"""Generators as artifacts: weights of the official codes and of our own, uploaded and promoted."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
import torch

from api.wiring import Wiring
from models.bridge import official as bridge_official
from models.cyclegan import official as cyclegan_official
from services.jobs.params.artifact_import import ArtifactImportParams
from services.jobs.types import Job
from tests.support.datasets import new_name
from tests.support.generators import RESNET, UNET, generator_weights
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration

STATED = {"canvas_px": 32, "scale": 0.7}
FILES = {
    "bbdm, ours": ("bbdm", lambda: generator_weights("bbdm")),
    "bbdm, official": ("bbdm", lambda: bridge_official.to_checkpoint(generator_weights("bbdm"))),
    "cyclegan, ours": ("cyclegan", lambda: generator_weights("cyclegan")),
    "cyclegan, official": ("cyclegan", lambda: cyclegan_official.to_official(generator_weights("cyclegan"))),
}


def uploaded(wiring: Wiring, content: bytes, kind: str = "generator", **said: Any) -> Job:
    """Import weights as the API does once it has received them, and run the job."""
    params = ArtifactImportParams(name=new_name(), **said)
    job = wiring.submissions.import_artifact(kind, params, io.BytesIO(content), "latest_model.pth")
    return run_here(wiring, job.id)


def manifest_of(client: httpx.Client, job: Job) -> dict[str, Any]:
    manifest: dict[str, Any] = client.get(job.result["links"]["artifact"]).json()["manifest"]
    return manifest


def promoted(client: httpx.Client, job: Job) -> httpx.Response:
    name, version = job.result["artifact"].split("/")
    return client.put(f"/v1/artifacts/generator/{name}/aliases/production", json={"version": int(version)})


class TestUploadedGenerator:
    @pytest.mark.parametrize("file", sorted(FILES))
    def test_is_recognised_and_becomes_a_generator(
        self, wiring: Wiring, client: httpx.Client, file: str
    ) -> None:
        """From the names in the file; its network's size from the shapes."""
        method, content = FILES[file]
        job = uploaded(wiring, content(), licence="MIT", **STATED)

        assert job.status == "succeeded", job.error
        manifest = manifest_of(client, job)
        network = UNET.to_json() if method == "bbdm" else RESNET.to_json()
        assert (method, True, network, "MIT") == tuple(
            manifest[name] for name in ("method", "trained", "network", "licence")
        )
        assert {"canvas_px": 32, "scale": 0.7, "background": "zero"}.items() <= manifest[
            "preprocessing"
        ].items()
        assert 200 == promoted(client, job).status_code

    def test_of_a_bridge_samples_as_the_paper_does(self, wiring: Wiring, client: httpx.Client) -> None:
        """What its network predicts stands in no file; the uploader says it."""
        manifest = manifest_of(client, uploaded(wiring, generator_weights("bbdm"), prediction_type="ysubx"))

        assert ("bbdm", 200, 1.0) == tuple(manifest["sampling"][name] for name in ("sampler", "steps", "eta"))
        assert ("ysubx", 1.0, 1000) == tuple(
            manifest["bridge"][name] for name in ("prediction_type", "max_variance", "num_train_timesteps")
        )

    def test_without_canvas_and_scale_may_be_tried_but_not_promoted(
        self, wiring: Wiring, client: httpx.Client
    ) -> None:
        """They are a guess then."""
        job = uploaded(wiring, generator_weights("cyclegan"), scale=1.0)
        refused = promoted(client, job)

        assert "succeeded" == job.status
        assert 64 == manifest_of(client, job)["preprocessing"]["canvas_px"]
        assert (409, "promotion_refused") == (refused.status_code, refused.json()["code"])

    def test_has_a_card_that_says_where_it_comes_from(self, wiring: Wiring, client: httpx.Client) -> None:
        """Nothing of its training is known here."""
        job = uploaded(wiring, generator_weights("cyclegan"), **STATED)
        files = client.get(job.result["links"]["artifact"]).json()["files"]

        assert {"weights.safetensors", "card.md"} == set(files)

    @pytest.mark.parametrize("content", [b"not weights", b"PK\x03\x04" + bytes(64)])
    def test_other_bytes_fail_the_job_with_a_reason(self, wiring: Wiring, content: bytes) -> None:
        """It says what was tried."""
        job = uploaded(wiring, content)

        assert "failed" == job.status
        assert job.error is not None
        assert "As bbdm:" in job.error["detail"]
        assert "As cyclegan:" in job.error["detail"]

    def test_of_another_method_than_said_is_refused(self, wiring: Wiring) -> None:
        """The uploader knows better than a guess, and is told."""
        job = uploaded(wiring, generator_weights("cyclegan"), method="bbdm")

        assert job.error is not None
        assert "BBDM" in job.error["detail"]

    @pytest.mark.parametrize(
        ("kind", "said", "field"),
        [
            ("generator", {"diameter_px": 20.0}, "diameter_px"),
            ("generator", {"prediction_type": "grad"}, "prediction_type"),
            ("segmenter", {"scale": 1.0}, "scale"),
        ],
    )
    def test_what_it_does_not_have_is_refused(
        self, wiring: Wiring, kind: str, said: dict[str, Any], field: str
    ) -> None:
        """It would change nothing, and nobody would be told."""
        job = uploaded(wiring, generator_weights("cyclegan"), kind, **said)

        assert job.error is not None
        assert field in job.error["detail"]


class TestExport:
    def test_of_a_bridge_is_read_by_the_official_code(self) -> None:
        """The checkpoint has what BBDM's trainer resumes from: model, averages, and their names."""
        content = bridge_official.to_checkpoint(generator_weights("bbdm"))
        checkpoint = torch.load(io.BytesIO(content), weights_only=True)

        assert {"model", "ema", "epoch", "step"} <= set(checkpoint)
        assert "denoise_fn.input_blocks.0.0.weight" in checkpoint["model"]
