"""The only place that builds queries about predictions and embedding sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from services.db.engine import let_go_after
from services.db.tables import CropRow, EmbeddingSetRow, ImageRow, JobItemRow, JobRow, PredictionRow
from services.predictions.types import (
    EmbeddingPlace,
    EmbeddingSet,
    ExportRow,
    Neighbour,
    NeighbourFilter,
    NewPrediction,
    Prediction,
    PredictionTotals,
)

ROWS_PER_FETCH: Final = 2048
LOCKED_IDLE_S: Final = 30.0


class PredictionRepository:
    """Predictions through one session; flushes, never commits.

    Of two predictions of a crop the newer one is that of the job with the greater id: the job that was
    submitted later, whichever of them ran first.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, job_id: str, classifier: str, position: int, new: Sequence[NewPrediction]) -> None:
        """Record an item's predictions and mirror them in their crops, where no newer job's is mirrored.

        Two jobs that score the same crops at once may lock them in different orders. Postgres then ends
        one of the transactions, and whoever records tries again.
        """
        if not new:
            return
        rows = [
            {
                "crop_id": one.crop_id,
                "job_id": job_id,
                "classifier": classifier,
                "predicted_class": one.predicted_class,
                "probability": one.probability,
                "item_position": position,
            }
            for one in new
        ]
        self._session.execute(insert(PredictionRow), rows)
        said = PredictionRow
        self._session.execute(
            update(CropRow)
            .where(
                said.job_id == job_id,
                said.item_position == position,
                CropRow.id == said.crop_id,
                or_(CropRow.predicted_by.is_(None), CropRow.predicted_by <= job_id),
            )
            .values(predicted_class=said.predicted_class, probability=said.probability, predicted_by=job_id)
            .execution_options(synchronize_session=False)
        )

    def of_crops(self, crop_ids: Sequence[str]) -> dict[str, tuple[Prediction, ...]]:
        """All predictions of some crops, newest last; a crop without any is missing."""
        found: dict[str, list[Prediction]] = defaultdict(list)
        if crop_ids:
            row = PredictionRow
            query = select(row).where(row.crop_id.in_(crop_ids)).order_by(row.job_id)
            for one in self._session.scalars(query):
                found[one.crop_id].append(_prediction(one))
        return {crop_id: tuple(predictions) for crop_id, predictions in found.items()}

    def totals(self, job_id: str) -> PredictionTotals:
        """Count a job's predictions by class."""
        row = PredictionRow
        query = select(row.predicted_class, func.count()).where(row.job_id == job_id)
        found = self._session.execute(query.group_by(row.predicted_class))
        counts: dict[str, int] = {name: number for name, number in found}  # noqa: C416 - rows are typed, dict() is not
        normal, aberration = counts.get("normal", 0), counts.get("aberration", 0)
        return PredictionTotals(normal + aberration, normal, aberration)

    def rows_by_item(self, job_id: str) -> list[tuple[int, int]]:
        """Item positions of a job in ascending order, each with the number of its predictions."""
        row = PredictionRow
        query = select(row.item_position, func.count()).where(row.job_id == job_id)
        found = self._session.execute(query.group_by(row.item_position).order_by(row.item_position))
        return [(position, number) for position, number in found]

    def count_unsuccessful_items(self, job_id: str) -> int:
        """How many items of a job failed or wait."""
        item = JobItemRow
        query = select(func.count()).where(item.job_id == job_id, item.status != "succeeded")
        return self._session.scalar(query) or 0

    def lock_job(self, job_id: str) -> None:
        """Keep everybody else from recording items of a job until the transaction ends.

        It must go on within `LOCKED_IDLE_S`.
        """
        let_go_after(self._session, LOCKED_IDLE_S)
        self._session.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update())

    def put_set(self, new: EmbeddingSet) -> None:
        """Record where a job's embeddings lie, in place of an earlier set, and number its predictions."""
        values = {
            "classifier": new.classifier,
            "object_key": new.object_key,
            "sha256": new.sha256,
            "num_rows": new.num_rows,
            "dimensions": new.dimensions,
        }
        statement = upsert(EmbeddingSetRow).values(job_id=new.job_id, **values)
        self._session.execute(statement.on_conflict_do_update(index_elements=["job_id"], set_=values))
        row = PredictionRow
        # Parts are written in the order of ids as bytes, whatever the database's language is.
        in_order = func.row_number().over(order_by=(row.item_position, row.crop_id.collate("C")))
        numbered = select(row.crop_id, (in_order - 1).label("number")).where(row.job_id == new.job_id)
        numbers = numbered.subquery()
        self._session.execute(
            update(row)
            .where(row.job_id == new.job_id, row.crop_id == numbers.c.crop_id)
            .values(embedding_row=numbers.c.number)
            .execution_options(synchronize_session=False)
        )

    def get_set(self, job_id: str) -> EmbeddingSet | None:
        """Where a job's embeddings lie, or None while they are not assembled."""
        found = self._session.get(EmbeddingSetRow, job_id, populate_existing=True)
        return None if found is None else _embedding_set(found)

    def sets_of(self, classifier: str) -> list[EmbeddingSet]:
        """All sets of one classifier version, newest first."""
        row = EmbeddingSetRow
        query = select(row).where(row.classifier == classifier).order_by(row.job_id.desc())
        return [_embedding_set(found) for found in self._session.scalars(query)]

    def place_of(self, crop_id: str, classifier: str | None = None) -> EmbeddingPlace | None:
        """A crop's newest embedding, of one classifier version or of any; None if there is none."""
        said, kept = PredictionRow, EmbeddingSetRow
        query = (
            select(kept, said.embedding_row)
            .join(said, said.job_id == kept.job_id)
            .where(said.crop_id == crop_id, said.embedding_row.is_not(None))
            .order_by(said.job_id.desc())
            .limit(1)
        )
        if classifier is not None:
            query = query.where(said.classifier == classifier)
        found = self._session.execute(query).first()
        if found is None or found[1] is None:
            return None
        return EmbeddingPlace(_embedding_set(found[0]), found[1])

    def places_of(self, crop_ids: Sequence[str], classifier: str) -> dict[str, EmbeddingPlace]:
        """Newest embeddings of some crops by one classifier version; a crop without any is missing."""
        if not crop_ids:
            return {}
        said, kept = PredictionRow, EmbeddingSetRow
        query = (
            select(said.crop_id, said.embedding_row, kept)
            .join(kept, kept.job_id == said.job_id)
            .where(said.crop_id.in_(crop_ids), said.classifier == classifier, said.embedding_row.is_not(None))
            .ext(distinct_on(said.crop_id))
            .order_by(said.crop_id, said.job_id.desc())
        )
        return {
            crop_id: EmbeddingPlace(_embedding_set(found), row)
            for crop_id, row, found in self._session.execute(query)
            if row is not None
        }

    def candidates(
        self, embeddings: EmbeddingSet, wanted: NeighbourFilter, but: str
    ) -> Iterator[Sequence[tuple[int, str]]]:
        """Rows of a set with their crops, in blocks in the order of rows.

        Left out are the crop `but`, and crops that a newer job embedded with the same version.
        """
        said, newer = PredictionRow, aliased(PredictionRow)
        query = (
            select(said.embedding_row, said.crop_id)
            .join(CropRow, CropRow.id == said.crop_id)
            .where(
                said.job_id == embeddings.job_id,
                said.embedding_row.is_not(None),
                said.crop_id != but,
                ~exists().where(
                    newer.crop_id == said.crop_id,
                    newer.classifier == said.classifier,
                    newer.job_id > said.job_id,
                    newer.embedding_row.is_not(None),
                ),
                *_conditions(wanted),
            )
            .order_by(said.embedding_row)
        )
        found = self._session.execute(query.execution_options(yield_per=ROWS_PER_FETCH))
        for block in found.partitions():
            yield [(row, crop_id) for row, crop_id in block if row is not None]

    def neighbours(self, nearest: Sequence[tuple[float, str, str]]) -> list[Neighbour]:
        """Describe (distance, crop id, job id) triples, in their order."""
        said = PredictionRow
        query = (
            select(CropRow, said)
            .join(said, said.crop_id == CropRow.id)
            .where(tuple_(said.crop_id, said.job_id).in_([(crop, job) for _, crop, job in nearest]))
        )
        rows = {crop.id: (crop, one) for crop, one in self._session.execute(query)} if nearest else {}
        return [_neighbour(distance, *rows[crop_id]) for distance, crop_id, _ in nearest]

    def export_page(
        self, job_id: str, after: tuple[int, str] | None, limit: int = ROWS_PER_FETCH
    ) -> list[ExportRow]:
        """Some lines of a job's export, by item and crop id, after the one that `after` names."""
        said, crop, image = PredictionRow, CropRow, ImageRow
        # Columns instead of whole rows: a table of a hundred thousand lines takes half the time.
        origin = (crop.id, crop.origin, crop.image_id, crop.sample, image.slide, image.filename)
        place = (crop.label, crop.bbox, crop.area_px, crop.flags)
        verdict = (said.classifier, said.predicted_class, said.probability, crop.crop_class, said.created_at)
        query = (
            select(*origin, *place, *verdict, said.item_position, said.embedding_row)
            .select_from(said)
            .join(crop, crop.id == said.crop_id)
            .outerjoin(image, image.id == crop.image_id)
            .where(said.job_id == job_id)
            .order_by(said.item_position, said.crop_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(said.item_position, said.crop_id) > after)
        return [ExportRow(*found) for found in self._session.execute(query)]


def _conditions(wanted: NeighbourFilter) -> list[ColumnElement[bool]]:
    pairs = (
        (CropRow.sample, wanted.sample),
        (CropRow.job_id, wanted.job_id),
        (CropRow.origin, wanted.origin),
    )
    return [column == value for column, value in pairs if value is not None]


def _prediction(row: PredictionRow) -> Prediction:
    return Prediction(
        crop_id=row.crop_id,
        predicted_class=row.predicted_class,  # type: ignore[arg-type] # the database keeps it to the two
        probability=row.probability,
        job_id=row.job_id,
        classifier=row.classifier,
        at=row.created_at,
    )


def _embedding_set(row: EmbeddingSetRow) -> EmbeddingSet:
    return EmbeddingSet(
        job_id=row.job_id,
        classifier=row.classifier,
        object_key=row.object_key,
        sha256=row.sha256,
        num_rows=row.num_rows,
        dimensions=row.dimensions,
    )


def _neighbour(distance: float, crop: CropRow, said: PredictionRow) -> Neighbour:
    return Neighbour(
        crop_id=crop.id,
        distance=distance,
        crop_class=crop.crop_class,
        predicted_class=said.predicted_class,
        probability=said.probability,
        sample=crop.sample,
        origin=crop.origin,
    )
