"""Generation: real crops in, packs of synthetic crops out, one batch of sources at a time.

Memory holds one pack, one network and one batch, however many crops the job makes. What is made of a
source follows from its pixels, its id, its sample number and the seed, and a pack from its crops alone:
a job that was interrupted ends with the same bytes as one that was not. A batch's pack is stored
first; then one transaction records its crops, how each was made, and the item.
"""

from __future__ import annotations

from typing import Any

from models.classification.preprocessing import PreprocessingError
from models.segmentation.crops import CropPackError
from services import tracing
from services.errors import NotFoundError
from services.generation.repository import SyntheticRepository
from services.generation.selection import read_batches
from services.generation.types import SourceBatch
from services.jobs.context import JobContext
from services.jobs.params import GenerationParams
from services.jobs.types import JobItem
from services.pipelines.errors import ItemError
from services.pipelines.generation_batches import LastPack, generate_batch
from services.pipelines.generation_report import quality_of
from services.pipelines.generators import GENERATOR_FAILURES, OpenGenerator, open_generator
from services.pipelines.resources import Resources
from services.storage.base import ObjectNotFoundError

_UNIT = "batches"


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Make synthetic crops of every pending batch; returns counts, links and figures of the quality report.

    Raises
    ------
    KaryobridgeError
        The generator or the list of sources cannot be loaded; single batches that fail are recorded and
        passed over.
    """
    job = context.job
    opened = open_generator(job, resources)
    batches = read_batches(resources.store, job.inputs["selection_key"])
    with resources.session_factory() as session:
        done, _ = SyntheticRepository(session).count(job.id)
    total, packs = job.inputs["synthetic_crops"], LastPack(resources.store)
    for item in context.pending():
        context.check()
        context.progress(0, 0, _UNIT, f"{done:,} of {total:,} crops")
        context.begin(item)
        done += _run_item(context, resources, packs, item, batch=batches[item.position], opened=opened)
    context.progress(0, 0, _UNIT, f"{done:,} of {total:,} crops")
    with resources.session_factory() as session:
        crops, sources = SyntheticRepository(session).count(job.id)
    links = {
        "crops": f"/v1/crops?job={job.id}",
        "items": f"/v1/jobs/{job.id}/items",
        "samples": f"/v1/jobs/{job.id}/samples.png",
    }
    result: dict[str, Any] = {
        "crops": crops,
        "sources": sources,
        "generator": opened.ref,
        "links": links,
    }
    if crops and job.params["quality"]:
        context.progress(0, 0, _UNIT, f"{done:,} of {total:,} crops; comparing them with real ones")
        context.tell()
        quality = result["quality"] = quality_of(context, resources, opened)
        if quality["status"] == "made":
            links["quality"] = f"/v1/jobs/{job.id}/quality"
        context.progress(0, 0, _UNIT, f"{done:,} of {total:,} crops")
    return result


def _run_item(
    context: JobContext,
    resources: Resources,
    packs: LastPack,
    item: JobItem,
    *,
    batch: SourceBatch,
    opened: OpenGenerator,
) -> int:
    """Work on one batch; returns how many crops it made."""
    params = GenerationParams.model_validate(context.job.params)
    try:
        with tracing.span("generate"):
            made = generate_batch(resources, packs, batch, opened=opened, params=params, check=context.check)
    except (CropPackError, PreprocessingError, *GENERATOR_FAILURES) as error:
        context.fail(item, ItemError.of(error))
    except (NotFoundError, ObjectNotFoundError) as error:
        context.fail(item, error)
    else:
        context.record(item, made.outputs, lambda session: made.write(session, item.job_id))
        return len(made.crops)
    return 0
