"""The ZIP that another installation gives of an artifact version, opened and read with care.

Of a download only the manifest and the weights are read. The card and the pictures are made here, so that
no page of a stranger is ever shown.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from pydantic import ValidationError

from services.errors import InvalidInputError
from services.images.archives import member_names, unzip_members
from services.images.errors import UploadRejectedError, shown
from services.images.limits import Limits
from services.pipelines.claims import ArtifactClaims

MANIFEST_FILE: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 * 1024**2
MAX_DEPTH: Final = 32
_NUL: Final = rb"\u0000"  # as JSON writes it
_ZIP_START: Final = b"PK"
_FIRST_SHOWN: Final = 3

Claims = TypeVar("Claims", bound=ArtifactClaims)


@dataclass(frozen=True)
class Download:
    """The two files of a download that are read.

    Attributes
    ----------
    told
        The manifest, a JSON object of which nothing has been checked.
    """

    kind: str
    weights_file: str
    told: Mapping[str, Any]
    weights: bytes

    def require_manifest_of(self, sha256: str) -> None:
        """Refuse a manifest that is not that of these weights; raises `InvalidInputError`."""
        if self.told.get("weights_sha256") != sha256:
            self.refuse(f"its weights_sha256 is not the SHA-256 of {self.weights_file}, {sha256}")
        if self.told.get("kind") != self.kind:
            self.refuse(f"it says that this is a {shown(str(self.told.get('kind')))}")

    def claims(self, model: type[Claims]) -> Claims:
        """What the manifest says, in the form that this kind has; raises `InvalidInputError`."""
        try:
            return model.model_validate(self.told)
        except ValidationError as error:
            wrong = [".".join(map(str, one["loc"])) for one in error.errors()[:_FIRST_SHOWN]]
            self.refuse(f"these entries are missing or of another form: {shown(', '.join(wrong))}")

    def refuse(self, why: str) -> NoReturn:
        """Refuse the manifest; raises `InvalidInputError`."""
        _refuse(self.kind, why)


def is_download(content: bytes, weights_file: str) -> bool:
    """Whether an upload is a ZIP of a version's files; checkpoints of torch are ZIPs of other names."""
    if not content.startswith(_ZIP_START):
        return False
    try:
        names = member_names(io.BytesIO(content))
    except UploadRejectedError:
        return False
    return any(name.rpartition("/")[2] in (MANIFEST_FILE, weights_file) for name in names)


def unpacked(kind: str, content: bytes, weights_file: str, others: tuple[str, ...]) -> Download:
    """Unpack a download.

    Parameters
    ----------
    others
        Names of further files that a download of this kind may hold; they are not read.

    Raises
    ------
    InvalidInputError
        The archive holds something else or lacks one of the two, or the manifest is no sound JSON.
    UploadRejectedError
        The archive is damaged, too large, or built to do harm.
    """
    known = (MANIFEST_FILE, weights_file, *others)
    limits = Limits(max_file_bytes=1024**3, max_zip_members=2 * len(known), max_zip_total_bytes=2 * 1024**3)
    files: dict[str, bytes] = {}
    for member in unzip_members(io.BytesIO(content), limits):
        if member.error is not None:
            raise member.error
        if member.name not in known or member.stream is None:
            raise InvalidInputError(
                f"The archive holds {shown(member.name)}, and a {kind} has only {', '.join(known)}. "
                f"Upload the ZIP as GET /v1/artifacts/{kind}/{{name}}/{{version}}/content gives it.",
                "file",
            )
        if member.name in (MANIFEST_FILE, weights_file):
            files[member.name] = member.stream.read()
    for name in (MANIFEST_FILE, weights_file):
        if name not in files:
            raise InvalidInputError(f"The archive has no {name}; upload the whole download.", "file")
    return Download(kind, weights_file, _manifest_of(kind, files[MANIFEST_FILE]), files[weights_file])


def origin(manifest: Mapping[str, Any], claims: ArtifactClaims) -> dict[str, Any]:
    """Entries in which what the uploader says goes before what the manifest of a download says.

    Parameters
    ----------
    manifest
        With the entries that every import has.
    """
    return {
        "licence": manifest["licence"] or claims.licence,
        "description": manifest["description"] or claims.description,
        "imported": {**manifest["imported"], "name": claims.name},
        **({"simulated": True} if claims.simulated else {}),
    }


def _manifest_of(kind: str, content: bytes) -> dict[str, Any]:
    if len(content) > MAX_MANIFEST_BYTES:
        _refuse(kind, f"it has more than {MAX_MANIFEST_BYTES:,} bytes")
    try:
        told = json.loads(content)
        text = json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        _refuse(kind, "it is no JSON")
    if _NUL in text:
        _refuse(kind, "a text in it has a character that no database takes")
    if not isinstance(told, dict):
        _refuse(kind, "it is no JSON object")
    if _is_deeper(told, MAX_DEPTH):
        _refuse(kind, f"its entries lie more than {MAX_DEPTH} deep in each other")
    return told


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _refuse(kind: str, why: str) -> NoReturn:
    raise InvalidInputError(
        f"{MANIFEST_FILE} is not the manifest of this {kind}: {why}. Download both again, and upload them "
        "unchanged.",
        "file",
    )
