"""The quality report of a generation job."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ConfigDict, Field

from api.schemas.common import View
from services.generation.reports import Report


class QualityView(View):
    """What a job generated beside the real aberrations that it should resemble."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "job_id": "job_01k9zt3v5e8w2hq4x7c1n6m0bg",
                "compared_with": "adir/1",
                "classifier": "translocation/1",
                "figures": {"num_generated": 1000, "num_real": 1021, "max_ssim": {"median": 0.71}},
                "pictures": {
                    "ssim": "/v1/jobs/job_01k9zt3v5e8w2hq4x7c1n6m0bg/quality/ssim.png",
                },
            }
        }
    )

    job_id: str
    compared_with: str = Field(description="Data set whose training aberrations were the yardstick.")
    classifier: str | None = Field(description="Whose embeddings were compared.")
    figures: dict[str, Any] = Field(description="What was measured, by kind of comparison.")
    pictures: dict[str, str] = Field(description="Name to path of a PNG.")

    @classmethod
    def of(cls, job_id: str, report: Report) -> Self:
        """Show a report, with a path for each of its pictures."""
        return cls(
            job_id=job_id,
            compared_with=report.compared_with,
            classifier=report.classifier,
            figures=dict(report.figures),
            pictures={name: f"/v1/jobs/{job_id}/quality/{name}.png" for name in sorted(report.pictures)},
        )
