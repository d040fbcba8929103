"""Uploaded weights, checked by loading them, become an artifact version in safetensors.

An upload may be safetensors or an official checkpoint (Cellpose 1-3 for a segmenter, torchvision's
ResNet-18 for a classifier, BBDM's or CycleGAN's for a generator); the latter is read with
``weights_only``, so no code in it ever runs. A filter or a trained classifier comes as the ZIP that another
installation gives; a filter also as its file alone. This is a job because the API process has no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import models.segmentation.network as segmenter_network
from models.classification.classifier import ClassifierError
from models.filtering.errors import FilterFileError
from models.state_files import WeightsError
from services.artifacts.service import ArtifactService
from services.errors import InvalidInputError
from services.jobs.context import JobContext
from services.jobs.params.artifact_import import ArtifactImportParams
from services.pipelines.classifier_card import classifier_card
from services.pipelines.classifier_import import imported_classifier
from services.pipelines.filter_card import filter_card
from services.pipelines.filter_import import imported_filter
from services.pipelines.generator_card import generator_card
from services.pipelines.generator_import import GENERATOR_FIELDS, imported_generator
from services.pipelines.resources import Resources
from services.pipelines.segmenter_manifest import segmenter_manifest

Converted = tuple[dict[str, Any], dict[str, bytes]]
WEIGHTS_FILE: Final = "weights.safetensors"
Convert = Callable[[ArtifactImportParams, bytes, Mapping[str, Any]], Converted]


def run(context: JobContext, resources: Resources) -> dict[str, Any]:
    """Convert the upload and add a version.

    Raises
    ------
    InvalidInputError
        The bytes are not weights of a network that this kind of artifact can be, or the uploader says
        something of them that this kind does not have.
    UploadRejectedError
        An archive is damaged, or built to do harm.
    """
    params = ArtifactImportParams.model_validate(context.job.params)
    # Jobs that were queued before classifiers could be imported do not name their kind.
    kind = context.job.inputs.get("kind", "segmenter")
    _refuse_foreign(params, kind)
    filename = context.job.inputs["filename"]
    content = resources.store.get(context.job.inputs["object_key"])
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
    try:
        manifest, files = CONVERTERS[kind](params, content, about)
    except (WeightsError, ClassifierError, FilterFileError) as error:
        raise InvalidInputError(f"{filename} cannot be used: {error}", "file") from error
    if kind in CARDS:
        files["card.md"] = CARDS[kind](manifest).encode()
    with resources.session_factory.begin() as session:
        version = ArtifactService(session, resources.store).add(
            kind, params.name, manifest, files, job_id=context.job.id
        )
    return {
        "artifact": version.ref,
        "weights_sha256": manifest["weights_sha256"],
        "links": {"artifact": f"/v1/artifacts/{kind}/{version.ref}"},
    }


def _refuse_foreign(params: ArtifactImportParams, kind: str) -> None:
    """Refuse what is said of another kind of artifact: it would change nothing, and nobody would be told."""
    own = OWN_FIELDS.get(kind, ())
    for name in (name for names in OWN_FIELDS.values() for name in names if name not in own):
        if getattr(params, name) is not None:
            raise InvalidInputError(f"A {kind} has no {name}: leave it out.", name)


def _segmenter(params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]) -> Converted:
    net = segmenter_network.from_bytes(content)
    if params.diameter_px is not None:
        net.diam_labels.data.fill_(params.diameter_px)
    weights = segmenter_network.to_safetensors(net)
    manifest = segmenter_manifest(params.name, net, weights, float(net.diam_labels.item()), about)
    return manifest, {WEIGHTS_FILE: weights}


def _classifier(params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]) -> Converted:
    manifest, weights = imported_classifier(params, content, about)
    return manifest, {WEIGHTS_FILE: weights}


def _generator(params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]) -> Converted:
    manifest, weights = imported_generator(params, content, about)
    return manifest, {WEIGHTS_FILE: weights}


CONVERTERS: Final[Mapping[str, Convert]] = MappingProxyType(
    {
        "segmenter": _segmenter,
        "classifier": _classifier,
        "generator": _generator,
        "filter": imported_filter,
    }
)
CARDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {"classifier": classifier_card, "generator": generator_card, "filter": filter_card}
)
OWN_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"segmenter": ("diameter_px",), "generator": GENERATOR_FIELDS}
)
