"""Making data sets and finding them again: objects first, then every row in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import asdict
from typing import Any, BinaryIO

from sqlalchemy import insert
from sqlalchemy.orm import Session

from services import audit
from services.artifacts.types import check_name
from services.config import Settings
from services.crops.repository import CropRepository
from services.datasets import checks
from services.datasets.assigning import split_items
from services.datasets.export import export_archive
from services.datasets.importing import Prepared, import_archive
from services.datasets.repository import DatasetRepository, NewVersion
from services.datasets.selection import CropSelector, hashed
from services.datasets.types import (
    DatasetVersion,
    Description,
    FreezeRequest,
    ImportRequest,
    NamedSplits,
    NewItem,
    PackedCrop,
    Selection,
    SplitFractions,
)
from services.db.engine import SessionFactory
from services.db.tables import CropAnnotationRow
from services.ids import new_id
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
        details = {"how": {"group_pattern": request.group_pattern, "splits": _told(prepared.fractions)}}
        return _record(session, request.about, prepared, source="import", details=details, actor=actor)

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
        details = {"how": how, "left_out": selected.left_out}
        return _record(session, request.about, prepared, source="annotations", details=details, actor=actor)

    def export(self, version: DatasetVersion) -> Iterator[bytes]:
        """Yield a version's pictures and manifest as the pieces of a ZIP."""
        with self._session_factory() as session:
            items = DatasetRepository(session).items(version)
        return export_archive(items, self._store)


def _record(
    session: Session,
    about: Description,
    prepared: Prepared,
    *,
    source: str,
    details: dict[str, Any],
    actor: str,
) -> tuple[DatasetVersion, bool]:
    """Check the items, then insert crops, items and version, unless the same content is there already."""
    items = prepared.items
    checks.check_labels(items)
    checks.check_leakage(items)
    sha256 = checks.content_sha256(items)
    datasets = DatasetRepository(session)
    datasets.lock_name(about.name)
    existing = datasets.with_content(about.name, sha256)
    if existing is not None:
        return existing, False
    number = datasets.next_version(about.name)
    manifest = {
        **details,
        "licence": about.licence,
        "description": about.text,
        "items": len(items),
        "groups": checks.groups_of(items),
        "chromosomes": checks.chromosomes_of(items),
        # Whatever overlaps has been refused by now.
        "leakage": {"checked": True, "overlaps": 0, "items_without_group": prepared.without_group},
        "warnings": [*prepared.warnings, *checks.warnings_of(items)],
    }
    crop_ids = _add_crops(session, items, f"import of {about.name}/{number}")
    rows = [
        {
            "crop_id": crop_id,
            "item_class": item.item_class,
            "split": item.split,
            "group": item.group,
            "chromosome": item.chromosome,
            "sha256": item.sha256,
        }
        for crop_id, item in zip(crop_ids, items, strict=True)
    ]
    new = NewVersion(about.name, sha256, source, manifest, checks.counts_of(items))
    version = datasets.add(new, number, rows)
    audit.record(
        session,
        actor=actor,
        action="dataset.created",
        subject=version.ref,
        details={"sha256": sha256, "source": source, "items": len(items)},
    )
    return version, True


def _told(value: SplitFractions | NamedSplits | Selection | None) -> dict[str, Any]:
    """What was asked, as JSON; a list of thousands of ids is in the items already."""
    given = {name: one for name, one in ({} if value is None else asdict(value)).items() if one is not None}
    return {
        name: f"{len(one)} of them" if isinstance(one, Sized) and len(one) > _TOLD_IDS else one
        for name, one in given.items()
    }


def _add_crops(session: Session, items: Sequence[NewItem], annotator: str) -> list[str]:
    """Insert the crops that are new, with their labels as verdicts; returns every item's crop id."""
    # Lists go by id, and ids of one millisecond are in no order: sorted, crops come in the items' order.
    fresh = iter(sorted(new_id("crop") for item in items if item.crop_id is None))
    crop_ids, crops, verdicts = [], [], []
    for item in items:
        if item.crop is None:
            crop_ids.append(item.crop_id or "")
            continue
        crop_id = next(fresh)
        crop_ids.append(crop_id)
        labelled = item.item_class != "unlabelled"
        crops.append(_crop_row(crop_id, item.crop, item.item_class if labelled else None))
        if labelled:
            verdicts.append(
                {
                    "id": new_id("ann"),
                    "crop_id": crop_id,
                    "annotation_class": item.item_class,
                    "annotator": annotator,
                }
            )
    CropRepository(session).add(crops)
    if verdicts:
        session.execute(insert(CropAnnotationRow), verdicts)
    return crop_ids


def _crop_row(crop_id: str, crop: PackedCrop, crop_class: str | None) -> dict[str, Any]:
    return {
        "id": crop_id,
        "origin": "imported",
        "pack_key": crop.pack_key,
        "pack_index": crop.pack_index,
        "bbox": [0, 0, crop.height, crop.width],
        "area_px": crop.area_px,
        "flags": [],
        "crop_class": crop_class,
    }
