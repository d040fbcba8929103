from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, update

from services.config import Settings
from services.db.engine import SessionFactory
from services.db.tables import JobRow
from services.errors import NotFoundError
from services.generation.reports import (
    QualityMissingError,
    QualityPictureMissingError,
    Report,
    ReportService,
    put_pictures,
    put_report,
)
from services.jobs.dispatch import NullDispatcher
from services.jobs.service import JobService
from services.storage.base import ObjectStore
from services.storage.factory import open_store


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory:///")


def new_job(sessions: SessionFactory, kind: str = "generation", **result: Any) -> str:
    """A job that ended, with a result."""
    jobs = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
    job_id = jobs.submit(kind, {}).id
    with sessions.begin() as session:
        session.execute(
            update(JobRow)
            .where(JobRow.id == job_id)
            .values(status="succeeded", finished_at=func.now(), result=result)
        )
    return job_id


class TestReportService:
    def test_gives_back_what_was_stored(self, sessions: SessionFactory, store: ObjectStore) -> None:
        """Figures and pictures are found through the job's result."""
        keys = put_pictures(store, {"ssim.png": b"one", "gallery.png": b"two"})
        report = Report("d/1", "c/1", {"median": 0.5}, keys)
        job_id = new_job(sessions, quality={"status": "made", "report_key": put_report(store, report)})
        reports = ReportService(sessions, store)

        assert report == reports.get(job_id)
        assert (b"one", b"two") == (reports.picture(job_id, "ssim"), reports.picture(job_id, "gallery"))

    @pytest.mark.parametrize("name", ["../../x", "ssim.png", "", "reports/00/x"])
    def test_no_name_leads_elsewhere(self, sessions: SessionFactory, store: ObjectStore, name: str) -> None:
        """A picture is one that the report lists; whatever else is asked for never reaches the store."""
        report = Report("d/1", None, {}, put_pictures(store, {"ssim.png": b"one"}))
        job_id = new_job(sessions, quality={"status": "made", "report_key": put_report(store, report)})
        with pytest.raises(QualityPictureMissingError, match="it has ssim"):
            ReportService(sessions, store).picture(job_id, name)

    @pytest.mark.parametrize(
        ("kind", "result", "why"),
        [
            ("diagnostic", {}, "is a diagnostic job"),
            ("generation", {}, "not asked for"),
            ("generation", {"quality": {"status": "skipped", "reason": "nothing to compare"}}, "nothing to"),
        ],
    )
    def test_says_why_there_is_none(
        self, sessions: SessionFactory, store: ObjectStore, kind: str, result: dict[str, Any], why: str
    ) -> None:
        """A missing report is told apart from a missing job, and explained."""
        with pytest.raises(QualityMissingError, match=why):
            ReportService(sessions, store).get(new_job(sessions, kind, **result))

    def test_running_job(self, sessions: SessionFactory, store: ObjectStore) -> None:
        """A report comes at the end."""
        jobs = JobService(sessions, NullDispatcher(), Settings(_env_file=None))
        with pytest.raises(QualityMissingError, match="runs still"):
            ReportService(sessions, store).get(jobs.submit("generation", {}).id)

    def test_unknown_job(self, sessions: SessionFactory, store: ObjectStore) -> None:
        """There is no report of no job."""
        with pytest.raises(NotFoundError, match="job_none"):
            ReportService(sessions, store).get("job_none")


class TestPutReport:
    def test_same_report_is_one_object(self, store: ObjectStore) -> None:
        """A job that repeats its end stores nothing new."""
        report = Report("d/1", None, {"a": 1.0}, {})

        assert put_report(store, report) == put_report(store, report)

    def test_refuses_what_json_cannot_say(self, store: ObjectStore) -> None:
        """A figure that is no number is found here, not by whoever reads the answer."""
        with pytest.raises(ValueError, match="JSON"):
            put_report(store, Report("d/1", None, {"a": float("nan")}, {}))
