"""Seconds and memory of one classification job over as many crops as the paper's third data set had.

    GOMP_SPINCOUNT=3000 python -m benchmarks.classification.scoring_memory --out FILE
    GOMP_SPINCOUNT=3000 python -m benchmarks.classification.scoring_memory --crops 1000    # a first look

The chromosomes of the bundled metaphases, over and over in packs of their own, go through the real
pipeline: packs in a folder, rows in a Postgres that waits for the disk, run by a worker's own job
runner in this process, whose resident memory is sampled. The weights are fresh; neither speed nor
memory depends on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, insert, select, update

from api.wiring import Wiring, wire
from benchmarks.classification.workload import CHANNELS, SPEC, distinct, sample_packs
from models.classification import network
from services.artifacts.service import ArtifactService
from services.config import Settings
from services.crops.repository import CropRepository
from services.db.engine import make_engine
from services.db.migrate import upgrade
from services.db.tables import BatchRow, CropRow, ImageRow, JobRow
from services.embedded.postgres import EmbeddedPostgres
from services.ids import new_id
from services.jobs.dispatch import NullDispatcher
from services.jobs.params import ClassificationRequest
from services.jobs.transactions import PatientTransactions
from services.jobs.types import Job
from services.log import configure_logging
from services.pipelines.resources import ModelCache, Resources
from services.storage.keys import content_key, sha256_hex
from workers.runner import JobRunner, WorkerProcess

CROPS_OF_THE_PAPER = 31_507
SAMPLE_EVERY_S = 0.5
NAME = "bench"
_CACHE = ModelCache(size=1)


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", type=int, default=CROPS_OF_THE_PAPER)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    configure_logging("WARNING", "console")
    with running_parts() as wiring:
        maker, packs = store_crops(wiring, options.crops)
        add_classifier(wiring)
        run(wiring, _job_of_one_crop(wiring, maker))  # loads the network, as a worker has that runs for long
        measured = measure(wiring, maker) | {"packs": packs}
    text = json.dumps(measured, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


@contextmanager
def running_parts() -> Iterator[Wiring]:
    """Start Postgres and a folder of objects; nothing listens on a port."""
    with (
        tempfile.TemporaryDirectory(prefix="karyobridge-bench-") as folder,
        EmbeddedPostgres(Path(folder)) as postgres,
    ):
        settings = Settings(data_dir=Path(folder), database_url=postgres.url, device="cpu")
        wiring = wire(settings, engine=make_engine(postgres.url), dispatcher=NullDispatcher())
        upgrade(wiring.engine)
        try:
            yield wiring
        finally:
            wiring.close()


def store_crops(wiring: Wiring, crops: int) -> tuple[str, int]:
    """Record crops as a segmentation job leaves them; returns its id and the number of packs."""
    job_id = wiring.jobs.submit("diagnostic", {"items": 1}).id
    image_id = _add_image(wiring)
    distinct_packs = sample_packs()
    done = 0
    for number in count():
        pack = distinct(distinct_packs[number % len(distinct_packs)], done)
        key = content_key("crops", sha256_hex(content := pack.to_npz()), ".npz")
        wiring.store.put(key, content)
        kept = min(len(pack), crops - done)
        rows = [
            {
                "id": new_id("crop"),
                "origin": "segmented",
                "image_id": image_id,
                "sample": NAME,
                "job_id": job_id,
                "pack_key": key,
                "pack_index": index,
                "label": int(pack.labels[index]),
                "bbox": [0, 0, 1, 1],
                "area_px": int(pack.masks[index].sum()),
                "flags": [],
            }
            for index in range(kept)
        ]
        with wiring.sessions.begin() as session:
            CropRepository(session).add(rows)
        done += kept
        if done == crops:
            break
    with wiring.sessions.begin() as session:
        ended = {"status": "succeeded", "finished_at": func.now()}
        session.execute(update(JobRow).where(JobRow.id == job_id).values(ended))
    return job_id, number + 1


def add_classifier(wiring: Wiring) -> None:
    """Add a classifier with fresh weights that passes for a trained one."""
    weights = network.to_safetensors(network.build(seed=0))
    manifest = {"weights_sha256": sha256_hex(weights), "trained": True, **SPEC.to_json()}
    with wiring.sessions.begin() as session:
        ArtifactService(session, wiring.store).add(
            "classifier", NAME, manifest, {"weights.safetensors": weights}
        )


def run(wiring: Wiring, job: Job) -> Job:
    """Claim and run a job as a worker does, in this process."""
    resources = Resources(wiring.sessions, wiring.store, wiring.settings, _CACHE)
    transactions = PatientTransactions(wiring.sessions, wiring.sessions, wiring.settings.lease_s)
    process = WorkerProcess(name=NAME, stopping=lambda: False, end=lambda: None)
    JobRunner(resources, transactions, NullDispatcher(), process).run(job.id)
    ended = wiring.jobs.get(job.id)
    if ended.status != "succeeded":
        raise SystemExit(f"Job {job.id} ended as {ended.status}: {ended.error}")
    return ended


def measure(wiring: Wiring, maker: str) -> dict[str, Any]:
    """Run one job over all crops, and sample this process's resident memory."""
    request = ClassificationRequest(kind="classification", job_id=maker, classifier=f"{NAME}/1")
    started = time.perf_counter()
    job = wiring.submissions.submit(request)
    submit_s = time.perf_counter() - started
    samples: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_EVERY_S):
            samples.append(psutil.Process().memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        crops = run(wiring, job).result["crops"]
    finally:
        done.set()
        watcher.join()
    seconds = time.perf_counter() - started
    tenth = max(len(samples) // 10, 1)
    return {
        "crops": crops,
        "crops_per_pack": round(statistics.mean(map(len, sample_packs()))),
        "submit_s": submit_s,
        "seconds": seconds,
        "crops_per_s": crops / seconds,
        "rss_mib_first_tenth": statistics.median(samples[:tenth]),
        "rss_mib_last_tenth": statistics.median(samples[-tenth:]),
        "rss_mib_max": max(samples),
        "rss_mib_every_tenth": [
            statistics.median(samples[i : i + tenth]) for i in range(0, len(samples), tenth)
        ],
    }


def _job_of_one_crop(wiring: Wiring, maker: str) -> Job:
    with wiring.sessions() as session:
        crop_id = session.scalar(select(CropRow.id).where(CropRow.job_id == maker).limit(1))
    request = ClassificationRequest(kind="classification", crop_ids=(str(crop_id),), classifier=f"{NAME}/1")
    return wiring.submissions.submit(request)


def _add_image(wiring: Wiring) -> str:
    """One image for all crops: what matters here is how its channels are called."""
    batch_id, image_id = new_id("batch"), new_id("img")
    image = {
        "id": image_id,
        "batch_id": batch_id,
        "sample": NAME,
        "filename": NAME,
        "sha256": "",
        "identity_sha256": "",
        "height": 1,
        "width": 1,
        "channels": list(CHANNELS),
        "bit_depth": 8,
        "sources": [],
        "layout": {},
    }
    with wiring.sessions.begin() as session:
        session.execute(insert(BatchRow).values(id=batch_id, sample=NAME, items=[]))
        session.execute(insert(ImageRow).values(image))
    return image_id


if __name__ == "__main__":
    main()
