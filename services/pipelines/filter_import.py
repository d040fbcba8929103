"""Filters that were fitted in another installation: its download, checked and drawn anew.

Of a download only the manifest and the filter's file are read. The card and the pictures are made here,
so that no page of a stranger is ever shown; and what follows from the filter itself is taken from it,
not from what the manifest says.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from models.filtering.files import from_bytes
from models.filtering.filter import Filter
from services.errors import InvalidInputError
from services.filtering.loading import FILTER_FILE
from services.images.archives import unzip_members
from services.images.errors import shown
from services.images.limits import Limits
from services.jobs.params.artifact_import import ArtifactImportParams
from services.pipelines.filter_claims import Claims
from services.pipelines.filter_manifest import described
from services.pipelines.filter_map import bare_map

MANIFEST_FILE: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 * 1024**2
_KNOWN_FILES: Final = (MANIFEST_FILE, FILTER_FILE, "card.md", "plot.png", "map.html")
_LIMITS: Final = Limits(
    max_file_bytes=1024**3, max_zip_members=2 * len(_KNOWN_FILES), max_zip_total_bytes=2 * 1024**3
)
_NUL: Final = rb"\u0000"  # as JSON writes it
_ZIP_START: Final = b"PK"
_FIRST_SHOWN: Final = 3


def imported_filter(
    params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read an uploaded filter, and describe and draw it.

    Parameters
    ----------
    content
        The ZIP of a download, or the filter's file alone; of the latter nobody knows how good it is.
    about
        Entries of the manifest that every import has; ``imported`` is added to.

    Returns
    -------
    manifest, files

    Raises
    ------
    FilterFileError
        The filter's file was changed, or scores its probe differently.
    InvalidInputError
        The archive holds something else, or its manifest is not that of the filter.
    UploadRejectedError
        The archive is damaged, too large, or built to do harm.
    """
    told, file = _unpacked(content)
    found = from_bytes(file)
    own = described(found, file)
    spec = found.spec
    manifest: dict[str, Any] = {
        "kind": "filter",
        **about,
        "name": params.name,
        **own,
        "classifier": {"ref": spec.classifier, "weights_sha256": spec.classifier_sha256},
    }
    if told is not None:
        manifest |= _claimed(told, found, own, manifest)
    return manifest, {FILTER_FILE: file, **bare_map(found, title=f"Filter {params.name}")}


def _claimed(
    told: Mapping[str, Any], found: Filter, own: Mapping[str, Any], manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a manifest adds, once it is certain that it is the manifest of this filter."""
    if told.get("weights_sha256") != own["weights_sha256"]:
        _refuse(f"its weights_sha256 is not the SHA-256 of {FILTER_FILE}, {own['weights_sha256']}")
    if told.get("kind") != "filter":
        _refuse(f"it says that this is a {shown(str(told.get('kind')))}")
    for name in ("filter", "manifold", "mixture"):
        if told.get(name) != own[name]:
            _refuse(f"its entry {name} is not what the filter's file says")
    try:
        claims = Claims.model_validate(told)
    except ValidationError as error:
        wrong = [".".join(map(str, one["loc"])) for one in error.errors()[:_FIRST_SHOWN]]
        _refuse(f"these entries are missing or of another form: {shown(', '.join(wrong))}")
    aberrations = int(found.labels.sum())
    if (claims.fit.aberrations, claims.fit.normals) != (aberrations, len(found.labels) - aberrations):
        _refuse("it counts other training crops than the filter has")
    added = claims.model_dump(mode="json", exclude={"name", "classifier"}, exclude_unset=True)
    return {
        **added,
        "classifier": manifest["classifier"] | claims.classifier.model_dump(exclude_none=True),
        "licence": manifest["licence"] or claims.licence,
        "description": manifest["description"] or claims.description,
        "imported": {**manifest["imported"], "name": claims.name},
    }


def _unpacked(content: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Return the manifest and the filter's file; no manifest if the upload is that file alone."""
    if not content.startswith(_ZIP_START):
        return None, content
    files: dict[str, bytes] = {}
    for member in unzip_members(io.BytesIO(content), _LIMITS):
        if member.error is not None:
            raise member.error
        if member.name not in _KNOWN_FILES or member.stream is None:
            raise InvalidInputError(
                f"The archive holds {shown(member.name)}, and a filter has only {', '.join(_KNOWN_FILES)}. "
                "Upload the ZIP as GET /v1/artifacts/filter/{name}/{version}/content gives it.",
                "file",
            )
        if member.name in (MANIFEST_FILE, FILTER_FILE):
            files[member.name] = member.stream.read()
    for name in (MANIFEST_FILE, FILTER_FILE):
        if name not in files:
            raise InvalidInputError(f"The archive has no {name}; upload the whole download.", "file")
    return _manifest_of(files[MANIFEST_FILE]), files[FILTER_FILE]


def _manifest_of(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_MANIFEST_BYTES:
        _refuse(f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    try:
        told = json.loads(content)
        text = json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        _refuse("it is no JSON")
    if _NUL in text:
        _refuse("a text in it has a character that no database takes")
    if not isinstance(told, dict):
        _refuse("it is no JSON object")
    return told


def _refuse(why: str) -> NoReturn:
    raise InvalidInputError(
        f"{MANIFEST_FILE} is not the manifest of this filter: {why}. Download both again, and upload them "
        "unchanged.",
        "file",
    )
