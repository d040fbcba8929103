"""Data sets: frozen, numbered, without leakage between their splits."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.caching import cache_headers, is_fresh
from api.dependencies import CurrentPage, CurrentWiring, Reader
from api.forms import DatasetUpload, fields_of, fingerprint, form_body, json_body, one_file
from api.idempotency import OnceOnly
from api.multipart import ReceivedForm
from api.openapi import problem
from api.schemas.common import PageView
from api.schemas.datasets import (
    DatasetForm,
    DatasetItemView,
    DatasetRequest,
    DatasetVersionsView,
    DatasetView,
)
from services.datasets.repository import MAX_VERSION, DatasetRepository
from services.datasets.types import DatasetVersion
from services.errors import InvalidInputError
from services.idempotency import Answer

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

Version = Annotated[int, Path(ge=1, le=MAX_VERSION)]

_EXAMPLES: dict[str, Any] = {
    "samples": {
        "summary": "Freeze the verdicts on some samples, split by slide",
        "value": {
            "name": "translocations",
            "samples": ["S26-001234", "S26-001240", "S26-001251"],
            "splits": {"val_fraction": 0.2, "test_fraction": 0.2, "seed": 0},
        },
    },
    "groups": {
        "summary": "Say which slide lies in which split",
        "value": {
            "name": "translocations",
            "job_ids": ["job_01k9zt3v5e8w2hq4x7c1n6m0bd"],
            "splits": {"train": ["A06", "A20"], "val": ["A04"], "test": ["A02"]},
            "licence": "CC-BY-4.0",
        },
    },
}
_FORM = form_body(
    DatasetForm,
    "file",
    many=False,
    description="A ZIP of pictures in {train,val,test}/{normal,aberration,unlabelled}/<slide>/, or with a "
    "manifest.csv (file, class, split, group, chromosome).",
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **_FORM["requestBody"]["content"],
            "application/json": json_body(DatasetRequest, _EXAMPLES),
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": DatasetView, "description": "The version that already has exactly this content."},
    415: problem("The body is neither a form nor JSON."),
}


@router.post(
    "",
    status_code=201,
    response_model=DatasetView,
    dependencies=[needs("submit")],
    openapi_extra=_BODY,
    responses=_ANSWERS,
)
def create_dataset(
    body: DatasetUpload, caller: CurrentCaller, once: OnceOnly, wiring: CurrentWiring
) -> JSONResponse:
    """Import a ZIP of labelled pictures, or freeze annotated crops, as the next version.

    The same pixels, group or chromosome in two splits are refused, with the list.
    """
    if isinstance(body, DatasetRequest):
        return once(
            body.model_dump(mode="json"),
            lambda session: _answer(
                *wiring.datasets.freeze(body.wanted(), actor=caller.name, session=session)
            ),
        )
    form: ReceivedForm = body
    request = fields_of(form, DatasetForm, "file").wanted()
    if not form.files and not form.uploads:
        raise InvalidInputError(
            "Send the pictures packed as one ZIP in the field 'file', or name it in 'uploads'.", "file"
        )

    def work(session: Session) -> Answer:
        max_bytes = wiring.settings.max_upload_bytes
        with one_file(form, wiring, caller, session, max_bytes=max_bytes) as file:
            made = wiring.datasets.import_archive(file.stream, request, actor=caller.name, session=session)
        return _answer(*made)

    return once(fingerprint(form), work)


@router.get("", dependencies=[needs("read")])
def list_datasets(session: Reader, page: CurrentPage) -> PageView[DatasetView]:
    """List every version, by name and number."""
    found = DatasetRepository(session).list_page(page)
    return PageView[DatasetView](
        items=[_view(version) for version in found.items], next_cursor=found.next_cursor
    )


@router.get("/{name}", dependencies=[needs("read")])
def get_dataset(name: str, session: Reader) -> DatasetVersionsView:
    """Read all versions of one name."""
    versions = DatasetRepository(session).versions(name)
    return DatasetVersionsView(name=name, versions=[_view(version) for version in versions])


@router.get("/{name}/{version}", dependencies=[needs("read")])
def get_dataset_version(name: str, version: Version, session: Reader) -> DatasetView:
    """Read what one version holds."""
    return _view(DatasetRepository(session).get(name, version))


@router.get("/{name}/{version}/items", dependencies=[needs("read")])
def list_dataset_items(
    name: str, version: Version, session: Reader, page: CurrentPage
) -> PageView[DatasetItemView]:
    """List a version's crops with their classes, splits and groups."""
    datasets = DatasetRepository(session)
    return PageView[DatasetItemView].model_validate(datasets.items_page(datasets.get(name, version), page))


@router.get(
    "/{name}/{version}/export",
    dependencies=[needs("read")],
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
    },
)
def export_dataset(
    request: Request, name: str, version: Version, session: Reader, wiring: CurrentWiring
) -> Response:
    """Download a version's pictures with a manifest.csv; importing the ZIP gives them back."""
    found = DatasetRepository(session).get(name, version)
    etag = f'"{found.sha256}"'
    headers = cache_headers(etag, immutable=True, filename=f"{name}-{version}.zip")
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    return StreamingResponse(wiring.datasets.export(found), media_type="application/zip", headers=headers)


def _answer(version: DatasetVersion, is_new: bool) -> Answer:  # noqa: FBT001 - the service's pair, unpacked
    location = f"/v1/datasets/{version.name}/{version.version}"
    return Answer(201 if is_new else 200, {"Location": location}, _view(version).model_dump(mode="json"))


def _view(version: DatasetVersion) -> DatasetView:
    return DatasetView.model_validate(
        {
            **version.manifest,
            "name": version.name,
            "version": version.version,
            "sha256": version.sha256,
            "source": version.source,
            "counts": version.counts,
            "created_at": version.created_at,
        }
    )
