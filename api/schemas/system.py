"""Answers about the service itself."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.common import View


class Alive(View):
    """The process is up."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok", "version": "0.1.0"}})

    status: Literal["ok"]
    version: str


class PartView(View):
    """One part that the service leans on."""

    name: str = Field(description="`database`, `broker` or `store`.")
    ok: bool
    detail: str = Field(description="Why it is away; empty when it is not.")


class Readiness(View):
    """Whether everything that requests need is reachable."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ready": True,
                "parts": [
                    {"name": "database", "ok": True, "detail": ""},
                    {"name": "broker", "ok": True, "detail": ""},
                    {"name": "store", "ok": True, "detail": ""},
                ],
            }
        }
    )

    ready: bool
    parts: list[PartView]
