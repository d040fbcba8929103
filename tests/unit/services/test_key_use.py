"""When a key was last used is written beside the request, rarely, and without harm."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine

from services.auth import ApiKeyService
from services.clock import utc_now
from services.db.engine import SessionFactory, session_factory
from services.db.tables import ApiKeyRow
from services.key_use import EVERY_S, KeyUse


@pytest.fixture
def key_id(sessions: SessionFactory) -> str:
    """A key that was never used."""
    with sessions.begin() as session:
        return ApiKeyService(session).create("lims", ["read"]).record.id


def used_at(sessions: SessionFactory, key_id: str) -> datetime | None:
    """When a key was last used, as the database has it."""
    with sessions() as session:
        return session.get_one(ApiKeyRow, key_id).last_used_at


def finish(use: KeyUse) -> None:
    """Wait for what is being written."""
    use._executor.shutdown(wait=True)


def test_first_use_is_written(sessions: SessionFactory, key_id: str) -> None:
    """A key that is used has a time soon afterwards."""
    use = KeyUse(sessions)
    use.note(key_id)
    finish(use)

    found = used_at(sessions, key_id)
    assert found is not None
    assert abs(found - utc_now()) < timedelta(minutes=1)


def test_many_uses_are_one_write(sessions: SessionFactory, key_id: str) -> None:
    """Within the interval a second use costs the database nothing; after it, one statement."""
    clock = iter((0.0, 1.0, EVERY_S - 0.1, EVERY_S, EVERY_S + 1.0))
    use = KeyUse(sessions, lambda: next(clock))
    written: list[str] = []
    use._write = written.append  # type: ignore[method-assign] # counts instead of writing

    for _ in range(5):
        use.note(key_id)
    finish(use)

    assert [key_id, key_id] == written


def test_another_process_within_the_interval_changes_nothing(sessions: SessionFactory, key_id: str) -> None:
    """Replicas that serve the same key do not overwrite each other's times."""
    first, second = KeyUse(sessions), KeyUse(sessions)
    first.note(key_id)
    finish(first)
    before = used_at(sessions, key_id)
    second.note(key_id)
    finish(second)

    assert before is not None
    assert before == used_at(sessions, key_id)


def test_database_that_is_away_is_no_error_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever goes wrong is logged, and the next request is served as ever."""
    use = KeyUse(session_factory(create_engine("postgresql+psycopg://u@127.0.0.1:1/x")))
    use.note("key_1")
    finish(use)
    use.note("key_2")

    assert "use of a key was not noted" in "".join(capsys.readouterr())
