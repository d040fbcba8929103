"""Classification: packed crops in, probabilities and embeddings out, one pack at a time.

Memory holds one pack and one network, however many crops the job has. An item's embeddings are stored
first; then one transaction records its predictions and the item. In the end the embeddings of all
items become one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from models.segmentation.crops import CropPack, CropPackError
from services.crops.canvases import canvases_of_crops
from services.crops.repository import CropRepository
from services.errors import NotFoundError
from services.jobs.context import JobContext
from services.jobs.types import Job, JobItem
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.pipelines.scores import MODEL_FAILURES, Judge, Judgement, close, leaves_parts, open_judge
from services.predictions.assembly import put_part
from services.predictions.selection import read_selection
from services.storage.base import ObjectNotFoundError


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Classify the crops of every pending pack; returns counts and links.

    Raises
    ------
    KaryobridgeError
        The classifier or the list of crops cannot be loaded; single packs that fail are recorded and
        passed over.
    """
    leaves_parts(context, resources)
    judge = open_judge(context.job, resources)
    selection = read_selection(resources.store, context.job.inputs["selection_key"])
    for item in context.pending():
        context.check()
        context.begin(item)
        _run_item(context, resources, item, selection[item.position], judge)
    result = close(context, resources, judge)
    links = result.pop("links") | _crops_link(context.job)
    return result | {"weights_sha256": judge.classifier.weights_sha256, "links": links}


def _run_item(
    context: JobContext, resources: Resources, item: JobItem, crop_ids: Sequence[str], judge: Judge
) -> None:
    try:
        judgement = _classify(resources, item.input_id, crop_ids, judge)
    except (CropPackError, *MODEL_FAILURES) as error:
        context.fail(item, ItemError.of(error))
    except (NotFoundError, ObjectNotFoundError) as error:
        context.fail(item, error)
    else:
        put_part(resources.store, item.job_id, item.position, judgement.embeddings)
        outputs = {"crops": len(crop_ids), **judgement.outputs}
        context.record(item, outputs, lambda session: judgement.write(session, item.job_id, item.position))


def _classify(resources: Resources, pack_key: str, crop_ids: Sequence[str], judge: Judge) -> Judgement:
    with resources.session_factory() as session:
        crops = CropRepository(session).packed(crop_ids)
    pack = CropPack.from_npz(resources.store.get(pack_key))
    return judge.judge(crop_ids, canvases_of_crops(pack, crops, judge.classifier.spec.preprocessing))


def _crops_link(job: Job) -> dict[str, str]:
    """Where the job's crops are listed, most suspicious first, if one list holds them all."""
    for name, parameter in (("job_id", "job"), ("sample", "sample"), ("dataset", "dataset")):
        if name in job.inputs:
            query = {
                parameter: job.inputs[name],
                "classifier": job.artifacts["classifier"],
                "sort": "-probability",
            }
            return {"crops": f"/v1/crops?{urlencode(query)}"}
    return {}
