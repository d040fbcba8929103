"""Chromosomes, one by one, and what people say of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.auth import CurrentCaller, needs
from api.caching import bytes_answer
from api.dependencies import CurrentPage, CurrentWiring, Reader, Writer
from api.openapi import problem
from api.schemas.common import Line, PageView
from api.schemas.crops import AnnotationRequest, CropView
from api.schemas.predictions import EmbeddingView, NeighboursView, NeighbourView
from services.artifacts.service import ArtifactService
from services.crops.service import CropService
from services.crops.types import CropClass, CropFilter, CropOrigin, CropSort
from services.filtering.verdicts import asked_decision
from services.jobs.params import ARTIFACT_REF, DATASET_REF
from services.predictions.classifiers import exact_classifier
from services.predictions.service import MAX_NEIGHBOURS
from services.predictions.types import NeighbourFilter, PredictedClass

router = APIRouter(prefix="/v1/crops", tags=["crops"])


Probability = Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)]
OfClassifier = Annotated[
    str | None,
    Query(
        pattern=ARTIFACT_REF, description="As `name/version` or `name/alias`.", examples=["translocation/1"]
    ),
]
InJob = Annotated[Line | None, Query(description="Id of the job that made the crops.")]
OfSample = Annotated[Line | None, Query(description="The LIMS accession.")]
OfOrigin = Annotated[CropOrigin | None, Query(description="Where crops come from.")]


OfFilter = Annotated[
    str | None,
    Query(
        pattern=ARTIFACT_REF, description="As `name/version` or `name/alias`.", examples=["translocation/1"]
    ),
]


@router.get(
    "",
    dependencies=[needs("read")],
    responses={
        404: problem("There is no such classifier or filter, or no such job where a level is given."),
        409: problem("The job that filtered has not ended, and a level is given."),
    },
)
def list_crops(
    *,
    session: Reader,
    wiring: CurrentWiring,
    page: CurrentPage,
    image: Annotated[Line | None, Query(description="Id of an image.")] = None,
    job: InJob = None,
    sample: OfSample = None,
    origin: OfOrigin = None,
    source_crop: Annotated[
        Line | None, Query(description="Id of a real crop: only what was generated from it.")
    ] = None,
    crop_class: Annotated[
        CropClass | None,
        Query(alias="class", description="A person's newest verdict; where there is none, the prediction."),
    ] = None,
    predicted_class: Annotated[PredictedClass | None, Query(description="The newest prediction.")] = None,
    min_probability: Probability = None,
    max_probability: Probability = None,
    classifier: Annotated[
        OfClassifier,
        Query(description="Only what it classified; predictions are its own instead of anybody's newest."),
    ] = None,
    dataset: Annotated[
        str | None, Query(pattern=DATASET_REF, description="As `name/version`.", examples=["adir/1"])
    ] = None,
    annotated: Annotated[bool | None, Query(description="Whether a person gave a verdict.")] = None,
    filter_ref: Annotated[
        OfFilter,
        Query(alias="filter", description="Only what it scored; the newest score of each crop counts."),
    ] = None,
    filtered_by: Annotated[
        Line | None, Query(description="Id of a filtering job: only what it scored, with its own scores.")
    ] = None,
    kept: Annotated[
        bool | None, Query(description="Whether that score keeps the crop; else the newest score of any.")
    ] = None,
    level: Annotated[
        float | None,
        Query(
            ge=0,
            le=1,
            allow_inf_nan=False,
            description="Decide `kept` by this level of the filter or job, and change nothing.",
        ),
    ] = None,
    max_percentile: Annotated[
        float | None,
        Query(
            ge=0,
            le=100,
            allow_inf_nan=False,
            description="Decide `kept` by this largest percentile of the distance to the training data too; "
            "100: no limit.",
        ),
    ] = None,
    sort: Annotated[
        CropSort,
        Query(description="-probability: most suspicious first; crops without a prediction are left out."),
    ] = "id",
) -> PageView[CropView]:
    """List crops in the order in which they were made, or by their probability of an aberration."""
    version = None
    if filter_ref is not None:
        version = ArtifactService(session, wiring.store).resolve("filter", filter_ref)
    wanted = CropFilter(
        image_id=image,
        job_id=job,
        sample=sample,
        origin=origin,
        source_crop_id=source_crop,
        crop_class=crop_class,
        predicted_class=predicted_class,
        min_probability=min_probability,
        max_probability=max_probability,
        classifier=None if classifier is None else exact_classifier(session, classifier),
        dataset=_name_and_version(dataset),
        annotated=annotated,
        filter=None if version is None else version.ref,
        filtered_by=filtered_by,
        kept=kept,
        decision=asked_decision(
            session,
            filter_version=version,
            job_id=filtered_by,
            level=level,
            max_percentile=max_percentile,
        ),
        sort=sort,
    )
    return PageView[CropView].model_validate(CropService(session).list_page(wanted, page))


@router.get("/{crop_id}", dependencies=[needs("read")])
def get_crop(crop_id: str, session: Reader) -> CropView:
    """Read what is known of one crop."""
    return CropView.model_validate(CropService(session).get(crop_id))


@router.get(
    "/{crop_id}/image.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
    },
)
def get_crop_image(
    request: Request,
    crop_id: str,
    wiring: CurrentWiring,
    channel: Annotated[
        Literal["red", "green", "dapi"] | None,
        Query(description="One channel in grey; default: all in colour."),
    ] = None,
) -> Response:
    """Draw a crop with its image's grey levels, so that crops compare."""
    return bytes_answer(request, wiring.pictures.crop(crop_id, channel), "image/png", immutable=True)


@router.get("/{crop_id}/embedding", dependencies=[needs("read")])
def get_embedding(crop_id: str, wiring: CurrentWiring, classifier: OfClassifier = None) -> EmbeddingView:
    """Give a crop's newest embedding, of one classifier or of any."""
    return EmbeddingView.model_validate(wiring.embeddings.embedding(crop_id, classifier))


@router.get("/{crop_id}/similar", dependencies=[needs("read")])
def list_similar(
    *,
    crop_id: str,
    wiring: CurrentWiring,
    k: Annotated[int, Query(ge=1, le=MAX_NEIGHBOURS, description="How many.")] = 10,
    classifier: OfClassifier = None,
    sample: OfSample = None,
    job: InJob = None,
    origin: OfOrigin = None,
) -> NeighboursView:
    """List the crops that look most alike to one classifier version, nearest first.

    Every crop counts once, with its newest embedding of that version; by default it is the version that
    embedded this crop last.
    """
    wanted = NeighbourFilter(sample, job, origin)
    items = [
        NeighbourView.model_validate(n) for n in wiring.embeddings.similar(crop_id, k, classifier, wanted)
    ]
    return NeighboursView(items=items)


@router.put(
    "/{crop_id}/annotation",
    dependencies=[needs("review")],
    responses={409: problem("The crop is synthetic.")},
)
def annotate_crop(crop_id: str, body: AnnotationRequest, caller: CurrentCaller, session: Writer) -> CropView:
    """Add a verdict; the newest counts, and earlier ones are kept."""
    crop = CropService(session).annotate(crop_id, body.crop_class, body.annotator, actor=caller.name)
    return CropView.model_validate(crop)


def _name_and_version(dataset: str | None) -> tuple[str, int] | None:
    if dataset is None:
        return None
    name, _, version = dataset.partition("/")
    return name, int(version)
