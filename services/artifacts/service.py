"""Adding, resolving and opening artifact versions."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from sqlalchemy.orm import Session

from services.artifacts.promotion import check_promotion
from services.artifacts.repository import ArtifactRepository
from services.artifacts.types import (
    PRODUCTION,
    ArtifactAlias,
    ArtifactVersion,
    StoredFile,
    check_kind,
    check_name,
    split_ref,
)
from services.errors import KaryobridgeError, NotFoundError
from services.filtering.selection import classifier_of
from services.pagination import Page, PageRequest
from services.storage.base import ObjectStore
from services.storage.keys import content_key, sha256_hex

SPOOL_BYTES = 32 * 1024**2
PIECE_BYTES = 1024**2
MAX_VERSION_DIGITS = 19  # longer numbers name no version either


class ArtifactDamagedError(KaryobridgeError):
    """Stored bytes do not hash to what the version says."""

    code = "artifact_damaged"
    title = "An artifact's stored bytes are damaged"


class ArtifactService:
    """Artifacts through one session and one store; the caller commits."""

    def __init__(self, session: Session, store: ObjectStore) -> None:
        self._session = session
        self._repository = ArtifactRepository(session)
        self._store = store

    def list_page(self, kind: str | None, page: PageRequest) -> Page[ArtifactVersion]:
        """Every version, optionally of one kind."""
        return self._repository.list_page(None if kind is None else check_kind(kind), page)

    def describe(self, kind: str, name: str) -> tuple[list[ArtifactVersion], list[ArtifactAlias]]:
        """All versions and aliases of a name; raises `NotFoundError` if there are none."""
        versions = self._repository.versions(check_kind(kind), name)
        if not versions:
            raise NotFoundError(kind, name)
        return versions, self._repository.aliases(kind, name)

    def get(self, kind: str, name: str, version_or_alias: str) -> ArtifactVersion:
        """The version with this number or alias; raises `NotFoundError`."""
        check_kind(kind)
        if version_or_alias.isdecimal() and version_or_alias.isascii():
            number: int | None = int(version_or_alias[:MAX_VERSION_DIGITS])
        else:
            number = self._repository.aliased(kind, name, version_or_alias)
        found = None if number is None else self._repository.get(kind, name, number)
        if found is None:
            raise NotFoundError(kind, f"{name}/{version_or_alias}")
        return found

    def resolve(self, kind: str, ref: str) -> ArtifactVersion:
        """The version that ``name/version``, ``name/alias`` or a bare name (production) means now."""
        name, version = split_ref(ref)
        return self.get(kind, name, version)

    def add(
        self,
        kind: str,
        name: str,
        manifest: Mapping[str, Any],
        files: Mapping[str, bytes],
        job_id: str | None = None,
    ) -> ArtifactVersion:
        """Store files, then insert the next version.

        A job that is run again after a crash finds the version it already made.
        """
        check_kind(kind)
        check_name(name)
        stored = {filename: self._put(filename, content) for filename, content in sorted(files.items())}
        self._repository.lock_name(kind, name)
        made = None if job_id is None else self._repository.made_by(job_id)
        if made is not None:
            return made
        return self._repository.add(
            kind, name, manifest=manifest, files=stored, sha256=_digest(manifest, stored), job_id=job_id
        )

    def find(
        self, kind: str, name: str, manifest: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> ArtifactVersion | None:
        """The version of this name that already has exactly this manifest and these files."""
        stored = {filename: _described(filename, content) for filename, content in sorted(files.items())}
        return self._repository.with_content(kind, name, _digest(manifest, stored))

    def set_alias(self, kind: str, name: str, alias: str, version: int) -> ArtifactVersion:
        """Point an alias at an existing version.

        Raises
        ------
        NotFoundError
            There is no such version.
        PromotionRefusedError
            The alias is ``production``, and the version was not measured.
        FilterClassifierMissingError
            The alias is ``production``, and a filter's classifier is not here.
        """
        check_name(alias, "alias")
        found = self.get(kind, name, str(version))
        check_promotion(found, alias)
        if kind == "filter" and alias == PRODUCTION:
            classifier_of(self._session, found)
        self._repository.set_alias(kind, name, alias, version)
        return found

    def open_file(self, version: ArtifactVersion, filename: str) -> bytes:
        """Read one file of a version and verify its hash.

        Raises
        ------
        NotFoundError
            The version has no such file.
        ArtifactDamagedError
            The bytes changed in the store.
        """
        file = version.files.get(filename)
        if file is None:
            raise NotFoundError(f"file of {version.kind} {version.ref}", filename)
        content = self._store.get(file.key)
        if sha256_hex(content) != file.sha256:
            raise ArtifactDamagedError(
                f"{filename} of {version.kind} {version.ref} no longer hashes to {file.sha256}; "
                "restore it from a backup."
            )
        return content

    def archive(self, version: ArtifactVersion) -> Iterator[bytes]:
        """Pack the manifest and every file into a ZIP and yield it; a large one is gathered on disk.

        Every hash is verified before the first piece, so that a damaged version is an error and not a
        download that breaks off.
        """
        with ExitStack() as on_error:
            spool = on_error.enter_context(tempfile.SpooledTemporaryFile(SPOOL_BYTES))
            with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
                manifest = json.dumps(dict(version.manifest), indent=2, sort_keys=True)
                archive.writestr(_entry("manifest.json"), manifest)
                for filename in sorted(version.files):
                    archive.writestr(_entry(filename), self.open_file(version, filename))
            on_error.pop_all()
        return _pieces(spool)

    def _put(self, filename: str, content: bytes) -> StoredFile:
        described = _described(filename, content)
        if not self._store.exists(described.key):
            self._store.put(described.key, content)
        return described


def _pieces(spool: tempfile.SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with spool:
        spool.seek(0)
        while piece := spool.read(PIECE_BYTES):
            yield piece


def _described(filename: str, content: bytes) -> StoredFile:
    sha256 = sha256_hex(content)
    suffix = "." + filename.rpartition(".")[2]
    return StoredFile(content_key("artifacts", sha256, suffix), sha256, len(content))


def _digest(manifest: Mapping[str, Any], files: Mapping[str, StoredFile]) -> str:
    """One hash over manifest and files, so that the same content is recognised."""
    content = {"manifest": dict(manifest), "files": {name: file.sha256 for name, file in files.items()}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _entry(filename: str) -> zipfile.ZipInfo:
    """A ZIP entry with a fixed date: the same version downloads as the same bytes."""
    return zipfile.ZipInfo(filename, date_time=(1980, 1, 1, 0, 0, 0))
