"""What a manifest from another installation may say of an artifact: shapes and bounds that kinds share.

Nothing here follows from the weights, so nobody can prove it; but cards, pictures and promotion read it,
and must find what they expect.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_COUNT = 2**53  # larger ones are no numbers of JSON everywhere
Text = Annotated[str, Field(max_length=4000)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Names = list[Annotated[str, Field(max_length=200)]]


class Told(BaseModel):
    """Base: what is not known here is left out, and numbers are numbers."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class DatasetClaims(Told):
    """Where the crops were from."""

    name: Text
    version: int
    sha256: Text
    description: str = ""
    licence: Text | None = None


class ArtifactClaims(Told):
    """What is kept of any manifest that was uploaded with what it describes."""

    name: Text
    held_out_groups: dict[str, Names] = {}
    parameters: dict[str, Any] = {}
    parents: Names = []
    libraries: dict[str, Text] = {}
    licence: Text | None = None
    description: Text = ""
    notice: str | None = None
    limits: list[Text] = []
    simulated: bool = False
