"""What a manifest that comes with an uploaded filter may say of it: shapes and bounds, checked.

Nothing here follows from the filter's file, so nobody can prove it; but cards, pictures and promotion
read it, and must find what they expect.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=4000)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Names = list[Annotated[str, Field(max_length=200)]]


class _Told(BaseModel):
    """Base: what is not known here is left out, and numbers are numbers."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class ClassCounts(_Told):
    """Crops of each class."""

    aberration: Count
    normal: Count


class Component(_Told):
    """One line of the mixture's table."""

    weight: Share
    mean: list[float] = Field(min_length=2, max_length=2)
    axes: list[float] = Field(min_length=2, max_length=2)
    dominant: bool


class FitClaims(_Told):
    """How and on what it was fitted."""

    job_id: Text
    aberrations: Count
    normals: Count
    groups: Names
    classifier_saw: dict[str, Names]
    components: list[Component] | None = None
    coordinates: dict[str, Any] | None = None
    bic: dict[str, float] | None = None
    folds: dict[str, Any] | None = None
    notes: list[Text] = []


class MetricClaims(_Told):
    """What it was found to keep."""

    rows: dict[str, ClassCounts]
    acceptance: dict[str, Share | None]
    curve: dict[str, list[Share] | None]
    beyond_p99: dict[str, Share | None]

    @model_validator(mode="after")
    def _curves_have_levels(self) -> Self:
        levels = len(self.curve.get("level") or ())
        if any(values is not None and len(values) != levels for values in self.curve.values()):
            raise ValueError("Every curve needs a value for each level.")
        return self


class DatasetClaims(_Told):
    """Where the crops were from."""

    name: Text
    version: int
    sha256: Text
    description: str = ""
    licence: Text | None = None


class ClassifierClaims(_Told):
    """What makes an embedding besides the classifier's weights."""

    preprocessing: dict[str, Any] | None = None
    test_time_flips: bool | None = None


class Claims(_Told):
    """What is kept of a manifest that was uploaded with a filter."""

    name: Text
    fit: FitClaims
    metrics: MetricClaims
    dataset: DatasetClaims
    classifier: ClassifierClaims
    held_out_groups: dict[str, Names] = {}
    parameters: dict[str, Any] = {}
    parents: Names = []
    libraries: dict[str, Text] = {}
    licence: Text | None = None
    description: Text = ""
    notice: str | None = None
    limits: list[Text] = []
