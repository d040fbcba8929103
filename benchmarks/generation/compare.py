r"""Generators side by side, on the same real chromosomes.

    GOMP_SPINCOUNT=3000 python -m benchmarks.generation.compare --data FOLDER --out docs/results/generation \
        --cyclegan FOLDER/manifest.json

FOLDER is the ADIR M-FISH development set. Every generator starts from the same normal chromosomes of the
training slides, as many as there are training aberrations, and is held against those aberrations, and
against the validation ones, which it never saw. The bridge samples as its manifest says.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.generation.crops import aberrations, ordinary
from benchmarks.generation.generators import DEVICE, Eye, compared
from models.generation.sources import DAPI, Sources
from models.quality.report import CropSet, QualityReport
from services.pipelines.quality_pictures import diversity_png, ssim_png

SHOWN = 14


def main() -> None:
    """Generate, measure, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cyclegan", type=Path, help="manifest.json, with weights.safetensors beside it")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    eye = Eye()
    real, held_out = (aberrations(options.data, split) for split in ("train", "val"))
    sources = ordinary(options.data, "train", len(real), seed=0)
    made, rows, reports = {}, {}, {}
    for name, generator in compared(options.cyclegan).items():
        begun = time.perf_counter()
        made[name] = generator.generate(sources)
        seconds = (time.perf_counter() - begun) / len(sources)
        crops = CropSet(made[name], sources.masks, sources.crop_ids)
        reports[name] = eye.report(crops, real)
        rows[name] = {
            "seconds_per_crop": seconds,
            "device": str(DEVICE),
            "against_training": reports[name].to_json(),
            "against_validation": eye.report(crops, held_out).to_json(),
            **seen(eye, made[name]),
        }
        print(name, json.dumps(rows[name]["against_training"]["max_ssim"]), flush=True)
    rows["real, validation"] = {
        "against_training": eye.report(held_out, real).to_json(),
        **seen(eye, held_out.canvases),
    }
    rows["sources, real normals"] = seen(eye, sources.canvases)
    (options.out / "compared.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    draw(options.out, reports, made, sources, real)


def seen(eye: Eye, canvases: NDArray[np.uint8]) -> dict[str, Any]:
    """What the classifier, which never saw a synthetic crop, thinks of them."""
    probabilities = eye.probabilities(canvases)
    return {
        "median_probability": float(np.median(probabilities)),
        "above_threshold": float((probabilities >= eye.threshold).mean()),
    }


def draw(
    out: Path,
    reports: dict[str, QualityReport],
    made: dict[str, NDArray[np.uint8]],
    sources: Sources,
    real: CropSet,
) -> None:
    """Write figure 5 of the paper, the colours covered, and a contact sheet."""
    report = next(iter(reports.values()))
    values = {name: one.ssim.values for name, one in reports.items()}
    (out / "max_ssim.png").write_bytes(ssim_png(values, report.real_ssim.values))
    diversities = {"real": report.real_diversity}
    diversities |= {name: one.generated_diversity for name, one in reports.items()}
    (out / "diversity.png").write_bytes(diversity_png(diversities))
    rows = [sources.canvases[:, [DAPI] * 3], sources.canvases, *made.values(), real.canvases]
    sheet = np.concatenate([np.concatenate(list(row[:SHOWN]), axis=2) for row in rows], axis=1)
    picture = np.ascontiguousarray(sheet.transpose(1, 2, 0)[..., ::-1])
    cv2.imwrite(str(out / "samples.png"), picture)


if __name__ == "__main__":
    main()
