"""Fitting filters as jobs, on data sets of drawn bars, and what is in the versions that they make."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx

from api.wiring import Wiring
from services.jobs.types import Job
from tests.support.classifiers import add_classifier
from tests.support.datasets import imported, new_name
from tests.support.jobs import run_here
from tests.support.painted import painted_archive

PER_SLIDE = 24  # two slides to fit on: 48 crops, 12 of them aberrations


def bars(client: httpx.Client, per_slide: int = PER_SLIDE, **fields: str) -> str:
    """Import a data set of drawn bars and return its reference."""
    version = imported(client, painted_archive(per_slide=per_slide), **fields)
    return f"{version['name']}/{version['version']}"


def submit_fit(client: httpx.Client, dataset: str, classifier: str, **changes: Any) -> str:
    """Submit a fit with few neighbours and return the job's id."""
    body = {"kind": "filter_fitting", "name": new_name(), "dataset": dataset, "classifier": classifier}
    answer = client.post("/v1/jobs", json=body | {"n_neighbors": 8} | changes)

    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def fitted(
    wiring: Wiring, client: httpx.Client, dataset: str, classifier: str | None = None, **changes: Any
) -> Job:
    """Fit a filter in this process, on embeddings of a classifier that nobody trained."""
    ref = classifier or add_classifier(wiring, new_name())
    return run_here(wiring, submit_fit(client, dataset, ref, **changes))


def manifest_of(client: httpx.Client, job: Job) -> dict[str, Any]:
    """The manifest of the version that a job made."""
    assert job.status == "succeeded", job.error
    manifest: dict[str, Any] = client.get(job.result["links"]["artifact"]).json()["manifest"]
    return manifest


def content_of(client: httpx.Client, job: Job) -> bytes:
    """The download of the version that a job made."""
    assert job.status == "succeeded", job.error
    return client.get(f"{job.result['links']['artifact']}/content").content


def files_of(client: httpx.Client, job: Job) -> dict[str, bytes]:
    """The files of the version that a job made."""
    with zipfile.ZipFile(io.BytesIO(content_of(client, job))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
