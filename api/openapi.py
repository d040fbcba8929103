"""The OpenAPI document: what the framework derives from the code, and every error of every route."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.openapi_links import add_links
from api.routing import routes_of, scope_of
from api.schemas.problem import Problem

Operation = dict[str, Any]

_DESCRIPTION: Final = """\
From metaphase images to segmented chromosomes, for a laboratory's LIMS.

Every error is `application/problem+json` with a stable `code`. Lists take `limit` and `cursor`. A POST
takes an `Idempotency-Key` and may be repeated with it. Query parameters that a path does not have
are refused, so that a mistyped filter is noticed.
"""

_PROBLEMS: Final = {
    "400": "The body could not be read.",
    "401": "An API key is needed, or the one sent is not valid.",
    "403": "The API key lacks the scope.",
    "404": "There is no such thing.",
    "409": "The first request with this Idempotency-Key is still being worked on, or the state forbids this.",
    "413": "The body is larger than allowed.",
    "415": "The body has another media type than this path takes.",
    "422": "The input is not valid; `errors` names the fields.",
    "429": "Too many requests of this key, or wrong keys of this address; wait for `Retry-After` seconds.",
    "500": "A fault of the service; the log has the `request_id`.",
    "503": "A part of the service is away; try again after `Retry-After` seconds.",
}
_SCHEMA_OF_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}


def problem(description: str) -> dict[str, Any]:
    """Describe an error answer of one route."""
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": _SCHEMA_OF_PROBLEM}},
    }


def install(app: FastAPI) -> None:
    """Replace the framework's document by one that also tells the errors."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """Make the document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem_schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem_schema.pop("$defs", {})
    schemas["Problem"] = problem_schema
    for route in routes_of(app):
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _tell_errors(operation, route)
    add_links(document)
    return document


def _tell_errors(operation: Operation, route: APIRoute) -> None:
    responses = operation["responses"]
    scope = scope_of(route)
    is_post = "POST" in (route.methods or ())
    statuses = {"422", "500", "503"}
    if scope is not None:
        statuses |= {"401", "403", "429"}
        operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
    if "{" in route.path_format or is_post:
        statuses.add("404")
    if "requestBody" in operation:
        statuses |= {"400", "413"}
        if "application/json" not in operation["requestBody"]["content"]:
            statuses.add("415")
    if is_post:
        statuses.add("409")
    responses.pop("422", None)
    for status in sorted(statuses):
        responses.setdefault(status, problem(_PROBLEMS[status]))
    operation["responses"] = dict(sorted(responses.items()))
