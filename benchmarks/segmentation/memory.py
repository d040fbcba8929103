"""Peak memory of segmenting a large image: a mosaic of one real metaphase.

python -m benchmarks.segmentation.memory --image samples/A230150_dapi.tif --side 8192
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import tifffile
import torch

from models.segmentation.segmenter import CellposeSegmenter

WEIGHTS = Path(__file__).parents[2] / "models" / "weights" / "segmenter_chromosome.safetensors"


def main() -> None:
    """Segment one tile of the mosaic, then the mosaic, and print counts and peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    cell = np.asarray(tifffile.imread(options.image))
    segmenter = CellposeSegmenter(options.weights.read_bytes(), torch.device("cpu"))
    single = segmenter.segment(cell)
    before_bytes = _peak_bytes()
    rows, cols = options.side // cell.shape[0], options.side // cell.shape[1]
    mosaic = np.zeros((options.side, options.side), cell.dtype)
    mosaic[:] = np.median(cell)
    mosaic[: rows * cell.shape[0], : cols * cell.shape[1]] = np.tile(cell, (rows, cols))
    started = time.perf_counter()
    found = segmenter.segment(mosaic)
    seconds = time.perf_counter() - started
    print(f"1 cell: {len(single.instances)} chromosomes, peak {before_bytes / 2**20:.0f} MiB")
    print(
        f"{rows} x {cols} cells, {options.side} x {options.side} px: {len(found.instances)} chromosomes, "
        f"{rows * cols * len(single.instances)} expected, {seconds:.0f} s, "
        f"peak {_peak_bytes() / 2**20:.0f} MiB"
    )


def _peak_bytes() -> int:
    """Largest resident size of this process so far (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
