"""Images, pictures of them, and masks in the formats that people use."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.auth import CurrentCaller, needs
from api.caching import bytes_answer, stored_answer
from api.dependencies import CurrentPage, CurrentWiring, Reader, Writer
from api.forms import TiffBody
from api.links import StoredObject, links_to
from api.schemas.common import Line, PageView
from api.schemas.images import AnnotatedMasksView, FeatureCollection, ImageView
from api.schemas.links import LinksView
from services import audit
from services.errors import NotFoundError
from services.images.repository import ImageRepository

router = APIRouter(prefix="/v1/images", tags=["images"])

OfJob = Annotated[
    str | None, Query(max_length=64, description="Of this job; default: the newest that succeeded.")
]
_TIFF_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"image/tiff": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer of bytes."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {media_type: schema}}, 304: {"description": "The caller has it already."}}


@router.get("", dependencies=[needs("read")])
def list_images(
    session: Reader,
    page: CurrentPage,
    sample: Annotated[Line | None, Query(description="The LIMS accession.")] = None,
    batch: Annotated[Line | None, Query(description="Id of an upload.")] = None,
) -> PageView[ImageView]:
    """List images in the order in which they arrived."""
    return PageView[ImageView].model_validate(ImageRepository(session).list_page(page, sample, batch))


@router.get("/{image_id}", dependencies=[needs("read")])
def get_image(image_id: str, session: Reader) -> ImageView:
    """Read what is known of one image."""
    return ImageView.model_validate(ImageRepository(session).get(image_id))


@router.get(
    "/{image_id}/content",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("application/octet-stream"),
)
def get_content(
    request: Request,
    image_id: str,
    session: Reader,
    wiring: CurrentWiring,
    file: Annotated[
        int, Query(ge=0, le=10_000, description="Which of the image's `files`; 0 is the first.")
    ] = 0,
) -> Response:
    """Give the original bytes, as they were uploaded."""
    image = ImageRepository(session).get(image_id)
    if file >= len(image.sources):
        raise NotFoundError(f"file {file} of image", image_id)
    source = image.sources[file]
    return stored_answer(
        request,
        wiring.store,
        source.key,
        sha256=source.sha256,
        size_bytes=source.size_bytes,
        filename=source.filename,
        immutable=True,
    )


@router.get("/{image_id}/links", dependencies=[needs("read")])
def get_image_links(image_id: str, session: Reader, wiring: CurrentWiring) -> LinksView:
    """Give links to the original files that live for 15 minutes; the store's own where it can sign."""
    image = ImageRepository(session).get(image_id)
    path = f"/v1/images/{image_id}/content?file="
    return links_to(
        wiring.store,
        [
            StoredObject(source.key, source.filename, source.size_bytes, source.sha256, f"{path}{number}")
            for number, source in enumerate(image.sources)
        ],
    )


@router.get(
    "/{image_id}/preview.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("image/png"),
)
def get_preview(request: Request, image_id: str, wiring: CurrentWiring) -> Response:
    """Draw the image in false colour, at most 1024 pixels wide or high."""
    return bytes_answer(request, wiring.pictures.preview(image_id), "image/png", immutable=True)


@router.get(
    "/{image_id}/masks.tif",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("image/tiff"),
)
def get_masks_tiff(request: Request, image_id: str, wiring: CurrentWiring, job: OfJob = None) -> Response:
    """Give the masks as a label TIFF: uint16 or uint32, 0 is background."""
    content = wiring.pictures.masks_tiff(image_id, job)
    return bytes_answer(request, content, "image/tiff", immutable=job is not None)


@router.get("/{image_id}/masks.geojson", dependencies=[needs("read")])
def get_masks_geojson(image_id: str, wiring: CurrentWiring, job: OfJob = None) -> FeatureCollection:
    """Give the masks as polygons, for QuPath and the like."""
    return FeatureCollection.model_validate(wiring.pictures.masks_geojson(image_id, job))


@router.get(
    "/{image_id}/rois.zip",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("application/zip"),
)
def get_rois(request: Request, image_id: str, wiring: CurrentWiring, job: OfJob = None) -> Response:
    """Give the masks as ImageJ regions."""
    content = wiring.pictures.rois_zip(image_id, job)
    return bytes_answer(
        request, content, "application/zip", immutable=job is not None, filename=f"{image_id}_rois.zip"
    )


@router.get(
    "/{image_id}/overlay.png",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("image/png"),
)
def get_overlay(request: Request, image_id: str, wiring: CurrentWiring, job: OfJob = None) -> Response:
    """Draw the chromosomes' outlines on the image; flagged ones stand out."""
    return bytes_answer(
        request, wiring.pictures.overlay(image_id, job), "image/png", immutable=job is not None
    )


@router.put("/{image_id}/masks", dependencies=[needs("review")], openapi_extra=_TIFF_BODY)
def put_annotated_masks(
    *,
    image_id: str,
    content: TiffBody,
    caller: CurrentCaller,
    wiring: CurrentWiring,
    session: Writer,
    annotator: Annotated[Line | None, Query(description="Who drew them; default: the key's name.")] = None,
) -> AnnotatedMasksView:
    """Store masks that a person drew: page 0 labels, page 1 (optional) overlap regions."""
    masks = wiring.annotations.put_masks(image_id, content, annotator or caller.name, session=session)
    details = {"sha256": masks.sha256, "annotator": masks.annotator}
    audit.record(session, actor=caller.name, action="image.masks", subject=image_id, details=details)
    return AnnotatedMasksView.model_validate(masks)


@router.get(
    "/{image_id}/masks",
    dependencies=[needs("read")],
    response_class=Response,
    responses=_binary("image/tiff"),
)
def get_annotated_masks(request: Request, image_id: str, wiring: CurrentWiring) -> Response:
    """Give the newest masks that a person drew, as they were sent."""
    content = wiring.annotations.get_masks(image_id)
    return bytes_answer(request, content, "image/tiff", immutable=False)
