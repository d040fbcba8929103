"""What can be asked of the routes themselves: which there are, and what each demands."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Every documented route, whichever router it came with."""
    found: list[APIRoute] = []
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        members = [route] if inner is None else inner.routes
        found += [member for member in members if isinstance(member, APIRoute) and member.include_in_schema]
    return found


def scope_of(route: APIRoute) -> str | None:
    """Tell the scope that a route asks for; None for one that everybody may use."""
    scopes = [getattr(part.call, "required_scope", None) for part in parts_of(route.dependant)]
    return next((scope for scope in scopes if scope is not None), None)


def query_names(route: APIRoute) -> frozenset[str]:
    """Tell the query parameters that a route takes, those of its dependencies included."""
    return frozenset(field.alias for part in parts_of(route.dependant) for field in part.query_params)


def parts_of(dependant: Dependant) -> list[Dependant]:
    """Walk a route's tree of dependencies."""
    return [dependant, *(inner for part in dependant.dependencies for inner in parts_of(part))]
