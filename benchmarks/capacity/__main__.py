"""How many workers 1,000 metaphases a minute need: ``python -m benchmarks.capacity``.

Writes a table, a figure and the numbers below docs/results. ``--real`` also runs a small queue for real
and holds the simulation against it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.capacity.figure import draw
from benchmarks.capacity.queueing import Load, Workers, simulate
from benchmarks.capacity.real import measured
from benchmarks.capacity.traces import Footprint, footprint_per_day

RESULTS: Final = Path(__file__).resolve().parents[2] / "docs" / "results"
FOOTPRINT: Final = RESULTS / "footprint.json"
# Samples of 50 metaphases, four of which arrive together when a scanner's magazine ends.
LOAD: Final = Load(images_per_min=1000.0, images_per_job=50.0, burst=4)
# Seconds per metaphase of one worker. Only the first was measured (docs/results/service.md: a worker
# with 2 cores, upload to stored crops); the others are what a GPU may bring.
IMAGE_S: Final = (2.0, 0.5, 0.2, 0.1)
IMAGE_SPREAD: Final = 0.4
JOB_S: Final = 0.5
DURATION_S: Final = 4 * 3600.0
# A LIMS should not wait for a worker longer than this in 95 of 100 cases.
AIM_P95_S: Final = 60.0
REAL_LOAD: Final = Load(images_per_min=150.0, images_per_job=4.0, burst=2)
REAL_WORKERS: Final = Workers(number=2, image_s=0.5, image_spread=1e-3, job_s=0.0)


def main() -> None:
    """Simulate, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="also run a small queue for real (minutes)")
    parser.add_argument("--real-s", type=float, default=180.0, help="seconds of arrivals of the real run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    curves = {image_s: curve(image_s, options.seed) for image_s in IMAGE_S}
    result: dict[str, Any] = {
        "load": vars(LOAD),
        "aim_p95_s": AIM_P95_S,
        "needed": [needed(image_s, rows) for image_s, rows in curves.items()],
        "curves": {str(image_s): rows for image_s, rows in curves.items()},
    }
    if FOOTPRINT.exists():
        told = Footprint.read(FOOTPRINT)
        result["per_day"] = footprint_per_day(told, LOAD.images_per_min)
    if options.real:
        result["real"] = held_against_reality(options.real_s, options.seed)
    print_tables(result)
    (RESULTS / "capacity.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    draw(curves, LOAD, AIM_P95_S, RESULTS / "capacity.png")


def curve(image_s: float, seed: int) -> list[dict[str, float]]:
    """Simulate from as many workers as can just keep up to well above that."""
    least = math.ceil(LOAD.images_per_min / 60 * image_s)
    rows = []
    for number in sorted({math.ceil(least * factor) for factor in np.linspace(1.02, 1.8, 14)}):
        outcome = simulate(LOAD, Workers(number, image_s, IMAGE_SPREAD, JOB_S), DURATION_S, seed)
        wait = outcome.percentiles(outcome.waits_s)
        time = outcome.percentiles(outcome.times_s)
        row = {"workers": number, "busy": outcome.busy}
        row |= dict(zip(("wait_p50_s", "wait_p95_s", "wait_p99_s"), wait, strict=True))
        row |= dict(zip(("result_p50_s", "result_p95_s", "result_p99_s"), time, strict=True))
        rows.append(row)
    return rows


def needed(image_s: float, rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the row with the fewest workers that reach the aim."""
    return {"image_s": image_s} | next(row for row in rows if row["wait_p95_s"] <= AIM_P95_S)


def held_against_reality(duration_s: float, seed: int) -> dict[str, Any]:
    """Run a queue for real, and simulate the very same arrivals with the overhead that was measured."""
    waits, job_s = measured(REAL_LOAD, REAL_WORKERS, duration_s, seed)
    workers = Workers(REAL_WORKERS.number, REAL_WORKERS.image_s, REAL_WORKERS.image_spread, job_s)
    predicted = simulate(REAL_LOAD, workers, duration_s, seed, warm_up=0.0)
    names = ("p50_s", "p95_s", "p99_s")
    return {
        "load": vars(REAL_LOAD),
        "workers": vars(workers),
        "jobs": int(waits.size),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "measured": dict(zip(names, predicted.percentiles(waits), strict=True))
        | {"mean_s": float(waits.mean())},
        "predicted": dict(zip(names, predicted.percentiles(predicted.waits_s), strict=True))
        | {"mean_s": float(predicted.waits_s.mean())},
    }


def print_tables(result: dict[str, Any]) -> None:
    """Print what docs/results/capacity.md shows."""
    print("| seconds per metaphase | workers | busy | wait p50 / p95 / p99, s | result p50 / p95 / p99, s |")
    print("|---|---|---|---|---|")
    for row in result["needed"]:
        wait, time = (
            " / ".join(f"{row[f'{what}_{rank}_s']:.0f}" for rank in ("p50", "p95", "p99"))
            for what in ("wait", "result")
        )
        print(f"| {row['image_s']:g} | {row['workers']} | {row['busy']:.0%} | {wait} | {time} |")
    for name, value in result.get("per_day", {}).items():
        print(f"{name}: {value:,.0f}")
    if "real" in result:
        print(json.dumps(result["real"], indent=1))


if __name__ == "__main__":
    main()
