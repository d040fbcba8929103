"""A long training on the only worker and a small scoring job: when each ends, with turns and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from api.wiring import wire
from benchmarks.load.installation import Installation, installed, wait_until
from client.http import Client
from services.jobs.types import TERMINAL_STATUSES, Job
from tests.support.classifiers import add_classifier
from tests.support.datasets import imported
from tests.support.painted import painted_archive

SAMPLES: Final = Path(__file__).resolve().parents[2] / "samples"
CHANNELS: Final = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}
WITHIN_S: Final = 3600.0
NEVER_S: Final = 1_000_000.0
TRAINING: Final[dict[str, Any]] = {
    "kind": "classifier_training",
    "name": "long",
    "priority": "background",
    "batch_size": 8,
    "canvas_px": 64,
    "scale": 0.7,
    "evaluate_test": False,
}


def measure(epochs: int) -> dict[str, Any]:
    """Run a training and the scoring of one metaphase on one worker: alone, without turns, and with them.

    The training is submitted in the background, as a lab would; the scoring with the usual priority, once
    the training is under way. Their networks are loaded when the time begins.
    """
    never = {"min_turn_s": NEVER_S, "time_slice_s": NEVER_S}
    return {
        "epochs": epochs,
        "alone": _run(epochs, never, scoring=False),
        "without_turns": _run(epochs, never, scoring=True),
        "with_turns": _run(epochs, {}, scoring=True),
    }


def _run(epochs: int, changes: dict[str, float], *, scoring: bool) -> dict[str, Any]:
    with installed(**changes) as installation:
        images, classifier, dataset = _prepare(installation)
        body = {"kind": "scoring", "image_ids": images, "classifier": classifier}
        installation.worker()
        alone_s = _seconds(installation, [_submit(installation, body)])[0]  # also loads what it needs
        training = TRAINING | {"dataset": dataset, "epochs": epochs, "patience_epochs": epochs}
        jobs = [_submit(installation, training)]
        wait_until(lambda: installation.jobs.get(jobs[0].id).progress.done > 0, WITHIN_S, "the training runs")
        if scoring:
            # The same picture again would find its crops there.
            jobs.append(_submit(installation, body | {"image_ids": _upload(installation, "V1801XY")}))
        ended_s = _seconds(installation, jobs)
        measured = {"training_s": ended_s[0], "attempts": installation.jobs.get(jobs[0].id).attempt}
        return measured | ({"scoring_s": ended_s[1]} if scoring else {"first_scoring_s": alone_s})


def _prepare(installation: Installation) -> tuple[list[str], str, str]:
    """Upload a metaphase, add a classifier, and import crops to train on."""
    wiring = wire(installation.settings)
    try:
        classifier = add_classifier(wiring, "small")
    finally:
        wiring.close()
    with installation.client() as plain:
        version = imported(plain, painted_archive(per_slide=64), "bars")
    return _upload(installation, "A230150"), classifier, f"{version['name']}/{version['version']}"


def _upload(installation: Installation, cell: str) -> list[str]:
    paths = [SAMPLES / f"{cell}_{channel}.tif" for channel in CHANNELS]
    with Client(installation.url) as client:
        return list(client.upload(paths, sample="LOAD-1", channels=CHANNELS).image_ids)


def _submit(installation: Installation, body: dict[str, Any]) -> Job:
    with installation.client() as client:
        answer = client.post("/v1/jobs", json=body)
        answer.raise_for_status()
    return installation.jobs.get(answer.json()["id"])


def _seconds(installation: Installation, jobs: list[Job]) -> list[float]:
    """Wait for the ends; how long after its submission each was, by the database's clock."""

    def ended() -> bool:
        return all(installation.jobs.get(job.id).status in TERMINAL_STATUSES for job in jobs)

    wait_until(ended, WITHIN_S, "the jobs have ended")
    found = [installation.jobs.get(job.id) for job in jobs]
    for job in found:
        if job.status != "succeeded" or job.finished_at is None:
            raise SystemExit(f"Job {job.id} ended as {job.status}: {job.error}")
    return [round((job.finished_at - job.created_at).total_seconds(), 1) for job in found if job.finished_at]
