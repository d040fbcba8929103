"""A key is replaced without a moment in which neither works."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services import audit
from services.auth import ApiKeyService, IssuedKey, UnauthenticatedError
from services.clock import utc_now
from services.db.engine import SessionFactory
from services.errors import ConflictError, InvalidInputError, NotFoundError
from services.key_rotation import rotate

SLACK = timedelta(minutes=1)


@pytest.fixture
def old(sessions: SessionFactory) -> IssuedKey:
    """A key of a LIMS, without end."""
    with sessions.begin() as session:
        return ApiKeyService(session).create("lims", ["read", "submit"])


class TestRotation:
    def test_both_keys_work_during_the_overlap(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """The successor has the same scopes and says whom it replaces; the old key ends in a day."""
        with sessions.begin() as session:
            new = rotate(session, old.record.id, actor="admin")
        with sessions() as session:
            keys = ApiKeyService(session)
            callers = [keys.verify(key) for key in (old.key, new.key)]
            ending = keys.lock(old.record.id).expires_at

        assert ["lims", "lims #2"] == [caller.name for caller in callers]
        assert callers[0].scopes == callers[1].scopes
        assert old.record.id == new.record.replaces
        assert new.record.expires_at is None
        assert ending is not None
        assert timedelta(hours=24) - SLACK < ending - utc_now() < timedelta(hours=24) + SLACK

    def test_no_overlap_ends_the_old_key_at_once(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """A leaked key is replaced with overlap 0."""
        with sessions.begin() as session:
            new = rotate(session, old.record.id, 0, actor="admin")
        with sessions() as session:
            keys = ApiKeyService(session)
            caller = keys.verify(new.key)
            with pytest.raises(UnauthenticatedError):
                keys.verify(old.key)

        assert "lims #2" == caller.name

    def test_lifetime_goes_on(self, sessions: SessionFactory) -> None:
        """A key of thirty days is followed by one of thirty days, and never outlives its own end."""
        end = utc_now() + timedelta(days=30)
        with sessions.begin() as session:
            first = ApiKeyService(session).create("lims", ["read"], expires_at=end).record
            second = rotate(session, first.id, 168, actor="admin").record
        soon = utc_now() + timedelta(hours=1)
        with sessions.begin() as session:
            short = ApiKeyService(session).create("short", ["read"], expires_at=soon).record
            rotate(session, short.id, 168, actor="admin")
            kept = ApiKeyService(session).lock(short.id).expires_at

        assert second.expires_at is not None
        assert abs(second.expires_at - end) < SLACK
        assert soon == kept

    def test_names_count_on(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """Names go on where the line stands, and a taken one is passed over."""
        with sessions.begin() as session:
            ApiKeyService(session).create("lims #3", ["read"])
            second = rotate(session, old.record.id, actor="admin").record
            third = rotate(session, second.id, actor="admin").record

        assert ["lims #2", "lims #4"] == [second.name, third.name]

    def test_is_audited_without_a_secret(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """The trail of either key leads to the other, and holds neither."""
        with sessions.begin() as session:
            new = rotate(session, old.record.id, actor="admin")
            trails = {key.id: audit.history(session, key.id) for key in (old.record, new.record)}

        (rotated,), (created,) = trails[old.record.id], trails[new.record.id]
        assert ("key.rotated", new.record.id) == (rotated.action, rotated.details["successor"])
        assert ("key.created", old.record.id) == (created.action, created.details["replaces"])
        assert not [key for key in (old.key, new.key) if key in f"{rotated} {created}"]


class TestRefusals:
    def test_second_rotation_of_one_key(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """A key has one successor; when that is revoked, because its secret was lost, another is made."""
        with sessions.begin() as session:
            lost = rotate(session, old.record.id, actor="admin").record
        with sessions.begin() as session, pytest.raises(ConflictError, match=lost.id):
            rotate(session, old.record.id, actor="admin")
        with sessions.begin() as session:
            ApiKeyService(session).revoke(lost.id)
            again = rotate(session, old.record.id, actor="admin").record

        assert "lims #3" == again.name

    def test_revoked_or_unknown_key(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """What opens nothing cannot be continued."""
        with sessions.begin() as session:
            ApiKeyService(session).revoke(old.record.id)
        with sessions.begin() as session, pytest.raises(ConflictError, match="revoked"):
            rotate(session, old.record.id, actor="admin")
        with sessions.begin() as session, pytest.raises(NotFoundError):
            rotate(session, "key_none", actor="admin")

    def test_overlap_out_of_range(self, sessions: SessionFactory, old: IssuedKey) -> None:
        """An old key lives on for a week at most."""
        for hours in (-1, 169):
            with sessions.begin() as session, pytest.raises(InvalidInputError, match="168"):
                rotate(session, old.record.id, hours, actor="admin")
