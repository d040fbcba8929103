"""Simulating a data set version: chromosomes drawn from nothing, packed and frozen like imported ones.

Every crop follows from seed, slide, class and number, so a job that starts again makes the same data set.
"""

from __future__ import annotations

from typing import Any, Final

from models.simulation.difficulty import Difficulty
from models.simulation.scene import SimulatedCrop, Simulator, SlideCounts
from services.datasets.packing import CropPacker
from services.datasets.recording import record_simulated
from services.datasets.simulated import check_difficulty
from services.datasets.types import SPLITS, DatasetVersion, Description, NewItem, PackedCrop
from services.images.crop_files import CropPicture
from services.jobs.context import JobContext
from services.jobs.params import SimulationParams
from services.pipelines.resources import Resources

UNIT: Final = "crops"
_LETTERS: Final = {"train": "T", "val": "V", "test": "E"}


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Simulate, pack and freeze.

    Raises
    ------
    InvalidInputError
        The difficulty has a knob that nothing can be simulated with.
    StoreUnavailableError
        The object store is away.
    """
    params = SimulationParams.model_validate(context.job.params)
    difficulty = check_difficulty(params.preset, params.difficulty)
    counts = slides_of(params)
    packer = CropPacker(resources.store)
    crops = []
    for crop in Simulator(difficulty, params.seed).crops(
        {name: wanted for slides in counts.values() for name, wanted in slides.items()}, context.check
    ):
        grey = crop.crop_class == "unlabelled"
        packer.add(crop.crop_id, CropPicture(crop.pixels, crop.mask, grey))
        crops.append(_told(crop))
        context.progress(len(crops), params.num_crops, UNIT, f"slide {crop.slide}")
    split_of = {name: split for split, slides in counts.items() for name in slides}
    items = [
        _item(packed, told, split_of[told["slide"]])
        for packed, told in zip(packer.finish(), crops, strict=True)
    ]
    version = _freeze(context, resources, params, difficulty, items)
    context.progress(len(crops), params.num_crops, UNIT, "done")
    return {
        "dataset": version.ref,
        "crops": len(items),
        "overlapped": sum(told["overlap_share"] > 0 for told in crops),
        "links": {"dataset": f"/v1/datasets/{version.ref}"},
    }


def slides_of(params: SimulationParams) -> dict[str, dict[str, SlideCounts]]:
    """Share the crops out among slides: by split and slide, as evenly as they go."""
    counts: dict[str, dict[str, SlideCounts]] = {}
    for split in SPLITS:
        number = getattr(params, f"{split}_slides")
        aberrations = getattr(params, f"{split}_aberrations")
        normals = round(aberrations * params.normal_ratio)
        unlabelled = params.unlabelled if split == "train" else 0
        shares = zip(*(_even(count, number) for count in (normals, aberrations, unlabelled)), strict=True)
        counts[split] = {
            f"{_LETTERS[split]}{index:02d}": SlideCounts(*share) for index, share in enumerate(shares, 1)
        }
    return counts


def _even(count: int, parts: int) -> list[int]:
    return [count // parts + (index < count % parts) for index in range(parts)]


def _told(crop: SimulatedCrop) -> dict[str, Any]:
    """What is kept of a crop once its pixels are packed."""
    return {"slide": crop.slide, "class": crop.crop_class, "overlap_share": crop.truth.overlap_share}


def _item(packed: PackedCrop, told: dict[str, Any], split: str) -> NewItem:
    return NewItem(
        name=packed.name,
        item_class=told["class"],
        split=split,
        group=told["slide"],
        chromosome=packed.dapi_key,
        sha256=packed.sha256,
        crop=packed,
    )


def _freeze(
    context: JobContext,
    resources: Resources,
    params: SimulationParams,
    difficulty: Difficulty,
    items: list[NewItem],
) -> DatasetVersion:
    how = {"simulation": params.model_dump(mode="json") | {"difficulty": difficulty.to_json()}}
    about = Description(params.name, params.licence, params.description)
    with resources.session_factory.begin() as session:
        return record_simulated(session, about, items, how, job_id=context.job.id)
