"""Scoring: from images to scores in one job, each image segmented and then classified at once.

What is recorded is what a segmentation and a classification job would have recorded, in one
transaction per image: an image is scored or it is not, and a retry repeats both steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from services.crops.canvases import canvases_of
from services.images.repository import Image, ImageRepository
from services.jobs.context import JobContext
from services.jobs.types import JobItem
from services.pipelines.errors import ItemError
from services.pipelines.resources import Resources
from services.pipelines.scores import MODEL_FAILURES, Judge, Judgement, close, leaves_parts, open_judge
from services.pipelines.segmentation import ITEM_FAILURES, Finder, SegmentedImage, open_finder, segment_image
from services.predictions.assembly import put_part
from services.segmentations.repository import SegmentationRepository


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Score every pending image of a job; returns counts and links.

    Raises
    ------
    KaryobridgeError
        A network cannot be loaded; single images that fail are recorded and passed over.
    """
    leaves_parts(context, resources)
    finder, judge = open_finder(context.job, resources), open_judge(context.job, resources)
    items = context.pending()
    with resources.session_factory() as session:
        images = {image.id: image for image in ImageRepository(session).require([i.input_id for i in items])}
    for item in items:
        context.check()
        context.begin(item)
        _run_item(context, resources, item, images[item.input_id], finder=finder, judge=judge)
    result = close(context, resources, judge)
    with resources.session_factory() as session:
        totals = SegmentationRepository(session).totals(context.job.id)
    found = f"/v1/crops?job={context.job.id}"
    links = result.pop("links") | {"crops": found, "most_suspicious": f"{found}&sort=-probability"}
    return {
        "images": totals.images,
        "chromosomes": totals.chromosomes,
        "touching": totals.touching,
        **result,
        "segmenter": finder.ref,
        "weights_sha256": {
            "segmenter": finder.weights_sha256,
            "classifier": judge.classifier.weights_sha256,
        },
        "links": links,
    }


def _run_item(
    context: JobContext, resources: Resources, item: JobItem, image: Image, *, finder: Finder, judge: Judge
) -> None:
    try:
        segmented = segment_image(resources.store, image, finder, item.job_id)
        judgement = _judge(segmented, judge)
    except MODEL_FAILURES as error:
        context.fail(item, ItemError.of(error))
    except ITEM_FAILURES as error:
        context.fail(item, error)
    else:
        put_part(resources.store, item.job_id, item.position, judgement.embeddings)
        context.record(item, segmented.outputs | judgement.outputs, _writer(item, segmented, judgement))


def _judge(segmented: SegmentedImage, judge: Judge) -> Judgement:
    canvases = canvases_of(
        segmented.pack,
        range(len(segmented.pack)),
        segmented.channels,
        judge.classifier.spec.preprocessing,
        rendered=False,
    )
    return judge.judge(segmented.crop_ids, canvases)


def _writer(item: JobItem, segmented: SegmentedImage, judgement: Judgement) -> Callable[[Session], None]:
    def write(session: Session) -> None:
        segmented.write(session)
        judgement.write(session, item.job_id, item.position)

    return write
