from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, exc, text
from sqlalchemy.orm import Session

from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.jobs.dispatch import NullDispatcher
from services.jobs.errors import DatabaseAwayError
from services.jobs.service import JobService
from services.jobs.transactions import PatientTransactions, relaxed_sessions


@pytest.fixture
def stored_job(sessions: SessionFactory) -> str:
    """The id of a job that waits."""
    return JobService(sessions, NullDispatcher(), Settings(_env_file=None)).submit("diagnostic", {}).id


class TestPatientTransactions:
    def test_repeats_work_whose_connection_was_cut(
        self, sessions: SessionFactory, database_engine: Engine
    ) -> None:
        """The second try has a new connection; what the first one did is undone."""
        tries = []

        def work(session: Session) -> int:
            session.execute(text("INSERT INTO audit (actor, action, subject) VALUES ('a', 'b', 'c')"))
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            tries.append(pid)
            if len(tries) == 1:
                with database_engine.connect() as other:
                    other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            return session.scalar(text("SELECT count(*) FROM audit")) or 0

        assert 1 == PatientTransactions(sessions, sessions, 10.0).run(work)
        assert 2 == len(set(tries))

    def test_gives_up_when_its_patience_ends(self, tmp_path: Path) -> None:
        """Then it is a passing fault of the job."""
        engine = make_engine(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
        nowhere = session_factory(engine)
        transactions = PatientTransactions(nowhere, nowhere, 0.2)
        with pytest.raises(DatabaseAwayError, match="did not answer"):
            transactions.run(lambda session: session.execute(text("SELECT 1")))
        engine.dispose()

    def test_a_worker_that_stands_still_holds_no_row(self, sessions: SessionFactory, stored_job: str) -> None:
        """Frozen between two statements, its connection lives on; the sweep must get at the job."""
        held, woken = threading.Event(), threading.Event()
        outcomes: list[object] = []

        def work(session: Session) -> None:
            session.execute(text("UPDATE jobs SET progress_message = 'mine'"))
            held.set()
            woken.wait(30)
            session.execute(text("SELECT 1"))

        def run() -> None:
            try:
                outcomes.append(PatientTransactions(sessions, sessions, 0.3).run(work))
            except DatabaseAwayError as error:
                outcomes.append(error)

        worker = threading.Thread(target=run)
        worker.start()
        assert held.wait(10)
        with sessions.begin() as session:
            session.execute(text("SET LOCAL lock_timeout = '10s'"))
            session.execute(text("UPDATE jobs SET progress_message = 'taken'"))
        woken.set()
        worker.join()

        assert [DatabaseAwayError] == [type(outcome) for outcome in outcomes]
        with sessions() as session:
            assert [(stored_job, "taken")] == session.execute(
                text("SELECT id, progress_message FROM jobs")
            ).all()

    def test_does_not_repeat_what_is_wrong_in_itself(self, sessions: SessionFactory) -> None:
        """A broken statement or constraint raises at once."""
        tries = []

        def work(session: Session) -> None:
            tries.append(1)
            session.execute(text("INSERT INTO jobs (id) VALUES (NULL)"))

        with pytest.raises(exc.IntegrityError):
            PatientTransactions(sessions, sessions, 10.0).run(work)

        assert [1] == tries

    def test_waits_for_the_disk_unless_told_otherwise(self, database_url: str) -> None:
        """What may be lost in a crash of the server goes through connections of its own."""
        engine = create_engine(database_url, connect_args={"options": "-c synchronous_commit=on"})
        relaxed_engine, relaxed = relaxed_sessions(database_url, 1)
        transactions = PatientTransactions(session_factory(engine), relaxed, 1.0)
        seen = [
            transactions.run(lambda session: session.scalar(text("SHOW synchronous_commit")), durable=durable)
            for durable in (True, False, True)
        ]
        for one in (engine, relaxed_engine):
            one.dispose()

        assert ["on", "off", "on"] == seen

    def test_commits_relaxed_statements_one_by_one(self, sessions: SessionFactory, database_url: str) -> None:
        """A statement of a relaxed session is there for others before the session ends."""
        relaxed_engine, relaxed = relaxed_sessions(database_url, 1)

        def work(session: Session) -> int:
            session.execute(text("INSERT INTO audit (actor, action, subject) VALUES ('a', 'b', 'c')"))
            with sessions() as other:
                return other.scalar(text("SELECT count(*) FROM audit")) or 0

        seen = PatientTransactions(sessions, relaxed, 1.0).run(work, durable=False)
        relaxed_engine.dispose()

        assert 1 == seen
