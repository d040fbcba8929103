"""Replacing an API key without a moment in which neither works."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from services import audit
from services.auth import ApiKey, ApiKeyService, IssuedKey, active_keys
from services.clock import utc_now
from services.db.tables import ApiKeyRow
from services.errors import ConflictError, InvalidInputError

MAX_OVERLAP_HOURS: Final = 168
DEFAULT_OVERLAP_HOURS: Final = 24

_GENERATION = re.compile(r"(.+) #([1-9][0-9]{0,5})")


def rotate(
    session: Session,
    key_id: str,
    overlap_hours: int = DEFAULT_OVERLAP_HOURS,
    expires_at: datetime | None = None,
    *,
    actor: str,
) -> IssuedKey:
    """Issue the successor of a key, which itself ends after an overlap; audited, and the caller commits.

    The successor has the same scopes and the next name (``lims``, ``lims #2``, ``lims #3``): the audit
    trail tells who acted with which.

    Parameters
    ----------
    overlap_hours
        For how long the old key still works, 0 to `MAX_OVERLAP_HOURS`; never longer than it did before.
    expires_at
        End of the new key; by default it lives for as long as the old one was meant to.
    actor
        The key that asked for it, for the audit trail.

    Raises
    ------
    NotFoundError
        There is no such key.
    ConflictError
        The key is revoked or expired, or has a successor that still works.
    InvalidInputError
        The overlap is out of range, or the end is past.
    """
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise InvalidInputError(f"Choose 0 to {MAX_OVERLAP_HOURS} hours.", "overlap_hours")
    keys, now = ApiKeyService(session), utc_now()
    old = keys.lock(key_id)
    _require_rotatable(session, old, now)
    if expires_at is None and old.expires_at is not None:
        expires_at = now + (old.expires_at - old.created_at)
    issued = keys.create(_next_name(session, old.name), old.scopes, expires_at=expires_at, replaces=old.id)
    new = issued.record
    end = keys.end_by(old.id, now + timedelta(hours=overlap_hours))
    details = {"successor": new.id, "expires_at": end.isoformat()}
    audit.record(session, actor=actor, action="key.rotated", subject=old.id, details=details)
    audit.record(session, actor=actor, action="key.created", subject=new.id, details=new.told())
    return issued


def _require_rotatable(session: Session, key: ApiKey, now: datetime) -> None:
    state = key.state(now)
    if state != "active":
        raise ConflictError(f"The API key is {state}; make a new one instead.")
    query = select(ApiKeyRow.id).where(ApiKeyRow.replaces == key.id, *active_keys()).limit(1)
    successor = session.scalar(query)
    if successor is not None:
        raise ConflictError(
            f"The API key has a successor, {successor}. Use that one, or revoke it if its secret was lost, "
            "and rotate again."
        )


def _next_name(session: Session, name: str) -> str:
    """Return the first free name of a line of keys; names of revoked keys stay taken."""
    found = _GENERATION.fullmatch(name)
    base, number = (found[1], int(found[2])) if found else (name, 1)
    line = select(ApiKeyRow.name).where(ApiKeyRow.name.startswith(f"{base} #", autoescape=True))
    taken = set(session.scalars(line))
    return next(free for n in count(number + 1) if (free := f"{base} #{n}") not in taken)
