"""From errors to HTTP: the one table of statuses, and `application/problem+json` for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.headers import security_headers
from api.middleware import REQUEST_ID_HEADER
from api.routing import routes_of
from api.schemas.problem import FieldProblem, Problem
from services.errors import InvalidInputError, KaryobridgeError
from services.jobs.errors import UnknownKindError
from services.log import get_logger
from services.redaction import redact

PROBLEM_JSON: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2

# A code that is not listed takes the status of the class that it derives from.
STATUS_OF_CODE: Final[dict[str, int]] = {
    "malformed_body": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "too_large": 413,
    "too_many_files": 413,
    "invalid_input": 422,
    "unsupported_here": 422,
    "upload_rejected": 422,
    "upload_incomplete": 409,
    "dataset_invalid": 422,
    "dataset_leakage": 422,
    "too_often": 429,
    "temporarily_unavailable": 503,
    # The row exists and its object is missing or damaged: our fault, not the caller's.
    "object_not_found": 500,
    "artifact_damaged": 500,
    "embeddings_damaged": 500,
}

# What the framework raises itself; the codes are as stable as ours.
CODE_OF_STATUS: Final[dict[int, tuple[str, str]]] = {
    400: ("bad_request", "The request could not be read"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "This path does not take that method"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "The body has another type than this path takes"),
}

log = get_logger(__name__)


def status_of(error: KaryobridgeError) -> int:
    """Look up the status of an error's code, or of the nearest class that has one."""
    for kind in type(error).__mro__:
        status = STATUS_OF_CODE.get(getattr(kind, "code", ""))
        if status is not None:
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build the one shape of every error."""
    problem = Problem(
        type=f"urn:karyobridge:problem:{code}",
        title=title,
        status=status,
        # What a driver or a vendor says of a fault may quote an address with its password.
        detail=_plain(redact(detail) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else detail),
        instance=_plain(request.url.path),
        code=code,
        errors=list(errors),
        request_id=getattr(request.state, "request_id", None),
    )
    return JSONResponse(problem.model_dump(), status, headers=headers, media_type=PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Answer every error that can leave a route, the framework or the database driver."""
    app.add_exception_handler(KaryobridgeError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_framework)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(PoolTimeoutError, _on_database)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_anything_else)


def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, KaryobridgeError)  # noqa: S101 - Starlette's handler type is wider than its use
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request failed", code=error.code, detail=str(error))
    return problem_response(
        request,
        status=status,
        code=error.code,
        title=error.title,
        detail=str(error),
        errors=_fields_of(error),
        headers=getattr(error, "headers", None) or _headers_of(status, error.code),
    )


def _fields_of(error: KaryobridgeError) -> list[FieldProblem]:
    """The field that an error is about, or the list of everything that it found."""
    field = getattr(error, "field", None)
    found = getattr(error, "problems", [(field, str(error))] if field else [])
    return [FieldProblem(field=_plain(where), message=_plain(message)) for where, message in found]


def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    entries = error.errors()
    found = [_field_problem(entry) for entry in entries]
    # The one discriminated body is a job's: a wrong tag is a kind that does not exist (yet).
    unknown_kind = any(entry.get("type") == "union_tag_invalid" for entry in entries)
    kind = UnknownKindError if unknown_kind else InvalidInputError
    return problem_response(
        request,
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        code=kind.code,
        title=kind.title,
        detail="; ".join(f"{one.field}: {one.message}" for one in found[:5]),
        errors=found,
    )


def _on_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    status = error.status_code
    code, title = CODE_OF_STATUS.get(status, ("http_error", HTTPStatus(status).phrase))
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router names the methods of the first route on the path only.
        headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    return problem_response(
        request, status=status, code=code, title=title, detail=str(error.detail), headers=headers
    )


def _methods_at(request: Request) -> set[str]:
    path = request.scope["path"]
    routes = [route for route in routes_of(request.app) if route.path_regex.match(path)]
    # /v1/crops/annotations also looks like the path of a crop, but no crop has such an id.
    exact = [route for route in routes if route.path == path]
    methods = {method for route in exact or routes for method in route.methods or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


def _on_database(request: Request, error: Exception) -> Response:
    # The driver's message may quote statements and values: it goes to the log, not to the client.
    if isinstance(error, DataError):
        return problem_response(
            request,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            code="invalid_input",
            title="The input is not valid",
            detail="A value cannot be stored: it is out of range, or holds a character such as NUL.",
        )
    if isinstance(error, IntegrityError):
        return problem_response(
            request,
            status=HTTPStatus.CONFLICT,
            code="conflict",
            title="The current state does not allow this",
            detail="Another request changed the same thing first; read it again, then decide.",
        )
    if not isinstance(error, OperationalError | PoolTimeoutError):
        return _on_anything_else(request, error)
    log.error("database away", error=type(error).__name__, detail=str(error).partition("\n")[0])
    return problem_response(
        request,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code="database_unavailable",
        title="A part of the service is away",
        detail="The database did not answer in time; try again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def _on_disconnect(request: Request, _: Exception) -> Response:
    # Nobody reads this answer; it is there for the log line and the count.
    return problem_response(
        request,
        status=HTTPStatus.BAD_REQUEST,
        code="client_disconnected",
        title="The request could not be read",
        detail="The connection ended before the body did.",
    )


def _on_anything_else(request: Request, error: Exception) -> Response:
    # This is answered above the middleware that knows the request's id and adds headers.
    request_id = getattr(request.state, "request_id", "")
    log.error("request crashed", request_id=request_id, exc_info=error)
    return problem_response(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal_error",
        title="Something went wrong here",
        detail="This is a fault of the service; tell the operator the request_id, which is in the logs.",
        headers={REQUEST_ID_HEADER: request_id, **security_headers(request.url.scheme)},
    )


def _headers_of(status: int, code: str) -> dict[str, str] | None:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE or code == "idempotency_in_flight":
        return {"Retry-After": str(RETRY_AFTER_S)}
    return None


def _field_problem(entry: Mapping[str, Any]) -> FieldProblem:
    where = ".".join(str(part) for part in entry.get("loc", ()))
    message = str(entry.get("msg", "is not valid")).removeprefix("Value error, ")
    return FieldProblem(field=_plain(where) or "body", message=_plain(message))


def _plain(text: str) -> str:
    """Lone surrogates, which JSON input may smuggle in, cannot be encoded on the way out."""
    return text.encode("utf-8", "replace").decode()
