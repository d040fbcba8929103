"""How well channel registration finds the true shifts of the development metaphases.

Run `python -m benchmarks.registration --data PATH/mfish [--subset val] [--out FILE.json]`. Every
fluorochrome plane of every metaphase with known `plane_shifts` is laid on DAPI; the error is the distance
in pixels between the estimated and the recorded shift. Plain phase correlation and no registration at all
are printed beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation

from services.images.registration import estimate_shift

Plane = NDArray[np.generic]
Shift = tuple[float, float]
# An error beyond this many pixels counts as a failure: a chromosome is about ten pixels wide.
FAILURE_PX = 2.0
SUBSETS = ("train", "val", "test")


@dataclass(frozen=True)
class KnownShift:
    """One fluorochrome plane, its DAPI plane, and the shift recorded for it."""

    metaphase: str
    letter: str
    subset: str
    dapi: Plane
    plane: Plane
    shift_px: Shift


def known_shifts(data: Path, subsets: tuple[str, ...]) -> Iterator[KnownShift]:
    """Read every plane of the named subsets whose shift is recorded."""
    with (data / "metaphases.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["subset"] in subsets and row["plane_shifts"]]
    for row in rows:
        stem = data / "images" / row["metaphase"][:3] / row["metaphase"]
        dapi = tifffile.imread(f"{stem}D.tif")
        for letter, (dy, dx) in json.loads(row["plane_shifts"]).items():
            plane = tifffile.imread(f"{stem}{letter}.tif")
            yield KnownShift(row["metaphase"], letter, row["subset"], dapi, plane, (dy, dx))


def ours(dapi: Plane, plane: Plane) -> tuple[Shift, bool]:
    """What the service does."""
    estimate = estimate_shift(dapi, plane)
    return estimate.shift_px, estimate.reliable


def plain_phase_correlation(dapi: Plane, plane: Plane) -> tuple[Shift, bool]:
    """scikit-image's phase correlation of the raw planes, a tenth of a pixel fine."""
    shift, _, _ = phase_cross_correlation(
        dapi.astype(np.float32), plane.astype(np.float32), upsample_factor=10
    )
    return (float(shift[0]), float(shift[1])), True


def unregistered(_dapi: Plane, _plane: Plane) -> tuple[Shift, bool]:
    """Leave the planes where they are."""
    return (0.0, 0.0), True


METHODS: dict[str, Callable[[Plane, Plane], tuple[Shift, bool]]] = {
    "service": ours,
    "phase correlation": plain_phase_correlation,
    "none": unregistered,
}


def measure(known: list[KnownShift], method: str) -> dict[str, Any]:
    """Errors of one method over planes, in pixels, with the worst ones named."""
    started = time.perf_counter()
    results = [METHODS[method](item.dapi, item.plane) for item in known]
    seconds = time.perf_counter() - started
    errors = np.array(
        [
            np.hypot(s[0] - i.shift_px[0], s[1] - i.shift_px[1])
            for (s, _), i in zip(results, known, strict=True)
        ]
    )
    reliable = np.array([flag for _, flag in results])
    worst = [
        {"plane": known[k].metaphase + known[k].letter, "error_px": round(float(errors[k]), 2),
         "reliable": bool(reliable[k])}
        for k in np.argsort(errors)[::-1][:5]
    ]  # fmt: skip
    return {
        "planes": len(known),
        "median_px": round(float(np.median(errors)), 3),
        "p95_px": round(float(np.percentile(errors, 95)), 3),
        "worst_px": round(float(errors.max()), 3),
        "failures": int((errors[reliable] > FAILURE_PX).sum()),
        "unreliable": int((~reliable).sum()),
        "seconds_per_plane": round(seconds / len(known), 4),
        "worst": worst,
    }


def main() -> None:
    """Measure, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the mfish folder")
    parser.add_argument("--subset", choices=SUBSETS, action="append", help="repeatable; all when left out")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    report: dict[str, dict[str, Any]] = {}
    print("| subset | method | planes | median px | 95 % px | worst px | failures | unreliable | s / plane |")
    print("|---|---|---|---|---|---|---|---|---|")
    for subset in arguments.subset or SUBSETS:
        known = list(known_shifts(arguments.data, (subset,)))
        for method in METHODS:
            row = measure(known, method)
            report.setdefault(subset, {})[method] = row
            cells = [subset, method, *(row[key] for key in list(row)[:-1])]
            print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
