"""Images and annotated masks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import View


class SourceView(View):
    """One original file of an image."""

    filename: str
    sha256: str
    size_bytes: int


class ImageView(View):
    """A metaphase."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                "batch_id": "batch_01k9zt3v5e8w2hq4x7c1n6m0ba",
                "sample": "S26-001234",
                "slide": "2",
                "filename": "m01_*.tif",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "height": 517,
                "width": 645,
                "channels": ["red", "green", "dapi"],
                "bit_depth": 8,
                "pixel_size_um": 0.065,
                "files": [
                    {
                        "filename": "m01_D.tif",
                        "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                        "size_bytes": 333590,
                    }
                ],
                "created_at": "2026-11-02T08:15:30Z",
            }
        }
    )

    id: str
    batch_id: str
    sample: str
    slide: str | None
    filename: str
    sha256: str = Field(description="Of the one original file, or of the set if there are several.")
    height: int = Field(description="Pixels.")
    width: int = Field(description="Pixels.")
    channels: list[Literal["red", "green", "dapi"]]
    bit_depth: int
    pixel_size_um: float | None
    files: list[SourceView] = Field(validation_alias="sources", description="The original files.")
    created_at: datetime


class AnnotatedMasksView(View):
    """Masks that a person drew or corrected; the newest of an image counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "image_id": "img_01k9zt3v5e8w2hq4x7c1n6m0bb",
                "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                "annotator": "m.koch",
                "num_instances": 46,
                "created_at": "2026-11-02T08:15:30Z",
            }
        }
    )

    image_id: str
    sha256: str
    annotator: str
    num_instances: int
    created_at: datetime


class FeatureCollection(View):
    """GeoJSON: one polygon per chromosome, in pixels, y downwards."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "geometry": {
                            "type": "Polygon",
                            "coordinates": [[[10, 12], [18, 12], [18, 40], [10, 40], [10, 12]]],
                        },
                        "properties": {
                            "label": 1,
                            "crop_id": "crop_01k9zt3v5e8w2hq4x7c1n6m0bc",
                            "area_px": 224,
                            "flags": ["touching"],
                        },
                    }
                ],
            }
        }
    )

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]
