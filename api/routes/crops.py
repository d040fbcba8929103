"""Chromosomes, one by one, and what people say of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.auth import CurrentCaller, needs
from api.caching import bytes_answer
from api.dependencies import CurrentPage, CurrentWiring, Reader, Writer
from api.schemas.common import Line, PageView
from api.schemas.crops import AnnotationRequest, CropView
from services.crops.service import CropService
from services.crops.types import CropClass, CropFilter, CropOrigin

router = APIRouter(prefix="/v1/crops", tags=["crops"])


@router.get("", dependencies=[needs("read")])
def list_crops(
    *,
    session: Reader,
    page: CurrentPage,
    image: Annotated[Line | None, Query(description="Id of an image.")] = None,
    job: Annotated[Line | None, Query(description="Id of a job.")] = None,
    sample: Annotated[Line | None, Query(description="The LIMS accession.")] = None,
    origin: Annotated[CropOrigin | None, Query(description="Where crops come from.")] = None,
    crop_class: Annotated[CropClass | None, Query(alias="class", description="Newest verdict.")] = None,
) -> PageView[CropView]:
    """List crops in the order in which they were made."""
    wanted = CropFilter(image, job, sample, origin, crop_class)
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


@router.put("/{crop_id}/annotation", dependencies=[needs("review")])
def annotate_crop(crop_id: str, body: AnnotationRequest, caller: CurrentCaller, session: Writer) -> CropView:
    """Add a verdict; the newest counts, and earlier ones are kept."""
    crop = CropService(session).annotate(crop_id, body.crop_class, body.annotator, actor=caller.name)
    return CropView.model_validate(crop)
