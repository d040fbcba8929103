"""Register what comes with the software, once per database: weights, and methods that need none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from services.artifacts.service import ArtifactService
from services.artifacts.types import PRODUCTION, ArtifactVersion
from services.db.engine import SessionFactory
from services.errors import KaryobridgeError
from services.storage.base import ObjectStore
from services.storage.keys import sha256_hex

# What files are called in an artifact; beside a manifest they have its name and their own suffix.
_WEIGHTS_NAMES: Final[Mapping[str, str]] = MappingProxyType({"filter": "filter.safetensors"})
_USUAL_WEIGHTS: Final = "weights.safetensors"
_PICTURES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"filter": MappingProxyType({".png": "plot.png", ".html": "map.html"})}
)
WEIGHTS_FOLDER = Path(__file__).parents[2] / "models" / "weights"


class ShippedWeightsError(KaryobridgeError):
    """A weights file in this checkout is not the one that its manifest describes."""

    code = "shipped_weights_damaged"
    title = "The shipped weights are damaged"


@dataclass(frozen=True)
class ShippedArtifact:
    """A manifest beside its card, and beside its weights if it has any."""

    kind: str
    name: str
    manifest: dict[str, Any]
    files: dict[str, bytes]


def read_shipped(folder: Path = WEIGHTS_FOLDER) -> list[ShippedArtifact]:
    """Read every ``*.json`` manifest with its card, weights and, of a filter, pictures beside it.

    A manifest without ``weights_sha256`` describes something that has no weights, such as the painter.

    Raises
    ------
    ShippedWeightsError
        A weights file is missing, does not hash to the manifest's ``weights_sha256``, or is there although
        the manifest says nothing of it.
    """
    return [_read(manifest_file) for manifest_file in sorted(folder.glob("*.json"))]


def register_shipped(
    session_factory: SessionFactory, store: ObjectStore, folder: Path = WEIGHTS_FOLDER
) -> list[ArtifactVersion]:
    """Add what this database does not have yet.

    A name that is new gets the alias ``production``; a later release adds a version but leaves the
    alias alone, since a lab decides itself when its results may change.
    """
    registered = []
    for shipped in read_shipped(folder):
        with session_factory.begin() as session:
            service = ArtifactService(session, store)
            version = service.find(shipped.kind, shipped.name, shipped.manifest, shipped.files)
            if version is None:
                version = service.add(shipped.kind, shipped.name, shipped.manifest, shipped.files)
                if version.version == 1:
                    service.set_alias(shipped.kind, shipped.name, PRODUCTION, 1)
            registered.append(version)
    return registered


def _read(manifest_file: Path) -> ShippedArtifact:
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    kind, files = manifest["kind"], {}
    weights_file = manifest_file.with_suffix(".safetensors")
    if "weights_sha256" in manifest or weights_file.exists():
        weights = _weights(manifest_file, weights_file, manifest.get("weights_sha256"))
        files[_WEIGHTS_NAMES.get(kind, _USUAL_WEIGHTS)] = weights
    files["card.md"] = manifest_file.with_suffix(".md").read_bytes()
    for suffix, filename in _PICTURES.get(kind, {}).items():
        picture = manifest_file.with_suffix(suffix)
        if picture.exists():
            files[filename] = picture.read_bytes()
    return ShippedArtifact(kind, manifest["name"], manifest, files)


def _weights(manifest_file: Path, weights_file: Path, sha256: str | None) -> bytes:
    if not weights_file.exists():
        raise ShippedWeightsError(f"{weights_file.name} is missing; check the files out again.")
    weights = weights_file.read_bytes()
    if sha256_hex(weights) != sha256:
        raise ShippedWeightsError(
            f"{weights_file.name} does not hash to what {manifest_file.name} says; check the files out again."
        )
    return weights
