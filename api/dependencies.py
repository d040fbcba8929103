"""What routes ask for: the wiring, sessions that read or write, pages, and plain-text parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NewType

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from api.routing import query_names
from api.wiring import Wiring
from services.errors import NotFoundError
from services.pagination import DEFAULT_LIMIT, MAX_LIMIT, PageRequest

ReadSession = NewType("ReadSession", Session)
WriteSession = NewType("WriteSession", Session)


def current_wiring(request: Request) -> Wiring:
    """Return what the application was built with."""
    wiring: Wiring = request.app.state.wiring
    return wiring


CurrentWiring = Annotated[Wiring, Depends(current_wiring)]


def _read_session(wiring: CurrentWiring) -> Iterator[Session]:
    with wiring.readers() as session:
        yield session


def _write_session(wiring: CurrentWiring) -> Iterator[Session]:
    with wiring.sessions.begin() as session:
        yield session


# Both end before the answer is sent: what a client reads in an answer has been committed.
Reader = Annotated[ReadSession, Depends(_read_session, scope="function")]
Writer = Annotated[WriteSession, Depends(_write_session, scope="function")]


def _page(
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.", examples=[100])
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=512, description="`next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


CurrentPage = Annotated[PageRequest, Depends(_page)]


def refuse_surprises(request: Request) -> None:
    """Refuse query parameters that a route does not have, and control characters anywhere.

    A filter with a typing error would otherwise be ignored, and the whole list returned as if it
    were filtered. Postgres cannot store NUL in text, so no id or filter has one.

    Raises
    ------
    RequestValidationError
        A query parameter is unknown, came twice, or its value is not printable.
    NotFoundError
        The path has characters that no id has.
    """
    for name, value in request.path_params.items():
        if not str(value).isprintable():
            raise NotFoundError(name.removesuffix("_id"), str(value))
    route = request.scope["route"]
    known = query_names(route) if isinstance(route, APIRoute) else frozenset()
    errors = [
        {
            "loc": ("query", name),
            "msg": f"Unknown parameter; this path takes {', '.join(sorted(known)) or 'none'}.",
        }
        for name in request.query_params
        if name not in known
    ]
    errors += [
        {"loc": ("query", name), "msg": "Came more than once."}
        for name in request.query_params
        if len(request.query_params.getlist(name)) > 1
    ]
    errors += [
        {"loc": ("query", name), "msg": "Holds characters that cannot be printed."}
        for name, value in request.query_params.multi_items()
        if not value.isprintable()
    ]
    if errors:
        raise RequestValidationError(errors)
