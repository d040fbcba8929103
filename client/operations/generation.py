"""What generation jobs made: their quality reports, and synthetic crops beside their sources."""

from __future__ import annotations

from pathlib import Path

from client.answers import get
from client.downloads import download
from client.records import Quality
from client.transport import Transport


class GenerationOperations:
    """Quality reports and strips; the jobs are submitted as all others are."""

    transport: Transport

    def quality(self, job_id: str) -> Quality:
        """How a generation job's crops compare with real aberrations.

        Raises
        ------
        ProblemError
            ``quality_missing`` says why there is no report: it was not asked for, there was nothing to
            compare with, it failed, or the job runs still.
        """
        return get(self.transport, Quality, f"v1/jobs/{job_id}/quality")

    def download_quality_picture(self, job_id: str, name: str, to: Path) -> Path:
        """Save a picture of the report as PNG; `Quality.pictures` has their names."""
        return download(self.transport, f"v1/jobs/{job_id}/quality/{name}.png", to)

    def download_samples(self, job_id: str, to: Path, *, limit: int | None = None) -> Path:
        """Save a PNG of some of a job's synthetic crops, each below its source.

        Parameters
        ----------
        limit
            How many synthetic crops at most, up to 120; the service's own number is 24.

        Raises
        ------
        ProblemError
            ``samples_missing``: the job has made none.
        """
        return download(self.transport, f"v1/jobs/{job_id}/samples.png", to, limit=limit)
