"""The filter in production, at work on the demonstration's synthetic crops.

It tells which of them look like the real aberrations that it knows, and how many are unlike all that its
classifier was trained on. Rejected crops stay; the map shows them beside the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path

from client.demo.results import FilteredResult, SyntheticResult
from client.demo.session import ref_of, see_through
from client.errors import ProblemError
from client.http import Client
from client.members import members
from client.records import ArtifactVersion, Crop, FilterCount, Job

FILTER = "translocation"
ENDED_WELL = ("succeeded", "partial")


def find_filter(client: Client) -> ArtifactVersion | None:
    """The filter in production, or None if there is none."""
    try:
        return client.artifact_version("filter", FILTER, "production")
    except ProblemError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def filter_synthetic(
    client: Client,
    version: ArtifactVersion,
    made: Sequence[SyntheticResult],
    page: Path,
    on_progress: Callable[[Job], None],
) -> FilteredResult:
    """Filter the crops of all generators in one job, and save its map as `page`."""
    generated = [crop.id for one in made for crop in client.crops(job=one.job.id)]
    submitted = client.submit("filtering", crop_ids=generated, filter=ref_of(version))
    job = see_through(client, submitted, on_progress)
    if job.status not in ENDED_WELL:
        return FilteredResult(version, job)
    counts: dict[str, FilterCount] = {}
    for crop in client.crops(filtered_by=job.id):
        generator = crop.synthetic.generator if crop.synthetic is not None else "unknown"
        known = counts.get(generator, FilterCount(before=0, after=0))
        counts[generator] = FilterCount(before=known.before + 1, after=known.after + _is_kept(crop, job))
    has_map = "map" in members(members(job.result).get("links"))
    return FilteredResult(version, job, counts, client.download_job_map(job.id, page) if has_map else None)


def _is_kept(crop: Crop, job: Job) -> bool:
    return any(score.kept for score in crop.filter_scores if score.job_id == job.id)
