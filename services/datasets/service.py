"""Making data sets and finding them again: objects first, then every row in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import asdict
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from services.artifacts.types import check_name
from services.config import Settings
from services.datasets.assigning import split_items
from services.datasets.export import export_archive
from services.datasets.importing import Prepared, import_archive
from services.datasets.recording import record
from services.datasets.repository import DatasetRepository
from services.datasets.selection import CropSelector, hashed
from services.datasets.simulated import SIMULATED, refuse_known
from services.datasets.types import (
    DatasetVersion,
    FreezeRequest,
    ImportRequest,
    NamedSplits,
    Selection,
    SplitFractions,
)
from services.db.engine import SessionFactory
from services.storage.base import ObjectStore

_TOLD_IDS = 1000


class DatasetService:
    """Imports, freezes and exports.

    What takes long (pictures, hashes) happens before the caller's session is touched, so that no
    transaction waits for it.
    """

    def __init__(self, session_factory: SessionFactory, store: ObjectStore, settings: Settings) -> None:
        self._session_factory = session_factory
        self._store = store
        self._max_zip_bytes = settings.max_zip_bytes

    def import_archive(
        self, stream: BinaryIO, request: ImportRequest, *, actor: str, session: Session
    ) -> tuple[DatasetVersion, bool]:
        """Freeze the pictures of an archive.

        Returns
        -------
        DatasetVersion
            The new version, or the one of this name with the same content.
        bool
            Whether it is new.

        Raises
        ------
        InvalidDatasetError, DatasetLeakageError
            With everything that is wrong.
        InvalidInputError, UploadRejectedError
            The request or the archive as a whole cannot be used.
        """
        check_name(request.about.name)
        prepared = import_archive(stream, request, self._store, self._max_zip_bytes)
        refuse_known(session, prepared.items)
        details = {"how": {"group_pattern": request.group_pattern, "splits": _told(prepared.fractions)}}
        return record(session, request.about, prepared, source="import", details=details, actor=actor)

    def freeze(self, request: FreezeRequest, *, actor: str, session: Session) -> tuple[DatasetVersion, bool]:
        """Freeze annotated crops; results and errors are those of `import_archive`.

        Raises
        ------
        NotFoundError
            A named sample, batch, job or crop does not exist.
        """
        check_name(request.about.name)
        with self._session_factory() as reading:
            selected = CropSelector(reading).select(request)
        items = split_items(hashed(selected.crops, self._store), request.splits)
        prepared = Prepared(items, selected.warnings)
        how = {
            "selection": _told(request.selection),
            "group_by": request.group_by,
            "splits": _told(request.splits),
            "include_unlabelled": request.include_unlabelled,
        }
        details: dict[str, Any] = {"how": how, "left_out": selected.left_out}
        if selected.simulated:
            details[SIMULATED] = True
        return record(session, request.about, prepared, source="annotations", details=details, actor=actor)

    def export(self, version: DatasetVersion) -> Iterator[bytes]:
        """Yield a version's pictures and manifest as the pieces of a ZIP."""
        with self._session_factory() as session:
            items = DatasetRepository(session).items(version)
        return export_archive(items, self._store)


def _told(value: SplitFractions | NamedSplits | Selection | None) -> dict[str, Any]:
    """What was asked, as JSON; a list of thousands of ids is in the items already."""
    given = {name: one for name, one in ({} if value is None else asdict(value)).items() if one is not None}
    return {
        name: f"{len(one)} of them" if isinstance(one, Sized) and len(one) > _TOLD_IDS else one
        for name, one in given.items()
    }
