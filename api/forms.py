"""Forms as dependencies of routes: received after the caller's key was checked, never before."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO, Final, TypeVar

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.auth import CurrentCaller
from api.dependencies import CurrentWiring
from api.middleware import raise_body_limit
from api.multipart import UPLOADS_FIELD, FormLimits, ReceivedForm, collected, receive_form
from api.schemas.common import Body
from api.schemas.datasets import DatasetRequest
from api.schemas.filters import ScoreRequest
from api.wiring import Wiring
from services.auth import Caller
from services.incoming.types import IncomingFile
from services.uploads.types import UploadedFile

MAX_MASKS_BYTES: Final = 128 * 1024**2
# A thousand rows of 512 numbers with all their digits take twelve million characters.
MAX_EMBEDDINGS_BYTES: Final = 16 * 1024**2
_TIFF_TYPES: Final = frozenset({"image/tiff", "application/octet-stream"})

Fields = TypeVar("Fields", bound=Body)


async def _batch_form(request: Request, wiring: CurrentWiring) -> AsyncIterator[ReceivedForm]:
    limits = FormLimits(wiring.settings.max_upload_bytes, wiring.settings.max_files_per_batch)
    async with receive_form(request, limits) as form:
        yield form


async def _artifact_form(request: Request, wiring: CurrentWiring) -> AsyncIterator[ReceivedForm]:
    async with receive_form(request, FormLimits(wiring.settings.max_file_bytes, max_files=1)) as form:
        yield form


async def _dataset_body(
    request: Request, wiring: CurrentWiring
) -> AsyncIterator[ReceivedForm | DatasetRequest]:
    """Receive an archive as a form, or a selection of crops as JSON."""
    if _media_type(request) == "application/json":
        yield _validated(DatasetRequest.model_validate_json, await request.body())
        return
    if _media_type(request) != "multipart/form-data":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Send a ZIP as multipart/form-data, or a selection of crops as application/json.",
        )
    async with receive_form(request, FormLimits(wiring.settings.max_upload_bytes, max_files=1)) as form:
        yield form


async def _tiff_body(request: Request, wiring: CurrentWiring) -> bytes:
    """Read a label TIFF that is the whole body."""
    if _media_type(request) not in _TIFF_TYPES:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the label TIFF itself, as image/tiff.")
    raise_body_limit(request.scope, min(wiring.settings.max_file_bytes, MAX_MASKS_BYTES))
    return await request.body()


async def _embeddings_bytes(request: Request) -> bytes:
    """Read the largest body of JSON that there is."""
    if _media_type(request) != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the embeddings as application/json.")
    raise_body_limit(request.scope, MAX_EMBEDDINGS_BYTES)
    return await request.body()


def _embeddings_body(content: Annotated[bytes, Depends(_embeddings_bytes)]) -> ScoreRequest:
    """Validate in a thread of the pool: half a million numbers would hold up the event loop."""
    return _validated(ScoreRequest.model_validate_json, content)


@dataclass(frozen=True)
class ReceivedContent:
    """The bytes of a promised file, on local disk."""

    file: IncomingFile
    stream: BinaryIO
    size_bytes: int


async def _upload_content(
    request: Request, upload_id: str, caller: CurrentCaller, wiring: CurrentWiring
) -> AsyncIterator[ReceivedContent]:
    """Read a promised file that is the whole body, and no more than was promised."""
    if _media_type(request) != "application/octet-stream":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the file itself, as application/octet-stream."
        )
    file = await run_in_threadpool(wiring.incoming.usable, upload_id, caller)
    raise_body_limit(request.scope, file.size_bytes)
    with tempfile.TemporaryFile(prefix="karyobridge-incoming-") as spool:
        async for piece in collected(request):
            await run_in_threadpool(spool.write, piece)
        size_bytes = spool.tell()
        spool.seek(0)
        yield ReceivedContent(file, spool, size_bytes)


BatchUpload = Annotated[ReceivedForm, Depends(_batch_form)]
ArtifactUpload = Annotated[ReceivedForm, Depends(_artifact_form)]
DatasetUpload = Annotated[ReceivedForm | DatasetRequest, Depends(_dataset_body)]
ScoreBody = Annotated[ScoreRequest, Depends(_embeddings_body)]
UploadContent = Annotated[ReceivedContent, Depends(_upload_content)]
TiffBody = Annotated[bytes, Depends(_tiff_body)]


def fields_of(form: ReceivedForm, model: type[Fields], files: str) -> Fields:
    """Validate a form's text fields, and that its files came under the one right name.

    Raises
    ------
    RequestValidationError
        As for a JSON body, field by field.
    """
    misplaced = {file.field for file in form.files if file.field != files}
    if misplaced:
        raise RequestValidationError(
            [
                {"loc": ("body", name), "msg": f"Send files in the field {files!r}."}
                for name in sorted(misplaced)
            ]
        )
    named = {UPLOADS_FIELD: form.uploads} if form.uploads else {}
    return _validated(model.model_validate, {**form.fields, **named})


@contextmanager
def one_file(
    form: ReceivedForm, wiring: Wiring, caller: Caller, session: Session, *, max_bytes: int
) -> Iterator[UploadedFile]:
    """Open the one file that a form sent along, or else named; that one is used up if the block ends well."""
    if form.files:
        yield UploadedFile(form.files[0].filename, form.files[0].open())
        return
    sources = wiring.incoming.sources(form.uploads, caller, max_bytes=max_bytes)
    with sources[0].opened() as stream:
        yield UploadedFile(sources[0].filename, stream)
        wiring.incoming.use(sources, session)


def fingerprint(form: ReceivedForm) -> Mapping[str, Any]:
    """Describe what makes two forms the same, whatever boundary separates their parts."""
    named = {UPLOADS_FIELD: form.uploads} if form.uploads else {}
    return {
        "fields": form.fields,
        "files": [[file.field, file.filename, file.sha256] for file in form.files],
        **named,
    }


def form_body(model: type[Body], files: str, *, many: bool, description: str) -> dict[str, Any]:
    """Describe a multipart body for the OpenAPI document; the framework never sees the form.

    Of the files and the names of uploads, at least one has to be there.
    """
    schema = model.model_json_schema()
    file = {"type": "string", "format": "binary", "description": description}
    schema["properties"][files] = {"type": "array", "items": file, "minItems": 1} if many else file
    schema["anyOf"] = [{"required": [files]}, {"required": [UPLOADS_FIELD]}]
    schema["properties"] = {name: _form_field(value) for name, value in schema["properties"].items()}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_body(model: type[Body], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a JSON body that the framework never sees, with what it refers to put in place."""
    schema = model.model_json_schema()
    return {"schema": _inlined(schema, schema.pop("$defs", {})), "examples": dict(examples)}


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(entry, definitions) for entry in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(entry, definitions) for name, entry in value.items()}


def _form_field(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional field of a form is absent; it cannot be null. Objects travel as JSON text."""
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        schema = {**{k: v for k, v in schema.items() if k not in ("anyOf", "default")}, **choices[0]}
    if schema.get("type") == "object":
        kept: dict[str, Any] = {key: schema[key] for key in ("description", "title") if key in schema}
        schema = {**kept, "type": "string", "contentMediaType": "application/json"}
    return schema


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _validated(validate: Callable[[Any], Fields], content: Any) -> Fields:
    try:
        return validate(content)
    except ValidationError as error:
        entries = error.errors(include_input=False, include_context=False, include_url=False)
        raise RequestValidationError([_located(entry) for entry in entries]) from error


def _located(entry: Any) -> dict[str, Any]:
    return {"loc": ("body", *entry["loc"]), "msg": entry["msg"], "type": entry["type"]}
