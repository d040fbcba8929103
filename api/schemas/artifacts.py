"""Artifact versions and aliases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.common import Body, Line, View
from api.schemas.uploads import OneUploadId
from services.artifacts.repository import MAX_VERSION
from services.artifacts.types import ArtifactKind
from services.jobs.params import ARTIFACT_NAME

ArtifactName = Annotated[str, StringConstraints(pattern=ARTIFACT_NAME)]

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_VERSION: dict[str, Any] = {
    "kind": "segmenter",
    "name": "chromosome",
    "version": 1,
    "manifest": {"diameter_px": 24.0, "licence": "BSD-3-Clause"},
    "files": {"weights.safetensors": {"sha256": _SHA256, "size_bytes": 6612345}},
    "sha256": _SHA256,
    "size_bytes": 6612345,
    "job_id": None,
    "created_at": "2026-11-02T08:00:00Z",
}


class FileView(View):
    """One file of a version."""

    sha256: str
    size_bytes: int


class VersionView(View):
    """An immutable version with its manifest."""

    model_config = ConfigDict(json_schema_extra={"example": _VERSION})

    kind: ArtifactKind
    name: str
    version: int
    manifest: dict[str, Any] = Field(description="Parameters, metrics, parents, licence.")
    files: dict[str, FileView]
    sha256: str = Field(description="Over manifest and files.")
    size_bytes: int
    job_id: str | None = Field(description="The job that made it.")
    created_at: datetime


class AliasView(View):
    """A movable pointer to a version."""

    alias: str
    version: int
    updated_at: datetime


class ArtifactView(View):
    """A name with its versions and aliases."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "segmenter",
                "name": "chromosome",
                "versions": [_VERSION],
                "aliases": [{"alias": "production", "version": 1, "updated_at": "2026-11-02T08:00:00Z"}],
            }
        }
    )

    kind: ArtifactKind
    name: str
    versions: list[VersionView]
    aliases: list[AliasView]


class AliasRequest(Body):
    """Where an alias shall point."""

    model_config = ConfigDict(json_schema_extra={"example": {"version": 2}})

    version: int = Field(ge=1, le=MAX_VERSION, strict=True)


class ArtifactForm(Body):
    """The text fields of an upload: of weights, or of what another installation gave."""

    name: ArtifactName = Field(description="The artifact that gets a new version.")
    diameter_px: float | None = Field(
        None, gt=2, le=1000, description="Mean object diameter in its training images; empty: as in the file."
    )
    method: Literal["bbdm", "cyclegan"] | None = Field(
        None, description="Of a generator; empty: told from the names in the file."
    )
    canvas_px: int | None = Field(
        None, ge=32, le=256, multiple_of=16, description="Of a generator: side of its pictures; empty: 64."
    )
    scale: float | None = Field(
        None, gt=0.05, le=8, description="Of a generator: canvas pixels per image pixel; empty: 1.6."
    )
    background: Literal["zero", "keep"] | None = Field(
        None, description="Of a generator: what became of pixels off the mask in its training; empty: zero."
    )
    prediction_type: Literal["grad", "noise", "ysubx"] | None = Field(
        None, description="Of a Brownian Bridge: what its network predicts; empty: grad."
    )
    licence: Line | None = Field(None, description="SPDX expression or a short text.")
    description: Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")] = Field(
        "", description="Where the weights come from."
    )
    uploads: OneUploadId = ()
