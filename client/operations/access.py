"""API keys, and the trail of who changed what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from client.answers import list_all, record_of
from client.errors import InvalidArgumentError
from client.records import ApiKey, AuditEntry
from client.transport import Transport


class AccessOperations:
    """Keys and the audit trail; a key with the scope ``admin`` is needed."""

    transport: Transport

    def create_key(self, name: str, scopes: Collection[str], *, expires_at: datetime | None = None) -> ApiKey:
        """Make a key.

        Parameters
        ----------
        scopes
            Among ``read``, ``submit``, ``review``, ``admin``, which implies the others.
        expires_at
            An aware time; None makes a key without end.

        Returns
        -------
        ApiKey
            With its `key`, which is never shown again. It is None in the rare case that the first answer
            was lost on its way: then revoke it and make another.
        """
        body = {"name": name, "scopes": sorted(scopes), **_end(expires_at)}
        return record_of(self.transport, ApiKey, self.transport.json("POST", "v1/keys", json=body))

    def api_keys(self) -> Iterator[ApiKey]:
        """All keys, revoked ones included."""
        return list_all(self.transport, ApiKey, "v1/keys")

    def rotate_key(
        self, key_id: str, *, overlap_hours: int = 24, expires_at: datetime | None = None
    ) -> ApiKey:
        """Make a key's successor, with the same scopes; the old key ends after the overlap.

        Parameters
        ----------
        overlap_hours
            0 to 168.
        expires_at
            Of the new key; by default it lives for as long as the old one was to.
        """
        body = {"overlap_hours": overlap_hours, **_end(expires_at)}
        answer = self.transport.json("POST", f"v1/keys/{key_id}/rotate", json=body)
        return record_of(self.transport, ApiKey, answer)

    def revoke_key(self, key_id: str) -> ApiKey:
        """Make a key useless from now on."""
        return record_of(self.transport, ApiKey, self.transport.json("DELETE", f"v1/keys/{key_id}"))

    def audit(
        self,
        *,
        actor: str | None = None,
        subject: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEntry]:
        """Changes, oldest first; `since` counts, `until` does not, both aware."""
        return list_all(
            self.transport,
            AuditEntry,
            "v1/audit",
            actor=actor,
            subject=subject,
            action=action,
            since=_text(since),
            until=_text(until),
        )


def _end(expires_at: datetime | None) -> dict[str, str]:
    text = _text(expires_at)
    return {} if text is None else {"expires_at": text}


def _text(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise InvalidArgumentError(f"{time.isoformat()} has no time zone; use an aware datetime.")
    return time.isoformat()
