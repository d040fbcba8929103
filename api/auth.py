"""Who is calling: the `Authorization: Bearer` header, and the scope that a route asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.dependencies import refuse_surprises
from api.wiring import Wiring
from services.auth import (
    LOCAL_CALLER,
    ApiKeyService,
    Caller,
    ForbiddenError,
    Scope,
    UnauthenticatedError,
)
from services.log import get_logger

log = get_logger(__name__)

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    bearerFormat="kb_…",
    description="An API key. Not needed while the server listens on 127.0.0.1 with its defaults.",
)


def identify(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Return who calls; a key that is sent is checked even where none is needed.

    Raises
    ------
    UnauthenticatedError
        A key is needed and none came, or the one that came is not valid.
    RateLimitedError, TooManyWrongKeysError
        The key, or wrong keys of this address, came too often.
    """
    try:
        return _identified(request, credentials)
    except UnauthenticatedError as error:
        # Into the log and not the audit table: whoever guesses keys must not be able to fill a database.
        log.warning("authentication failed", reason=error.reason, client=address_of(request))
        raise


def address_of(request: Request) -> str:
    """Tell where a request came from, as far as the server knows; empty for a socket without addresses."""
    return request.client.host if request.client else ""


def _identified(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    wiring: Wiring = request.app.state.wiring
    if credentials is None:
        if "authorization" in request.headers:
            raise UnauthenticatedError("Send the key as: Authorization: Bearer <key>", "no bearer token")
        if wiring.settings.keys_required:
            raise UnauthenticatedError("Send an API key: Authorization: Bearer <key>")
        return LOCAL_CALLER
    key, address = credentials.credentials, address_of(request)
    wiring.rates.admit(address)
    try:
        with wiring.readers() as session:
            caller = ApiKeyService(session).verify(key)
    except UnauthenticatedError:
        wiring.rates.note_wrong(address, key)
        raise
    request.state.rate_policy = wiring.rates.policy
    wiring.rates.count(caller.id)
    wiring.key_use.note(caller.id)
    return caller


CurrentCaller = Annotated[Caller, Depends(identify)]


def needs(scope: Scope) -> Any:
    """Return the dependency of a route that only callers with `scope` may use.

    The key is looked at first: a stranger learns nothing about a route's parameters.
    """

    def check(request: Request, caller: CurrentCaller) -> None:
        try:
            caller.require(scope)
        except ForbiddenError:
            log.warning("scope refused", caller=caller.name, scope=scope, client=address_of(request))
            raise
        refuse_surprises(request)

    check.__name__ = f"needs_{scope}"
    return Depends(_marked(check, scope))


def _marked(check: Callable[..., None], scope: Scope) -> Callable[..., None]:
    # The OpenAPI document tells each route's scope from this mark.
    check.__dict__["required_scope"] = scope
    return check
