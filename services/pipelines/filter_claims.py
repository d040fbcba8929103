"""What a manifest that comes with an uploaded filter may say of it: shapes and bounds, checked."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from services.pipelines.claims import ArtifactClaims, Count, DatasetClaims, Names, Share, Text, Told


class ClassCounts(Told):
    """Crops of each class."""

    aberration: Count
    normal: Count


class Component(Told):
    """One line of the mixture's table."""

    weight: Share
    mean: list[float] = Field(min_length=2, max_length=2)
    axes: list[float] = Field(min_length=2, max_length=2)
    dominant: bool


class FitClaims(Told):
    """How and on what it was fitted."""

    job_id: Text | None = None
    aberrations: Count
    normals: Count
    groups: Names
    classifier_saw: dict[str, Names]
    components: list[Component] | None = None
    coordinates: dict[str, Any] | None = None
    bic: dict[str, float] | None = None
    folds: dict[str, Any] | None = None
    notes: list[Text] = Field([])


class MetricClaims(Told):
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


class ClassifierClaims(Told):
    """What makes an embedding besides the classifier's weights."""

    preprocessing: dict[str, Any] | None = None
    test_time_flips: bool | None = None


class Claims(ArtifactClaims):
    """What is kept of a manifest that was uploaded with a filter."""

    fit: FitClaims
    metrics: MetricClaims
    dataset: DatasetClaims
    classifier: ClassifierClaims
