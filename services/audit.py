"""Who did what, when: one row per change that a person or a key answers for.

Rows are only ever added: the database itself refuses to change or delete one. Failed log-ins and
refused scopes are not here but in the logs, because whoever has no key could fill the table with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from services.db.tables import AuditRow, JsonObject
from services.errors import InvalidInputError
from services.pagination import Page, PageRequest, make_page

_IDS = 2**63  # beyond what the column holds


@dataclass(frozen=True)
class AuditEntry:
    """One change."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: JsonObject


@dataclass(frozen=True)
class AuditFilter:
    """Which changes to list; None does not narrow.

    Attributes
    ----------
    since, until
        Aware times; `since` counts, `until` does not.
    """

    actor: str | None = None
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(session: Session, *, actor: str, action: str, subject: str, details: JsonObject) -> None:
    """Add an audit row to the caller's transaction, so that both or neither are kept.

    Parameters
    ----------
    actor
        Name of the API key, or ``local``.
    action
        What was done, for example ``crop.annotated``.
    subject
        Id of what it was done to.
    details
        What changed, as JSON; never a key or another secret.
    """
    session.add(AuditRow(actor=actor, action=action, subject=subject, details=details))
    session.flush()


def history(session: Session, subject: str) -> list[AuditEntry]:
    """Return everything recorded about `subject`, oldest first."""
    query = select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.id)
    return [_entry(row) for row in session.scalars(query)]


def list_page(session: Session, wanted: AuditFilter, page: PageRequest) -> Page[AuditEntry]:
    """List changes, oldest first."""
    query = _narrowed(wanted).order_by(AuditRow.at, AuditRow.id).limit(page.limit + 1)
    if page.after is not None:
        query = query.where(tuple_(AuditRow.at, AuditRow.id) > _place(page.after))
    entries = [_entry(row) for row in session.scalars(query)]
    return make_page(entries, page.limit, lambda entry: f"{entry.at.isoformat()} {entry.id}")


def _narrowed(wanted: AuditFilter) -> Select[AuditRow]:
    query = select(AuditRow)
    for column, value in (
        (AuditRow.actor, wanted.actor),
        (AuditRow.subject, wanted.subject),
        (AuditRow.action, wanted.action),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    return query if wanted.until is None else query.where(AuditRow.at < wanted.until)


def _place(key: str) -> tuple[datetime, int]:
    """Read the place that a cursor holds."""
    at, _, number = key.partition(" ")
    try:
        place = datetime.fromisoformat(at), int(number)
    except ValueError:
        place = None
    if place is None or place[0].tzinfo is None or not 0 < place[1] < _IDS:
        raise InvalidInputError("The cursor is not one that this service gave out.", "cursor")
    return place


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(row.id, row.at, row.actor, row.action, row.subject, row.details)
