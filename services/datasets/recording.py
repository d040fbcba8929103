"""Checked items become rows: crops, their verdicts, items and the version, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from services import audit
from services.crops.repository import CropRepository
from services.datasets import checks
from services.datasets.importing import Prepared
from services.datasets.repository import DatasetRepository, NewVersion
from services.datasets.simulated import SIMULATED
from services.datasets.types import DatasetVersion, Description, NewItem, PackedCrop
from services.db.tables import CropAnnotationRow
from services.ids import new_id


def record(
    session: Session,
    about: Description,
    prepared: Prepared,
    *,
    source: str,
    details: dict[str, Any],
    actor: str,
    job_id: str | None = None,
) -> tuple[DatasetVersion, bool]:
    """Check the items, then insert crops, items and version, unless the same content is there already.

    Parameters
    ----------
    source
        ``import``, ``annotations`` or ``simulation``.
    details
        Entries of the manifest that tell how it was made.
    job_id
        Of the job that simulated the crops; None for crops that are real.

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
    """
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
    crop_ids = _add_crops(session, items, f"{source} of {about.name}/{number}", job_id)
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


def record_simulated(
    session: Session, about: Description, items: Sequence[NewItem], how: Mapping[str, Any], *, job_id: str
) -> DatasetVersion:
    """Freeze simulated crops; raises as `record`."""
    details = {SIMULATED: True, "how": dict(how)}
    version, _ = record(
        session,
        about,
        Prepared(items),
        source="simulation",
        details=details,
        actor=f"job {job_id}",
        job_id=job_id,
    )
    return version


def _add_crops(session: Session, items: Sequence[NewItem], annotator: str, job_id: str | None) -> list[str]:
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
        crops.append(_crop_row(crop_id, item.crop, item.item_class if labelled else None, job_id))
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


def _crop_row(crop_id: str, crop: PackedCrop, crop_class: str | None, job_id: str | None) -> dict[str, Any]:
    return {
        "id": crop_id,
        "origin": "imported" if job_id is None else SIMULATED,
        "job_id": job_id,
        "pack_key": crop.pack_key,
        "pack_index": crop.pack_index,
        "bbox": [0, 0, crop.height, crop.width],
        "area_px": crop.area_px,
        "flags": [],
        "crop_class": crop_class,
    }
