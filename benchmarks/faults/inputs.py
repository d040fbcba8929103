"""What the small jobs work on: stored once per installation, the same pixels every time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.faults.stage import Stage
from client.http import Client
from services.jobs.params import SimulationRequest
from tests.support.classifiers import add_classifier
from tests.support.datasets import imported
from tests.support.filtered import embeddings_of
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.generated import add_bridge
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.painted import painted_archive

SAMPLES: Final = Path(__file__).resolve().parents[2] / "samples"
CHANNELS: Final = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}
CELLS: Final = ("A230150", "P0704XY", "V1801XY", "V280162")
SIDE_PX: Final = 160
PACKS: Final = 4
CROPS_PER_PACK: Final = 6
TO_STUDY: Final[Mapping[str, Any]] = {
    "preset": "easy",
    "train_slides": 2,
    "val_slides": 1,
    "test_slides": 1,
    "train_aberrations": 8,
    "val_aberrations": 3,
    "test_aberrations": 3,
    "normal_ratio": 1.5,
    "unlabelled": 4,
}


@dataclass(frozen=True)
class Inputs:
    """References and ids of everything that jobs are given."""

    images: tuple[str, ...]
    scored_images: tuple[str, ...]
    drawn_images: tuple[str, ...]
    crops: tuple[str, ...]
    bars: str
    few_bars: str
    simulated: str
    classifier: str
    fitted_classifier: str
    filter: str
    generator: str
    weights: Path


def prepare(stage: Stage) -> Inputs:
    """Upload, import and add everything."""
    wiring = stage.wiring
    classifier = add_classifier(wiring, "faults")
    with stage.client() as client:
        images = upload_cells(client, "segmented", CELLS[:3])
        scored = upload_cells(client, "scored", CELLS[2:], offset=64)
        drawn = tuple(upload_drawn(stage, client, cell, slide) for slide, cell in enumerate(CELLS[:2]))
        with httpx.Client(base_url=client.transport.base_url, timeout=60) as plain:
            bars = imported(plain, painted_archive(per_slide=24), "bars")
            few = imported(plain, painted_archive(per_slide=8), "few-bars")
    simulation = SimulationRequest(kind="simulation", name="for-studies", **TO_STUDY)
    made = run_here(wiring, wiring.submissions.submit(simulation).id)
    return Inputs(
        images=images,
        scored_images=scored,
        drawn_images=drawn,
        crops=fresh_crops(stage),
        bars=f"{bars['name']}/{bars['version']}",
        few_bars=f"{few['name']}/{few['version']}",
        simulated=str(made.result["dataset"]),
        classifier=classifier,
        # One of its own: the newest filter of a classifier judges what that one classifies.
        fitted_classifier=add_classifier(wiring, "fitted", seed=1),
        filter=add_filter(wiring, filter_on(wiring, classifier, embeddings_of(NUM_ROWS)), "faults"),
        generator=add_bridge(wiring),
        weights=SAMPLES.parent / "models" / "weights" / "segmenter_chromosome.safetensors",
    )


def fresh_crops(stage: Stage) -> tuple[str, ...]:
    """Store crops that no job has seen, the same pixels under new ids; ascending, pack by pack."""
    return tuple(
        sorted(
            crop for seed in range(PACKS) for crop in import_crops(stage.wiring, CROPS_PER_PACK, seed=seed)
        )
    )


def upload_cells(
    client: Client, sample: str, cells: tuple[str, ...], *, offset: int = 0, slide: str | None = None
) -> tuple[str, ...]:
    """Upload windows of the bundled metaphases; returns the images' ids, in the order of the cells."""
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells:
            for channel in CHANNELS:
                plane = tifffile.imread(SAMPLES / f"{cell}_{channel}.tif")
                tifffile.imwrite(Path(folder) / f"{cell}_{channel}.tif", window(plane, offset))
        report = client.upload([folder], sample=sample, channels=CHANNELS, slide=slide)
    return tuple(sorted(report.image_ids))


def upload_drawn(stage: Stage, client: Client, cell: str, slide: int) -> str:
    """Upload one cell as a slide of its own, with the outlines that people drew."""
    (image_id,) = upload_cells(client, "drawn", (cell,), slide=f"slide-{slide}")
    with tempfile.NamedTemporaryFile(suffix=".tif") as file:
        masks = window(tifffile.imread(SAMPLES / "masks" / f"{cell}.tif"), 0)
        tifffile.imwrite(file.name, masks, photometric="minisblack")
        stage.wiring.annotations.put_masks(image_id, Path(file.name).read_bytes(), "faults")
    return image_id


def window(pixels: NDArray[Any], offset: int) -> NDArray[Any]:
    """Return the middle of the last two axes, moved aside by `offset`."""
    top = (pixels.shape[-2] - SIDE_PX) // 2
    left = (pixels.shape[-1] - SIDE_PX) // 2 + offset
    return np.ascontiguousarray(pixels[..., top : top + SIDE_PX, left : left + SIDE_PX])
