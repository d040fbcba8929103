"""Verdicts on many crops at once, and crops that somebody should look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import CurrentCaller, needs
from api.dependencies import CurrentPage, CurrentWiring, Writer
from api.openapi import problem
from api.schemas.annotations import AnnotationsRequest, AnnotationsView, SuggestionView
from api.schemas.common import Line, PageView
from services.crops.annotation import CropAnnotator
from services.crops.suggestions import Scope, SuggestionService
from services.jobs.params import DATASET_REF

router = APIRouter(prefix="/v1/crops", tags=["crops"])


@router.put(
    "/annotations",
    dependencies=[needs("review")],
    responses={404: problem("Some crops do not exist."), 409: problem("Some crops are synthetic.")},
)
def annotate_crops(body: AnnotationsRequest, caller: CurrentCaller, session: Writer) -> AnnotationsView:
    """Add up to a thousand verdicts, all of them or none; earlier ones are kept."""
    verdicts = body.verdicts()
    CropAnnotator(session).add_all(verdicts, actor=caller.name)
    return AnnotationsView(annotated=len(verdicts))


@router.get(
    "/suggestions", dependencies=[needs("read")], responses={404: problem("There is no such data set.")}
)
def suggest_exclusions(
    *,
    wiring: CurrentWiring,
    page: CurrentPage,
    job: Annotated[Line | None, Query(description="Id of the job that made the crops.")] = None,
    image: Annotated[Line | None, Query(description="Id of an image.")] = None,
    sample: Annotated[Line | None, Query(description="The LIMS accession.")] = None,
    dataset: Annotated[
        str | None, Query(pattern=DATASET_REF, description="A data set version, name/version.")
    ] = None,
) -> PageView[SuggestionView]:
    """Name crops that a person may want to exclude, and why; nothing is changed.

    Give exactly one of job, image, sample and dataset. A page looks at a bounded number of crops: it may
    hold fewer suggestions than `limit`, or none, while `next_cursor` says that there is more to look at.
    """
    scope = Scope(job_id=job, image_id=image, sample=sample, dataset=dataset)
    found = SuggestionService(wiring.readers, wiring.store).list_page(scope, page)
    return PageView[SuggestionView].model_validate(found)
