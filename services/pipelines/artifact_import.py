"""Uploaded weights, checked by loading them, become an artifact version in safetensors.

An upload may be safetensors or an official Cellpose 1-3 checkpoint; the latter is read with
``weights_only``, so no code in it ever runs. This is a job because the API process has no torch.
"""

from __future__ import annotations

from typing import Any

from models.segmentation import network
from services.artifacts.service import ArtifactService
from services.errors import InvalidInputError
from services.jobs.context import JobContext
from services.jobs.params import ArtifactImportParams
from services.pipelines.resources import Resources
from services.pipelines.segmenter_manifest import segmenter_manifest


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Convert the upload and add a version.

    Raises
    ------
    InvalidInputError
        The bytes are not weights of a Cellpose 1-3 network.
    """
    params = ArtifactImportParams.model_validate(context.job.params)
    filename = context.job.inputs["filename"]
    content = resources.store.get(context.job.inputs["object_key"])
    try:
        net = network.from_bytes(content)
    except network.WeightsError as error:
        raise InvalidInputError(
            f"{context.job.inputs['filename']} cannot be used: {error}", "file"
        ) from error
    if params.diameter_px is not None:
        net.diam_labels.data.fill_(params.diameter_px)
    weights = network.to_safetensors(net)
    about: dict[str, Any] = {
        "licence": params.licence,
        "description": params.description,
        "parents": [],
        "metrics": None,
        "imported": {
            "job_id": context.job.id,
            "filename": filename,
            "sha256": context.job.inputs["sha256"],
        },
    }
    manifest = segmenter_manifest(params.name, net, weights, float(net.diam_labels.item()), about)
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            "segmenter", params.name, manifest, {"weights.safetensors": weights}, job_id=context.job.id
        )
    return {
        "artifact": version.ref,
        "weights_sha256": manifest["weights_sha256"],
        "links": {"artifact": f"/v1/artifacts/segmenter/{version.ref}"},
    }
