"""Classifiers that were trained elsewhere: another installation's download, or weights to train from.

Of a download the weights stay as they are, byte for byte: a filter finds its classifier by their SHA-256.
How good it is was measured elsewhere and cannot be checked here without the data.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from models.classification import network
from models.classification.classifier import Classifier, ClassifierSpec
from models.state_files import read_safetensors, sha256_of
from services.jobs.params.artifact_import import ArtifactImportParams
from services.pipelines.classifier_claims import Claims, StartClaims
from services.pipelines.downloads import Download, is_download, origin, unpacked
from services.pipelines.training_data import LEFT_OUT

_WEIGHTS_FILE: Final = "weights.safetensors"
_OTHER_FILES: Final = (
    *("card.md", "evaluation.json", "history.json", "seeds.json"),
    *("training.png", "roc_pr.png", "reliability.png"),
    *(
        f"false_{kind}_{split}.png"
        for kind in ("negatives", "positives")
        for split in ("val", "test", LEFT_OUT)
    ),
)


def imported_classifier(
    params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Read an uploaded classifier, and describe it.

    Parameters
    ----------
    content
        The ZIP of a download, or weights alone; without canvas, scale and calibration the latter cannot
        classify, and are a starting point for a training.
    about
        Entries of the manifest that every import has; ``imported`` is added to.

    Returns
    -------
    manifest, weights

    Raises
    ------
    WeightsError
        These are no weights of a ResNet-18, or of a trained one without two classes.
    ClassifierError
        The network gives something that is no score.
    InvalidInputError
        The archive holds something else, or its manifest is not that of the weights.
    UploadRejectedError
        The archive is damaged, too large, or built to do harm.
    """
    if not is_download(content, _WEIGHTS_FILE):
        net = network.from_bytes(content)
        weights = network.to_safetensors(net)
        return _starting_point(params, net, weights, about), weights
    download = unpacked("classifier", content, _WEIGHTS_FILE, _OTHER_FILES)
    download.require_manifest_of(sha256_of(download.weights))
    read_safetensors(download.weights)  # they are kept as they are, so they must be nothing else
    if download.told.get("trained") is True:
        return _trained(params, download, about), download.weights
    manifest = _starting_point(params, network.from_bytes(download.weights), download.weights, about)
    return manifest | origin(manifest, download.claims(StartClaims)), download.weights


def _starting_point(
    params: ArtifactImportParams, net: network.ResNet18, weights: bytes, about: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "kind": "classifier",
        "name": params.name,
        "architecture": "resnet18",
        "num_classes": net.fc.out_features,
        "trained": False,
        "weights_sha256": sha256_of(weights),
        "libraries": {"python": platform.python_version(), "torch": installed_version("torch")},
        **about,
    }


def _trained(params: ArtifactImportParams, download: Download, about: Mapping[str, Any]) -> dict[str, Any]:
    claims = download.claims(Claims)
    added = claims.model_dump(mode="json", exclude={"name"}, exclude_unset=True)
    manifest = {
        "kind": "classifier",
        **about,
        **added,
        "name": params.name,
        "weights_sha256": sha256_of(download.weights),
        **origin(about, claims),
    }
    spec = ClassifierSpec.from_manifest(manifest)
    Classifier(download.weights, spec, torch.device("cpu")).score(_probe(spec.preprocessing.canvas_px))
    return manifest


def _probe(side: int) -> NDArray[np.uint8]:
    """(1, 3, side, side) uint8: a canvas of every grey level, on which a sound network has a score."""
    rows, columns = np.indices((side, side))
    return np.asarray(np.stack([rows, columns, rows + columns])[None], np.uint8)
