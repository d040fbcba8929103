"""What reads uploaded artifacts: in a module of its own, since it needs torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.numpy

import models.bridge.official as bridge_official
import models.classification.network as classifier_network
import models.cyclegan.official as cyclegan_official
import models.segmentation.network as segmenter_network
from benchmarks.fuzz import weights
from benchmarks.fuzz.seeds import zipped
from benchmarks.fuzz.target import ACCEPTED, Target
from benchmarks.fuzz.targets import code_of
from models.classification.classifier import ClassifierError, ClassifierSpec
from models.filtering import files as filter_files
from models.filtering.errors import FilterFileError
from models.state_files import WeightsError, sha256_of
from services.errors import KaryobridgeError
from services.pipelines import classifier_claims, filter_claims
from services.pipelines.downloads import is_download, unpacked

_READERS: Sequence[Callable[[bytes], Any]] = (
    segmenter_network.from_bytes,
    bridge_official.from_bytes,
    cyclegan_official.from_bytes,
    classifier_network.from_bytes,
)
_WEIGHTS = b"weights"
_WEIGHTS_FILE = "weights.safetensors"


def _weights(data: bytes) -> Sequence[str]:
    """Weights, as every kind of network that they could be."""
    codes = []
    for read in _READERS:
        try:
            read(data)
            codes.append(ACCEPTED)
        except WeightsError as error:
            codes.append(error.code)
    return codes


def _told(data: bytes) -> Sequence[str]:
    """A manifest beside its weights, as the download of a classifier and of a filter."""
    content = zipped({"manifest.json": _with_digest(data), _WEIGHTS_FILE: _WEIGHTS})
    try:
        found = unpacked("classifier", content, _WEIGHTS_FILE, ("card.md",))
        ClassifierSpec.from_manifest(found.claims(classifier_claims.Claims).model_dump(mode="json"))
    except (KaryobridgeError, ClassifierError) as error:
        first = code_of(error) if isinstance(error, KaryobridgeError) else error.code
    else:
        first = ACCEPTED
    try:
        unpacked("filter", content, _WEIGHTS_FILE, ()).claims(filter_claims.Claims)
    except KaryobridgeError as error:
        return [first, code_of(error)]
    return [first, ACCEPTED]


def _with_digest(data: bytes) -> bytes:
    """Name the weights in the manifest, where it is one: the check of the digest is not what is tried."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return (
        json.dumps(told | {"weights_sha256": sha256_of(_WEIGHTS)}).encode()
        if isinstance(told, dict)
        else data
    )


def _download(data: bytes) -> Sequence[str]:
    """A ZIP that may be the download of a version."""
    if not is_download(data, _WEIGHTS_FILE):
        return ["no_download"]
    try:
        unpacked("classifier", data, _WEIGHTS_FILE, ("card.md",))
    except KaryobridgeError as error:
        return [code_of(error)]
    return [ACCEPTED]


def _filter(data: bytes) -> Sequence[str]:
    """What a filter says of itself, beside the arrays of a real one and with the right digest."""
    arrays, _ = weights.shipped_filter()
    try:
        told = json.loads(data)
        known = {name: told[name] for name in ("format", "spec", "manifold")}
        document = json.dumps(told | {"sha256": filter_files._digest(known, arrays)}).encode()
    except (ValueError, RecursionError, KeyError, TypeError):
        document = data
    told_array = {"told": np.frombuffer(document, np.uint8)}
    try:
        filter_files.from_bytes(safetensors.numpy.save(arrays | told_array))
    except FilterFileError as error:
        return [error.code]
    return [ACCEPTED]


def _download_seeds() -> Sequence[bytes]:
    return tuple(
        zipped({"manifest.json": told, _WEIGHTS_FILE: _WEIGHTS, "card.md": b"# card"})
        for told in weights.manifest_seeds()
    )


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "weights": Target(weights.weight_seeds, _weights),
        "artifact-manifest": Target(weights.manifest_seeds, _told),
        "download": Target(_download_seeds, _download),
        "filter": Target(lambda: (json.dumps(weights.shipped_filter()[1]).encode(),), _filter),
    }
)
