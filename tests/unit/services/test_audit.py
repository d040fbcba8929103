"""The audit trail only grows, and is read by actor, subject, action and time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, false, update
from sqlalchemy.exc import IntegrityError

from services import audit
from services.audit import AuditFilter
from services.clock import utc_now
from services.db.engine import SessionFactory
from services.db.tables import AuditRow
from services.errors import InvalidInputError
from services.pagination import PageRequest, encode_cursor


@pytest.fixture
def trail(sessions: SessionFactory) -> SessionFactory:
    """Six changes: three crops by two people."""
    for number in range(6):
        with sessions.begin() as session:
            audit.record(
                session,
                actor=("ml", "kk")[number % 2],
                action="crop.annotated" if number < 4 else "job.cancelled",
                subject=f"crop_{number % 3}",
                details={"number": number},
            )
    return sessions


def numbers(sessions: SessionFactory, wanted: AuditFilter) -> list[int]:
    """Numbers of the changes that a filter leaves, over all pages of two."""
    found: list[int] = []
    page = PageRequest(2)
    with sessions() as session:
        while True:
            listed = audit.list_page(session, wanted, page)
            found += [entry.details["number"] for entry in listed.items]
            if listed.next_cursor is None:
                return found
            page = PageRequest(2, listed.next_cursor)


class TestAppendOnly:
    def test_rows_are_never_changed_or_deleted(self, trail: SessionFactory) -> None:
        """The database itself refuses, even a statement that would meet no row."""
        changes = (update(AuditRow).values(actor="nobody"), delete(AuditRow), delete(AuditRow).where(false()))
        for change in changes:
            with trail() as session, pytest.raises(IntegrityError, match="never changed or deleted"):
                session.execute(change)

        assert list(range(6)) == numbers(trail, AuditFilter())


class TestListing:
    def test_narrows_and_pages(self, trail: SessionFactory) -> None:
        """Oldest first, two at a time."""
        expected = {
            AuditFilter(): [0, 1, 2, 3, 4, 5],
            AuditFilter(actor="ml"): [0, 2, 4],
            AuditFilter(subject="crop_0"): [0, 3],
            AuditFilter(action="job.cancelled"): [4, 5],
            AuditFilter(actor="kk", action="crop.annotated"): [1, 3],
            AuditFilter(actor="nobody"): [],
        }

        assert expected == {wanted: numbers(trail, wanted) for wanted in expected}

    def test_between_two_times(self, trail: SessionFactory) -> None:
        """The first time counts, the second does not."""
        with trail() as session:
            times = [entry.at for entry in audit.list_page(session, AuditFilter(), PageRequest()).items]

        assert [2, 3] == numbers(trail, AuditFilter(since=times[2], until=times[4]))
        assert [] == numbers(trail, AuditFilter(since=utc_now() + timedelta(hours=1)))

    def test_foreign_cursor(self, sessions: SessionFactory) -> None:
        """A cursor of another list is the caller's mistake."""
        keys = ("x", "2026-01-01T00:00:00+00:00 x", "x 1", "2026-01-01T00:00:00+00:00", "2026-01-01 1")
        for key in (*keys, f"2026-01-01T00:00:00+00:00 {10**30}"):
            with sessions() as session, pytest.raises(InvalidInputError, match="cursor"):
                audit.list_page(session, AuditFilter(), PageRequest(2, encode_cursor(key)))
