"""What the service costs beside plain Cellpose, and whether a worker's memory stays flat.

    python -m benchmarks.service ratio  --repeat 6
    python -m benchmarks.service memory --images 500

``ratio`` times the bundled metaphases from the moment they are uploaded with ``process=segmentation``
to the moment their crops are stored, and plain Cellpose in a loop on the same images and weights, in
turns on the same machine. ``memory`` samples the resident memory of the process that computes.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray

from benchmarks.segmentation.plain_cellpose import plain_masks, plain_model
from client.demo.service import DemoService
from client.http import Client

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
WEIGHTS = ROOT / "models" / "weights" / "segmenter_chromosome.safetensors"
PATTERNS = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}
CHANNELS = tuple(PATTERNS)
SAMPLE_EVERY_S = 1.0


def main() -> None:
    """Run the measurement that the first argument names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("ratio", "memory"))
    parser.add_argument("--repeat", type=int, default=6, help="copies of the bundled set per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    measured = (
        measure_ratio(options.repeat, options.rounds)
        if options.what == "ratio"
        else measure_memory(options.images)
    )
    text = json.dumps(measured, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


def measure_ratio(repeat: int, rounds: int) -> dict[str, object]:
    """Seconds per metaphase of the service over those of a plain loop, round by round."""
    cells = read_cells()
    model = plain_model(WEIGHTS.read_bytes())
    plain_masks(model, cells[0]["dapi"])  # compile and warm up, as a long-running script would have
    service_s: list[float] = []
    plain_s: list[float] = []
    with running_service() as (client, _):
        segment(client, cells, "warm-up", 1)
        for number in range(rounds):
            service_s.append(segment(client, cells, f"round-{number}", repeat) / (repeat * len(cells)))
            plain_s.append(_plain_loop(model, cells, repeat) / (repeat * len(cells)))
    ratios = [ours / theirs for ours, theirs in zip(service_s, plain_s, strict=True)]
    return {
        "metaphases_per_round": repeat * len(cells),
        "service_s_per_metaphase": service_s,
        "plain_cellpose_s_per_metaphase": plain_s,
        "ratio_median": statistics.median(ratios),
        "ratios": ratios,
    }


def measure_memory(num_images: int) -> dict[str, object]:
    """Resident memory of the computing worker over one long job."""
    cells = read_cells()
    repeat = -(-num_images // len(cells))
    with running_service() as (client, supervisor):
        segment(client, cells, "warm-up", 1)
        worker = _largest_worker(supervisor)
        samples: list[float] = []
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SAMPLE_EVERY_S):
                samples.append(worker.memory_info().rss / 2**20)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            seconds = segment(client, cells, "memory", repeat)
        finally:
            done.set()
            watcher.join()
    tenth = max(len(samples) // 10, 1)
    return {
        "images": repeat * len(cells),
        "seconds": seconds,
        "rss_mib_first_tenth": statistics.median(samples[:tenth]),
        "rss_mib_last_tenth": statistics.median(samples[-tenth:]),
        "rss_mib_max": max(samples),
        "rss_mib_every_tenth": [
            statistics.median(samples[i : i + tenth]) for i in range(0, len(samples), tenth)
        ],
    }


def segment(client: Client, cells: list[dict[str, NDArray[np.uint8]]], sample: str, repeat: int) -> float:
    """Upload copies of the cells, segment them, and return the seconds until the crops are stored."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeat):
            for index, cell in enumerate(cells):
                for channel in CHANNELS:
                    path = Path(folder) / f"{sample}-{number:04d}-{index}_{channel}.tif"
                    path.write_bytes(_distinct_copy(cell[channel], f"{sample} {number}"))
        started = time.perf_counter()
        report = client.upload([folder], sample=sample, channels=PATTERNS, process="segmentation")
        for batch in report.batches:
            if batch.job_id is None:
                raise SystemExit(f"Batch {batch.id} has no job: {batch.items[:1]}")
            job = client.wait(batch.job_id)
            if job.status != "succeeded":
                raise SystemExit(f"Job {job.id} ended as {job.status}: {job.error}")
        return time.perf_counter() - started


def read_cells() -> list[dict[str, NDArray[np.uint8]]]:
    """The bundled metaphases' planes by channel."""
    names = sorted(path.name.removesuffix("_dapi.tif") for path in SAMPLES.glob("*_dapi.tif"))
    return [{c: tifffile.imread(SAMPLES / f"{name}_{c}.tif") for c in CHANNELS} for name in names]


@contextmanager
def running_service() -> Iterator[tuple[Client, psutil.Process]]:
    """Run an embedded service on a fresh data folder."""
    with (
        tempfile.TemporaryDirectory(prefix="karyobridge-bench-") as folder,
        DemoService(ROOT, Path(folder)) as service,
    ):
        service.wait_ready()
        with Client(service.url) as client:
            yield client, psutil.Process(service.pid)


def _plain_loop(model: object, cells: list[dict[str, NDArray[np.uint8]]], repeat: int) -> float:
    """Seconds of plain Cellpose over the same images, read from bytes as a script would."""
    encoded = [_distinct_copy(cell["dapi"], "plain") for cell in cells]
    started = time.perf_counter()
    for _ in range(repeat):
        for content in encoded:
            plain_masks(model, tifffile.imread(io.BytesIO(content)))  # type: ignore[arg-type]
    return time.perf_counter() - started


def _distinct_copy(plane: NDArray[np.uint8], description: str) -> bytes:
    """The same pixels in a file of its own bytes, so that the service does not call it a duplicate."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, plane, description=description)
    return stream.getvalue()


def _largest_worker(supervisor: psutil.Process) -> psutil.Process:
    """The process that holds the network: the largest one below a worker's command."""
    workers = [p for p in supervisor.children(recursive=True) if "workers" in " ".join(p.cmdline())]
    return max(workers, key=lambda process: process.memory_info().rss)


if __name__ == "__main__":
    main()
