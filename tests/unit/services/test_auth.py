"""Keys are looked up by digest, compared in constant time, and refused alike for whatever reason."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, update

from services import auth
from services.auth import ApiKeyService, UnauthenticatedError
from services.clock import utc_now
from services.db.engine import SessionFactory
from services.db.tables import ApiKeyRow
from services.errors import InvalidInputError

UNKNOWN = "kb_" + "x" * 43


def expire(sessions: SessionFactory, key_id: str) -> None:
    """Let a key's end be past."""
    past = utc_now() - timedelta(seconds=1)
    with sessions.begin() as session:
        session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(expires_at=past))


class TestVerifying:
    def test_is_one_indexed_query_of_the_digest(
        self, sessions: SessionFactory, database_engine: Engine
    ) -> None:
        """One statement goes to the database; it has the digest and not the key."""
        with sessions.begin() as session:
            key = ApiKeyService(session).create("lims", ["read"]).key
        seen: list[str] = []

        def note(*told: object) -> None:
            seen.append(f"{told[2]} {told[3]}")

        event.listen(database_engine, "before_cursor_execute", note)
        with sessions() as session:
            caller = ApiKeyService(session).verify(key)
        event.remove(database_engine, "before_cursor_execute", note)

        assert ("lims", {"read"}) == (caller.name, caller.scopes)
        assert 1 == len(seen)
        assert hashlib.sha256(key.encode()).hexdigest() in seen[0]
        assert key not in seen[0]

    def test_compares_in_constant_time(
        self, sessions: SessionFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The digest that the index found is compared once more, and the comparison decides."""
        with sessions.begin() as session:
            key = ApiKeyService(session).create("lims", ["read"]).key
        compared: list[tuple[str, str]] = []

        def differs(first: str, second: str) -> bool:
            compared.append((first, second))
            return False

        monkeypatch.setattr(hmac, "compare_digest", differs)
        with sessions() as session, pytest.raises(UnauthenticatedError):
            ApiKeyService(session).verify(key)

        digest = hashlib.sha256(key.encode()).hexdigest()
        assert [(digest, digest)] == compared

    def test_refuses_unknown_revoked_and_expired_alike(self, sessions: SessionFactory) -> None:
        """Whoever holds a key cannot learn whether it ever was one; only the log is told."""
        with sessions.begin() as session:
            keys = ApiKeyService(session)
            revoked, expired = keys.create("revoked", ["read"]), keys.create("expired", ["read"])
            keys.revoke(revoked.record.id)
        expire(sessions, expired.record.id)
        refusals = []
        for key in (UNKNOWN, revoked.key, expired.key):
            with sessions() as session, pytest.raises(UnauthenticatedError) as refusal:
                ApiKeyService(session).verify(key)
            refusals.append(refusal.value)

        assert 1 == len({(type(one), str(one), one.code) for one in refusals})
        assert ["unknown key", f"revoked key {revoked.record.id}", f"expired key {expired.record.id}"] == [
            one.reason for one in refusals
        ]

    def test_bears_any_text(self, sessions: SessionFactory) -> None:
        """A header may hold anything."""
        for key in ("", "\udcff", "kb_" + "é" * 50, "k" * 100_000):
            with sessions() as session, pytest.raises(UnauthenticatedError):
                ApiKeyService(session).verify(key)


class TestEnds:
    def test_must_lie_ahead(self, sessions: SessionFactory) -> None:
        """A key that has ended, or ends in another age, is a mistake."""
        for ahead in (timedelta(seconds=-1), timedelta(0), auth.MAX_LIFETIME + timedelta(days=1)):
            with sessions() as session, pytest.raises(InvalidInputError) as refusal:
                ApiKeyService(session).create("lims", ["read"], expires_at=utc_now() + ahead)

            assert "expires_at" == refusal.value.field

    def test_leave_no_key_to_call_with(self, sessions: SessionFactory) -> None:
        """A server whose keys have all ended counts as one without keys."""
        with sessions.begin() as session:
            issued = ApiKeyService(session).create(
                "lims", ["read"], expires_at=utc_now() + timedelta(hours=1)
            )
            before = ApiKeyService(session).any_exists()
        expire(sessions, issued.record.id)
        with sessions() as session:
            service = ApiKeyService(session)

            assert (True, False, True) == (
                before,
                service.any_exists(),
                service.any_exists(active_only=False),
            )
