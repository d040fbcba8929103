"""Segmenters, classifiers, generators, filters and studies: immutable versions under movable aliases."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session

from api.auth import CurrentCaller, needs
from api.caching import cache_headers, is_fresh, stored_answer
from api.dependencies import CurrentPage, CurrentWiring, Reader, Writer
from api.forms import ArtifactUpload, fields_of, fingerprint, form_body, one_file
from api.idempotency import OnceOnly
from api.links import StoredObject, links_to
from api.openapi import problem
from api.routes.jobs import accepted
from api.schemas.artifacts import AliasRequest, ArtifactForm, ArtifactView, VersionView
from api.schemas.common import PageView
from api.schemas.jobs import JobView
from api.schemas.links import LinksView
from services import audit
from services.artifacts.service import ArtifactService
from services.artifacts.types import ArtifactKind
from services.errors import InvalidInputError, NotFoundError
from services.idempotency import Answer
from services.jobs.params import ArtifactImportParams

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])

_FORM: dict[str, Any] = form_body(
    ArtifactForm,
    "file",
    many=False,
    description="safetensors, or an official checkpoint of Cellpose 1-3, BBDM or CycleGAN (read with "
    "weights_only). Of a trained classifier or a filter: the ZIP that its content path gives. Weights of a "
    "ResNet-18 alone are a starting point for training; a filter's filter.safetensors alone is taken too.",
)


@router.get("", dependencies=[needs("read")])
def list_artifacts(
    session: Reader,
    wiring: CurrentWiring,
    page: CurrentPage,
    kind: Annotated[ArtifactKind | None, Query(description="Only this kind.")] = None,
) -> PageView[VersionView]:
    """List every version, by kind, name and number."""
    return PageView[VersionView].model_validate(ArtifactService(session, wiring.store).list_page(kind, page))


@router.post(
    "/{kind}", status_code=202, response_model=JobView, dependencies=[needs("submit")], openapi_extra=_FORM
)
def upload_artifact(
    *,
    request: Request,
    kind: ArtifactKind,
    form: ArtifactUpload,
    caller: CurrentCaller,
    once: OnceOnly,
    wiring: CurrentWiring,
) -> JSONResponse:
    """Upload weights; a job reads, checks and converts them, and makes the next version."""
    fields = fields_of(form, ArtifactForm, "file")
    if not form.files and not form.uploads:
        raise InvalidInputError("Send the weights in the field 'file', or name them in 'uploads'.", "file")
    params = ArtifactImportParams.model_validate(fields.model_dump(exclude={"uploads"}))

    def work(session: Session) -> Answer:
        max_bytes = wiring.settings.max_file_bytes
        with one_file(form, wiring, caller, session, max_bytes=max_bytes) as file:
            job = wiring.submissions.import_artifact(
                kind, params, file.stream, file.filename, request.state.request_id, session=session
            )
        details = {"job_id": job.id, "sha256": job.inputs["sha256"]}
        subject = f"{kind}/{params.name}"
        audit.record(session, actor=caller.name, action="artifact.uploaded", subject=subject, details=details)
        return accepted(job, session, wiring.settings)

    return once(fingerprint(form), work)


@router.get("/{kind}/{name}", dependencies=[needs("read")])
def get_artifact(kind: ArtifactKind, name: str, session: Reader, wiring: CurrentWiring) -> ArtifactView:
    """Read a name's versions and aliases."""
    versions, aliases = ArtifactService(session, wiring.store).describe(kind, name)
    return ArtifactView.model_validate({"kind": kind, "name": name, "versions": versions, "aliases": aliases})


@router.get("/{kind}/{name}/{version_or_alias}", dependencies=[needs("read")])
def get_version(
    kind: ArtifactKind, name: str, version_or_alias: str, session: Reader, wiring: CurrentWiring
) -> VersionView:
    """Read a version's manifest."""
    version = ArtifactService(session, wiring.store).get(kind, name, version_or_alias)
    return VersionView.model_validate(version)


@router.get(
    "/{kind}/{name}/{version_or_alias}/content",
    dependencies=[needs("read")],
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
    },
)
def get_version_content(
    *,
    request: Request,
    kind: ArtifactKind,
    name: str,
    version_or_alias: str,
    session: Reader,
    wiring: CurrentWiring,
) -> Response:
    """Download a ZIP of a version's manifest and files."""
    artifacts = ArtifactService(session, wiring.store)
    version = artifacts.get(kind, name, version_or_alias)
    etag = f'"{version.sha256}"'
    headers = cache_headers(
        etag, immutable=version_or_alias.isdecimal(), filename=f"{name}-{version.version}.zip"
    )
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    return StreamingResponse(artifacts.archive(version), media_type="application/zip", headers=headers)


@router.get("/{kind}/{name}/{version_or_alias}/links", dependencies=[needs("read")])
def get_version_links(
    kind: ArtifactKind, name: str, version_or_alias: str, session: Reader, wiring: CurrentWiring
) -> LinksView:
    """Give links to a version's files that live for 15 minutes; the store's own where it can sign."""
    version = ArtifactService(session, wiring.store).get(kind, name, version_or_alias)
    path = f"/v1/artifacts/{kind}/{name}/{version.version}/files"
    return links_to(
        wiring.store,
        [
            StoredObject(file.key, filename, file.size_bytes, file.sha256, f"{path}/{filename}")
            for filename, file in sorted(version.files.items())
        ],
    )


@router.get(
    "/{kind}/{name}/{version_or_alias}/files/{filename}",
    dependencies=[needs("read")],
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The caller has it already."},
        404: problem("There is no such version, or it has no file of that name."),
    },
)
def get_version_file(
    *,
    request: Request,
    kind: ArtifactKind,
    name: str,
    version_or_alias: str,
    filename: str,
    session: Reader,
    wiring: CurrentWiring,
) -> Response:
    """Download one file of a version, by the name that its manifest gives it."""
    version = ArtifactService(session, wiring.store).get(kind, name, version_or_alias)
    file = version.files.get(filename)
    if file is None:
        raise NotFoundError(f"file of {kind} {version.ref}", filename)
    immutable = version_or_alias.isdecimal()
    return stored_answer(
        request,
        wiring.store,
        file.key,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        filename=filename,
        immutable=immutable,
    )


@router.put("/{kind}/{name}/aliases/{alias}", dependencies=[needs("admin")])
def set_alias(
    *,
    kind: ArtifactKind,
    name: str,
    alias: str,
    body: AliasRequest,
    caller: CurrentCaller,
    session: Writer,
    wiring: CurrentWiring,
) -> VersionView:
    """Point an alias at a version; jobs that were submitted before keep theirs."""
    version = ArtifactService(session, wiring.store).set_alias(kind, name, alias, body.version)
    subject = f"{kind}/{name}"
    details = {"alias": alias, "version": body.version}
    audit.record(session, actor=caller.name, action="artifact.alias_set", subject=subject, details=details)
    return VersionView.model_validate(version)
