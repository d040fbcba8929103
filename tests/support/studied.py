"""Tiny studies as jobs, on simulated data sets, and what is in the versions that they make."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from api.wiring import Wiring
from models.classification.classifier import Classifier
from services.artifacts.service import ArtifactService
from services.jobs.params import SimulationRequest, StudyRequest
from services.jobs.types import Job
from services.pipelines.study import pipeline
from services.pipelines.study.data import SealedSplits, Truth
from services.studies.cache import StepResult, StepStore
from services.studies.service import REPORT_FILES
from tests.support.datasets import new_name
from tests.support.jobs import run_here

DATA: dict[str, Any] = {
    "preset": "easy",
    "train_slides": 2,
    "val_slides": 1,
    "test_slides": 2,
    "train_aberrations": 24,
    "val_aberrations": 4,
    "test_aberrations": 6,
    "normal_ratio": 1.5,
    "unlabelled": 8,
}
"""Enough aberrations on either training slide for a filter."""

STUDY: dict[str, Any] = {
    "size": "quick",
    "arms": ("augmented", "augmented-painted", "augmented-bbdm-filtered", "augmented-bbdm-random"),
    "condition_arms": ("augmented", "augmented-painted"),
    "num_seeds": 2,
    "condition_seeds": 1,
    "leave_out": {"line": ("T02",)},
    "aberration_counts": (5,),
    "steps": 4,
    "batch_size": 8,
    "generator_steps": 3,
    "candidates": 16,
}
"""Twelve networks: four arms with two seeds, and two arms in each of two further conditions."""

Event = tuple[str, str]


def simulation(**changes: Any) -> SimulationRequest:
    """Return a request for a small simulated data set."""
    return SimulationRequest(kind="simulation", name=new_name(), **(DATA | changes))


def simulated(wiring: Wiring, **changes: Any) -> str:
    """Simulate a small data set in this process, and return its reference."""
    job = run_here(wiring, wiring.submissions.submit(simulation(**changes)).id)
    assert job.result is not None, job.error
    return str(job.result["dataset"])


def submit_study(wiring: Wiring, dataset: str, **changes: Any) -> Job:
    """Submit a tiny study."""
    request = {"kind": "study", "name": new_name(), "dataset": dataset, **STUDY, **changes}
    return wiring.submissions.submit(StudyRequest(**request))


def studied(wiring: Wiring, dataset: str, **changes: Any) -> Job:
    """Run a tiny study in this process."""
    return run_here(wiring, submit_study(wiring, dataset, **changes).id)


def files_of(wiring: Wiring, job: Job) -> dict[str, bytes]:
    """Return the files of the version that a study made."""
    assert job.result is not None, job.error
    with wiring.sessions() as session:
        artifacts = ArtifactService(session, wiring.store)
        version = artifacts.resolve("study", job.result["artifact"])
        return {name: artifacts.open_file(version, name) for name in REPORT_FILES}


def results_of(wiring: Wiring, job: Job) -> dict[str, Any]:
    """Return the numbers of the version that a study made."""
    results: dict[str, Any] = json.loads(files_of(wiring, job)["results.json"])
    return results


def lasting(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must not depend on when a study ran, how long it took, and who looked before."""
    kept = copy.deepcopy({name: value for name, value in results.items() if name not in ("time", "plan")})
    for record in (*kept["runs"], *kept["generators"]):
        del record["seconds"]
    for name in ("name", "created_at", "notes"):
        del kept["study"][name]
    del kept["parameters"]["request"]["name"], kept["test_opened"]["earlier_studies"]
    return kept


def watch(patch: pytest.MonkeyPatch) -> list[Event]:
    """Take note of what studies in this process do: everything is still done."""
    events: list[Event] = []
    score, truth = SealedSplits.scored_by, SealedSplits.truth

    class WatchedSteps(StepStore):
        def put(self, key: str, result: StepResult, sealed: StepResult | None = None) -> None:
            events.append(("computed" if sealed is None else "trained", key))
            super().put(key, result, sealed)

        def open_sealed(self, key: str) -> StepResult | None:
            events.append(("opened", key))
            return super().open_sealed(key)

    def scored(sealed: SealedSplits, classifier: Classifier, check: Callable[[], None]) -> Any:
        events.append(("scored", classifier.weights_sha256))
        return score(sealed, classifier, check)

    def told(sealed: SealedSplits) -> dict[str, Truth]:
        events.append(("truth", ""))
        return truth(sealed)

    patch.setattr(pipeline, "StepStore", WatchedSteps)
    patch.setattr(SealedSplits, "scored_by", scored)
    patch.setattr(SealedSplits, "truth", told)
    return events


def keys_of(events: list[Event], *kinds: str) -> list[str]:
    """Return the keys of some kinds of events, in their order."""
    return [key for kind, key in events if kind in kinds]
