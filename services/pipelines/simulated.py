"""Whatever learnt from simulated crops says so, and so does whatever is made from it."""

from __future__ import annotations

from typing import Any

from services.artifacts.service import ArtifactService
from services.datasets.simulated import SIMULATED
from services.datasets.types import DatasetVersion
from services.jobs.kinds import spec_of
from services.jobs.types import Job
from services.pipelines.resources import Resources


def learnt_from_simulation(job: Job, dataset: DatasetVersion, resources: Resources) -> dict[str, Any]:
    """Return the manifest's entry that marks an artifact as simulated, or nothing.

    Parameters
    ----------
    job
        That makes the artifact; an artifact that it starts from passes the mark on.
    dataset
        What it learns from.

    Raises
    ------
    NotFoundError
        An artifact that the job names is gone.
    """
    if dataset.simulated:
        return {SIMULATED: True}
    kinds = spec_of(job.kind).artifact_roles
    with resources.session_factory() as session:
        artifacts = ArtifactService(session, resources.store)
        parents = [artifacts.resolve(kinds[role], ref) for role, ref in job.artifacts.items()]
    return {SIMULATED: True} if any(parent.manifest.get(SIMULATED) for parent in parents) else {}
