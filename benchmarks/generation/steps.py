"""Quality against steps, on the same weights and the same sources.

    GOMP_SPINCOUNT=3000 python -m benchmarks.generation.steps --data FOLDER --out docs/results/generation

FOLDER is the ADIR M-FISH development set. Every way of sampling generates from the same DAPI crops of
normal training chromosomes, once per seed; the spread between seeds is the noise that a difference has
to exceed. Distances to the training aberrations depend on the number of crops, so all have the same.
Seconds are of one process with torch's threads as set, batches of eight on a CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.generation.crops import aberrations, ordinary
from benchmarks.generation.generators import BRIDGE, DEVICE, Eye, bridge
from models.bridge.generator import BridgeGenerator
from models.bridge.samplers import Sampling
from models.generation.sources import Sources
from models.quality.report import CropSet

WAYS = (
    *(Sampling("dbim", steps, order=2) for steps in (5, 10, 15, 20, 50)),
    *(Sampling("dbim", steps, order=1) for steps in (10, 15)),
    *(Sampling("dbim", steps, order=3) for steps in (10, 15, 20)),
    *(Sampling("bbdm", steps) for steps in (10, 20, 50, 200)),
)


def main() -> None:
    """Measure every way that is not in the file yet, and write each at once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bridge", type=Path, default=BRIDGE)
    parser.add_argument("--crops", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="steps.json", help="two processes write two files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / options.name
    rows: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    generator, eye, real = bridge(options.bridge), Eye(), aberrations(options.data, "train")
    sources = ordinary(options.data, "train", options.crops, seed=0)
    done = {(row["sampler"], row["steps"], row["order"], row["seed"]) for row in rows}
    for sampling in WAYS:
        for seed in options.seeds:
            if (sampling.sampler, sampling.steps, sampling.order, seed) in done:
                continue
            row = measure(generator.using(sampling), replace(sources, seed=seed), real, eye)
            rows.append({**sampling.to_json(), "seed": seed, **row})
            print(json.dumps(rows[-1]), flush=True)
            file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def measure(generator: BridgeGenerator, sources: Sources, real: CropSet, eye: Eye) -> dict[str, Any]:
    """Generate and judge."""
    begun = time.perf_counter()
    made = generator.generate(sources)
    seconds = time.perf_counter() - begun
    report = eye.report(CropSet(made, sources.masks, sources.crop_ids), real).to_json()
    return {
        "crops": len(sources),
        "seconds_per_crop": seconds / len(sources),
        "frechet_distance": report["embeddings"]["frechet_distance"],
        "kernel_distance": report["embeddings"]["kernel_distance"],
        "median_max_ssim": report["max_ssim"]["generated"]["p50"],
        "two_coloured": report["diversity"]["generated"],
        "mean_probability": float(np.mean(eye.probabilities(made))),
        "device": str(DEVICE),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
