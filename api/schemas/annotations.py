"""Verdicts in bulk, and crops that a person may want to exclude."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas.common import Body, Line, View
from models.classification.outliers import DoubtCode
from services.crops.annotation import MAX_VERDICTS, Verdict
from services.crops.types import CropClass

CropId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]


class CropVerdict(Body):
    """What a person says of one crop."""

    crop_id: CropId
    crop_class: CropClass = Field(alias="class", description="What the chromosome is.")
    annotator: Line = Field(description="Who says so.")


class AnnotationsRequest(Body):
    """Verdicts on many crops."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "annotations": [
                    {"crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bc", "class": "normal", "annotator": "m.koch"},
                    {
                        "crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bd",
                        "class": "excluded",
                        "annotator": "m.koch",
                    },
                ]
            }
        }
    )

    annotations: list[CropVerdict] = Field(
        min_length=1, max_length=MAX_VERDICTS, description="At most one verdict for each crop."
    )

    def verdicts(self) -> list[Verdict]:
        """The verdicts as the service takes them."""
        return [Verdict(one.crop_id, one.crop_class, one.annotator) for one in self.annotations]


class AnnotationsView(View):
    """What was recorded."""

    model_config = ConfigDict(json_schema_extra={"example": {"annotated": 2}})

    annotated: int = Field(description="How many verdicts were recorded: all that were sent.")


class ReasonView(View):
    """Why somebody should look at a crop."""

    code: DoubtCode
    detail: str = Field(description="For a person.")
    value: float = Field(description="What was measured.")
    limit: float = Field(description="Where doubt begins, in the same unit.")


class SuggestionView(View):
    """A crop that a person may want to exclude."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bc",
                "image_id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                "sample": "S26-001234",
                "class": None,
                "reasons": [
                    {
                        "code": "area_large",
                        "detail": "Its area lies 4.2 standard deviations above the selection's.",
                        "value": 4.2,
                        "limit": 3.5,
                    }
                ],
            }
        }
    )

    crop_id: str
    image_id: str | None
    sample: str | None
    crop_class: CropClass | None = Field(serialization_alias="class", description="The newest verdict.")
    reasons: list[ReasonView] = Field(description="At least one.")
