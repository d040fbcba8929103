"""People's verdicts on crops: one at a time or a thousand, all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services import audit
from services.crops.types import CropClass
from services.db.tables import CropAnnotationRow, CropRow
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.ids import new_id

MAX_VERDICTS: Final = 1000
_MAX_NAMED = 20


class SyntheticCropError(ConflictError):
    """A verdict was given on a crop that no patient's chromosome stands behind."""

    code = "crop_is_synthetic"
    title = "A generated crop cannot be annotated"

    def __init__(self, crop_ids: Sequence[str]) -> None:
        super().__init__(
            f"Generated crops carry the class that they were made with, and a verdict could not be told from "
            f"one on a real chromosome: leave out {_named(crop_ids)}."
        )


@dataclass(frozen=True)
class Verdict:
    """What a person says of one crop."""

    crop_id: str
    crop_class: CropClass
    annotator: str


class CropAnnotator:
    """Records verdicts through one session; the caller commits.

    The newest verdict is mirrored in the crop's row, and none is ever removed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, verdict: Verdict, *, actor: str) -> None:
        """Record one verdict, with an audit entry of the crop's own.

        Parameters
        ----------
        actor
            The key that said so, for the audit trail.

        Raises
        ------
        NotFoundError
            There is no such crop.
        SyntheticCropError
            The crop was generated.
        """
        (before,) = self._record([verdict])
        details = {"from": before, "to": verdict.crop_class, "annotator": verdict.annotator}
        audit.record(
            self._session, actor=actor, action="crop.annotated", subject=verdict.crop_id, details=details
        )

    def add_all(self, verdicts: Sequence[Verdict], *, actor: str) -> None:
        """Record up to `MAX_VERDICTS` verdicts with one audit entry, or none of them.

        The audit entry's subject is the first crop; its details list every crop with the verdict before
        and after.

        Raises
        ------
        InvalidInputError
            A crop is named twice, or there are no verdicts, or too many.
        NotFoundError
            Crops do not exist; the first of them are named.
        SyntheticCropError
            Crops were generated; the first of them are named.
        """
        if not 0 < len(verdicts) <= MAX_VERDICTS:
            raise InvalidInputError(f"Send 1 to {MAX_VERDICTS} verdicts at once.", "annotations")
        ids = [verdict.crop_id for verdict in verdicts]
        twice = [crop_id for crop_id, times in Counter(ids).items() if times > 1]
        if twice:
            raise InvalidInputError(
                f"Which verdict would be the newer one? Named twice: {_named(twice)}.", "annotations"
            )
        before = self._record(verdicts)
        changes = [
            {"crop_id": one.crop_id, "from": old, "to": one.crop_class, "annotator": one.annotator}
            for one, old in zip(verdicts, before, strict=True)
        ]
        audit.record(
            self._session,
            actor=actor,
            action="crops.annotated",
            subject=ids[0],
            details={"verdicts": changes},
        )

    def _record(self, verdicts: Sequence[Verdict]) -> list[str | None]:
        """Insert verdicts and mirror them; returns the classes that were there before."""
        rows = self._lock([verdict.crop_id for verdict in verdicts])
        before = [rows[verdict.crop_id].crop_class for verdict in verdicts]
        self._session.execute(
            insert(CropAnnotationRow),
            [
                {
                    "id": new_id("ann"),
                    "crop_id": verdict.crop_id,
                    "annotation_class": verdict.crop_class,
                    "annotator": verdict.annotator,
                }
                for verdict in verdicts
            ],
        )
        for verdict in verdicts:
            rows[verdict.crop_id].crop_class = verdict.crop_class
        self._session.flush()
        return before

    def _lock(self, crop_ids: Sequence[str]) -> dict[str, CropRow]:
        """Lock crops in the order of their ids, so that two callers cannot wait for each other."""
        query = select(CropRow).where(CropRow.id.in_(crop_ids)).order_by(CropRow.id).with_for_update()
        # What this session read earlier may be older than the lock.
        rows = {row.id: row for row in self._session.scalars(query.execution_options(populate_existing=True))}
        missing = [crop_id for crop_id in crop_ids if crop_id not in rows]
        if missing:
            raise NotFoundError("crop", _named(missing))
        synthetic = [crop_id for crop_id in crop_ids if rows[crop_id].origin == "generated"]
        if synthetic:
            raise SyntheticCropError(synthetic)
        return rows


def _named(crop_ids: Sequence[str]) -> str:
    shown = ", ".join(crop_ids[:_MAX_NAMED])
    hidden = len(crop_ids) - _MAX_NAMED
    return f"{shown} and {hidden} more" if hidden > 0 else shown
