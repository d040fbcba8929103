"""Ten thousand images in one batch: uploading, reading the batch, and one job over all of them."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import tifffile

from benchmarks.load.figures import median_ms, watched
from benchmarks.load.installation import Installation, installed

SIDE_PX: Final = 64
CHANNELS: Final = '{"dapi": 0}'
POLL_S: Final = 1.0
READS: Final = 10


def measure(images: int, members: int) -> dict[str, Any]:
    """Upload ZIPs of so many members each as one batch, and segment every image.

    The pictures are tiny, a bright bar on dark ground: the network sees few pixels, and everything around it,
    from decoding to packed crops and rows, is done as for a metaphase.
    """
    with installed() as installation, watched(installation.api) as api_memory:
        folder = installation.settings.data_dir / "zips"
        archives = _archives(folder, images, members)
        with installation.client() as client:
            start = time.perf_counter()
            batch = _upload(client, archives)
            uploading_s = time.perf_counter() - start
            document = client.get(f"/v1/batches/{batch}")
            reading_ms = median_ms(lambda: client.get(f"/v1/batches/{batch}"), READS)
            listing_ms = median_ms(lambda: client.get("/v1/batches?limit=1000"), READS)
            job = _job(installation, client, batch)
        return {
            "images": images,
            "archives": len(archives),
            "archive_bytes": sum(path.stat().st_size for path in archives),
            "uploading_s": round(uploading_s, 1),
            "api": api_memory.figures(),
            "batch_document_bytes": len(document.content),
            "batch_document_items": len(document.json()["items"]),
            "batch_document_ms": reading_ms,
            "batch_list_ms": listing_ms,
            **job,
        }


def _archives(folder: Path, images: int, members: int) -> list[Path]:
    """Write ZIPs of distinct pictures."""
    folder.mkdir()
    rng, archives = np.random.default_rng(0), []
    for first in range(0, images, members):
        path = folder / f"{first:06d}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(first, min(first + members, images)):
                archive.writestr(f"{number:06d}.tif", _picture(rng))
        archives.append(path)
    return archives


def _picture(rng: np.random.Generator) -> bytes:
    plane = rng.integers(0, 12, (SIDE_PX, SIDE_PX), dtype=np.uint8)
    top, left = rng.integers(8, SIDE_PX - 40, 2)
    plane[top : top + 30, left : left + 10] += 180
    stream = io.BytesIO()
    tifffile.imwrite(stream, plane)
    return stream.getvalue()


def _upload(client: httpx.Client, archives: list[Path]) -> str:
    files = [("files", (path.name, path.open("rb"), "application/zip")) for path in archives]
    answer = client.post("/v1/batches", data={"sample": "LOAD-1", "channels": CHANNELS}, files=files)
    answer.raise_for_status()
    batch = answer.json()
    statuses = {item["status"] for item in batch["items"]}
    if statuses != {"stored"}:
        raise SystemExit(f"Some images were not stored: {json.dumps(batch['items'][:2])}")
    return str(batch["id"])


def _job(installation: Installation, client: httpx.Client, batch: str) -> dict[str, Any]:
    """Segment the batch with one worker, whose memory is watched from its first image on."""
    worker = installation.worker()
    answer = client.post("/v1/jobs", json={"kind": "segmentation", "batch_id": batch})
    answer.raise_for_status()
    path = answer.headers["Location"]
    while (job := client.get(path).json())["progress"]["done"] == 0:
        time.sleep(POLL_S)
    start = time.perf_counter()
    with watched(worker) as memory:
        while not (job := client.get(path).json())["finished_at"]:
            time.sleep(POLL_S)
    seconds = time.perf_counter() - start
    return {
        "job_status": job["status"],
        "job_s": round(seconds, 1),
        "images_per_s": round(job["progress"]["total"] / seconds, 1),
        "chromosomes": job["result"].get("chromosomes"),
        "worker": memory.figures(),
    }
