"""Who did what, when: one row per change that a person or a key answers for."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.db.tables import AuditRow, JsonObject


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
        What changed, as JSON.
    """
    session.add(AuditRow(actor=actor, action=action, subject=subject, details=details))
    session.flush()


def history(session: Session, subject: str) -> list[AuditRow]:
    """Return everything recorded about `subject`, oldest first."""
    return list(session.scalars(select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.id)))
