"""Nothing lost, nothing doubled: real workers are killed, frozen, raced and cut off in mid-job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from services.config import Settings
from services.db.engine import SessionFactory
from services.embedded.redis import EmbeddedRedis
from services.ids import new_id
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.service import JobService
from services.jobs.sweep import sweep
from services.jobs.types import Job
from tests.support import servers
from tests.support.fleet import ROOT, Fleet, eventually, fleet_of

pytestmark = pytest.mark.integration

LEASE_S = 3


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.broker(tmp_path_factory.mktemp("broker")) as url:
        yield url


@pytest.fixture
def fleet(database_url: str, broker_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(settings_of(database_url, broker_url, tmp_path), sessions, tmp_path) as fleet:
        yield fleet


def settings_of(database_url: str, broker_url: str, folder: Path) -> Settings:
    """Return settings with a queue and a store of their own."""
    queue = new_id("queue")
    return Settings(
        _env_file=None,
        database_url=database_url,
        broker_url=broker_url,
        object_store_url=servers.store_url(folder / "objects"),
        gpu_queue=queue,
        cpu_queue=queue,  # so that no test sees another one's messages
        lease_s=LEASE_S,
        sweep_interval_s=0.2,
        redispatch_after_s=1,
        retry_backoff_s=0.2,
    )


def attempts_of(fleet: Fleet, job: Job) -> list[int | None]:
    """Return, per item, in which attempt it was recorded; None for one that failed."""
    return [item.outputs.get("attempt") for item in fleet.items(job)]


class TestKilledWorker:
    def test_a_job_goes_on_in_the_child_that_replaces_a_killed_one(self, fleet: Fleet) -> None:
        """After kill -9 of the process that runs it, a job keeps what is recorded and does the rest."""
        worker = fleet.worker()
        fleet.sweeper()
        job = fleet.submit(items=6, seconds_per_item=0.2)
        fleet.wait_done(job, 2)
        worker.child().kill()

        ended = fleet.wait(job, "succeeded")
        attempts = attempts_of(fleet, job)

        assert (ended.attempt, ended.progress.done) == (2, 6)
        assert {1, 2} == set(attempts)
        assert sorted(attempts, key=str) == attempts

    def test_a_job_goes_on_in_another_worker(self, fleet: Fleet) -> None:
        """After kill -9 of a whole worker, another one finishes its job and the message is no loss."""
        first = fleet.worker()
        fleet.sweeper()
        job = fleet.submit(items=6, seconds_per_item=0.2)
        fleet.wait_done(job, 2)
        fleet.worker(ready=False)
        first.kill()

        ended = fleet.wait(job, "succeeded")

        assert (ended.attempt, ended.progress.done) == (2, 6)
        assert {1, 2} == set(attempts_of(fleet, job))

    def test_a_poison_item_fails_alone(self, fleet: Fleet) -> None:
        """An item that kills every worker is given up after the second, and the others are kept."""
        fleet.worker()
        fleet.sweeper()
        job = fleet.submit(items=4, crash_items=[1])

        ended = fleet.wait(job, "partial", "failed", "succeeded")
        items = fleet.items(job)

        assert (ended.status, ended.attempt, ended.progress.done) == ("partial", 3, 4)
        assert [item.status for item in items] == ["succeeded", "failed", "succeeded", "succeeded"]
        assert (items[1].error or {})["code"] == "worker_crashed_on_item"


class TestMessages:
    def test_duplicates_and_racing_workers_run_a_job_once(self, fleet: Fleet) -> None:
        """However often an id arrives, and at however many workers, each job is claimed once."""
        jobs = [fleet.submit(items=2, seconds_per_item=0.02) for _ in range(15)]
        for _ in range(3):
            for job in jobs:
                fleet.dispatcher.send(job.id, job.queue, job.priority)
        for worker in [fleet.worker(ready=False), fleet.worker(ready=False)]:
            fleet.wait_ready(worker)

        ended = [fleet.wait(job, "succeeded") for job in jobs]
        eventually(lambda: fleet.dispatcher.waiting(fleet.settings.cpu_queue) == 0, "all messages are taken")

        assert [job.attempt for job in ended] == [1] * 15
        assert [attempts_of(fleet, job) for job in jobs] == [[1, 1]] * 15
        assert [fleet.jobs.get(job.id).attempt for job in jobs] == [1] * 15

    def test_a_job_whose_sender_died_after_the_commit_is_sent_by_the_sweep(self, fleet: Fleet) -> None:
        """A process that is killed between commit and send has lost nothing."""
        script = (
            "import os, signal, sys\n"
            "from services.config import load_settings\n"
            "from services.db.engine import make_engine, session_factory\n"
            "from services.jobs.dispatch import NullDispatcher\n"
            "from services.jobs.service import JobService\n"
            "class Dies(NullDispatcher):\n"
            "    def send(self, *args): os.kill(os.getpid(), signal.SIGKILL)\n"
            "settings = load_settings()\n"
            "sessions = session_factory(make_engine(settings.database_url.get_secret_value()))\n"
            "JobService(sessions, Dies(), settings).submit('diagnostic', {})\n"
        )
        sender = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=fleet.environment(), check=False, timeout=30
        )
        (job,) = fleet.jobs.list().items
        fleet.worker()
        fleet.sweeper()

        ended = fleet.wait(job, "succeeded")

        assert sender.returncode == -signal.SIGKILL
        assert ended.attempt == 1

    def test_a_job_submitted_while_the_broker_is_away_is_sent_later(
        self, fleet: Fleet, tmp_path: Path
    ) -> None:
        """Submission succeeds without a broker; the sweep sends the id once there is one."""
        nowhere = CeleryDispatcher(f"redis+socket://{tmp_path}/nobody.sock")
        job = JobService(fleet.sessions, nowhere, fleet.settings).submit("diagnostic", {})
        fleet.worker()
        fleet.sweeper()

        ended = fleet.wait(job, "succeeded")

        assert ended.attempt == 1

    def test_a_backlog_is_not_sent_again_while_its_messages_wait(self, fleet: Fleet) -> None:
        """Sweeping a queue that nobody serves does not multiply its messages."""
        for _ in range(5):
            fleet.submit()
        with fleet.sessions.begin() as session:
            session.execute(text("UPDATE jobs SET dispatched_at = now() - interval '1 hour'"))

        reports = [sweep(fleet.sessions, fleet.dispatcher, fleet.settings) for _ in range(3)]

        assert [report.sent for report in reports] == [0, 0, 0]
        assert fleet.dispatcher.waiting(fleet.settings.cpu_queue) == 5


class TestLostBroker:
    def test_a_worker_whose_broker_came_back_takes_jobs_again(
        self, database_url: str, sessions: SessionFactory, tmp_path: Path
    ) -> None:
        """A broker that is killed in mid-job, and back only after the job's end, leaves no worker deaf.

        Twice, because the second time meets a worker that has connected anew before.
        """
        broker = EmbeddedRedis(tmp_path / "own")
        settings = settings_of(database_url, broker.start(), tmp_path)
        with fleet_of(settings, sessions, tmp_path) as fleet:
            fleet.worker()
            jobs = []
            for _ in range(2):
                job = fleet.submit(items=3, seconds_per_item=0.3)
                fleet.wait_done(job, 1)
                assert broker.pid is not None
                os.kill(broker.pid, signal.SIGKILL)
                broker.stop()
                jobs.append(fleet.wait(job, "succeeded"))
                broker.start()
                jobs.append(fleet.wait(fleet.submit(), "succeeded"))
            broker.stop()

        assert [1, 1, 1, 1] == [job.attempt for job in jobs]


class TestFrozenWorker:
    def test_a_worker_that_wakes_after_its_lease_writes_nothing(self, fleet: Fleet) -> None:
        """A worker frozen for longer than its lease finds itself fenced out, and then serves again."""
        frozen = fleet.worker()
        fleet.sweeper()
        job = fleet.submit(items=5, seconds_per_item=0.3)
        fleet.wait_done(job, 1)
        frozen.signal_all(signal.SIGSTOP)
        other = fleet.worker()
        ended = fleet.wait(job, "succeeded")
        frozen.signal_all(signal.SIGCONT)
        eventually(lambda: b'"status": "lost"' in frozen.log.read_bytes(), "the frozen worker gave up")
        other.kill()
        later = fleet.wait(fleet.submit(), "succeeded")

        assert (ended.attempt, ended.progress.done) == (2, 5)
        assert ended == fleet.jobs.get(job.id)
        assert later.attempt == 1


class TestLostServers:
    def test_a_job_outlives_lost_database_connections(self, fleet: Fleet, database_engine: Engine) -> None:
        """Connections cut in mid-job cost some seconds, but neither the attempt nor an item."""
        fleet.worker()
        job = fleet.submit(items=12, seconds_per_item=0.1)
        cut = 0
        for done in (1, 4, 7):
            fleet.wait_done(job, done)
            with database_engine.begin() as connection:
                cut += connection.execute(
                    text(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                ).scalar_one()
            database_engine.dispose()

        ended = fleet.wait(job, "succeeded", "failed", "partial")

        assert cut >= 3
        assert (ended.status, ended.attempt, ended.progress.done) == ("succeeded", 1, 12)

    def test_jobs_outlive_a_restart_of_the_broker(
        self, database_url: str, sessions: SessionFactory, tmp_path: Path
    ) -> None:
        """A running job does not notice; afterwards the same worker takes the next one."""
        with EmbeddedRedis(tmp_path / "broker") as broker:
            settings = settings_of(database_url, broker.url, tmp_path)
            with fleet_of(settings, sessions, tmp_path) as fleet:
                fleet.worker()
                fleet.sweeper()
                running = fleet.submit(items=10, seconds_per_item=0.2)
                fleet.wait_done(running, 1)
                broker.stop()
                broker.start()

                first = fleet.wait(running, "succeeded")
                second = fleet.wait(fleet.submit(), "succeeded")

        assert [first.attempt, second.attempt] == [1, 1]


class TestCancellation:
    def test_a_queued_job_is_cancelled_at_once_and_never_runs(self, fleet: Fleet) -> None:
        """The message of a cancelled job is dropped by the worker that gets it."""
        job = fleet.submit()
        cancelled = fleet.jobs.cancel(job.id)
        fleet.worker()
        fleet.wait(fleet.submit(), "succeeded")

        assert cancelled.status == "cancelled"
        assert (fleet.jobs.get(job.id).attempt, fleet.jobs.get(job.id).status) == (0, "cancelled")

    def test_a_running_job_stops_between_items_and_keeps_the_recorded_ones(self, fleet: Fleet) -> None:
        """Cancelling takes a moment, is shown meanwhile, and throws nothing away."""
        fleet.worker()
        job = fleet.submit(items=500, seconds_per_item=0.1)
        fleet.wait_done(job, 2)

        asked = fleet.jobs.cancel(job.id)
        ended = fleet.wait(job, "cancelled")
        recorded = [item for item in fleet.items(job) if item.status == "succeeded"]

        assert asked.status == "cancelling"
        assert 2 <= len(recorded) == ended.progress.done < 500


class TestShutdown:
    def test_a_stopping_worker_hands_its_job_back_at_once(self, fleet: Fleet) -> None:
        """SIGTERM costs the job neither a lease nor a part of its budget, and the worker ends well."""
        first = fleet.worker()
        second = fleet.worker()
        job = fleet.submit(items=8, seconds_per_item=0.2)
        fleet.wait_done(job, 2)
        holder = next(w for w in (first, second) if str(w.child().pid) in _worker_of(fleet, job))
        status = holder.stop()

        ended = fleet.wait(job, "succeeded")
        seconds = (ended.finished_at - ended.started_at).total_seconds()

        assert status == 0
        assert (ended.attempt, ended.progress.done) == (2, 8)
        assert {1, 2} == set(attempts_of(fleet, job))
        assert seconds < 8 * 0.2 + LEASE_S

    def test_a_job_on_a_stopping_worker_without_another_one_waits(self, fleet: Fleet) -> None:
        """With nobody to continue, the job is honestly queued."""
        worker = fleet.worker()
        job = fleet.submit(items=50, seconds_per_item=0.2)
        fleet.wait_done(job, 1)
        worker.stop()

        waiting, place = fleet.jobs.get_with_position(job.id)

        assert waiting.status == "queued"
        assert place == 1


class TestRetry:
    def test_only_the_failed_items_run_again(self, fleet: Fleet) -> None:
        """A person's retry repeats what failed and leaves the results of the others as they were."""
        fleet.worker()
        job = fleet.submit(items=5, flaky_items=[1, 3])
        partial = fleet.wait(job, "partial")

        retried = fleet.jobs.retry(job.id)
        ended = fleet.wait(job, "succeeded")

        assert (partial.progress.done, retried.progress.done) == (5, 3)
        assert (retried.status, retried.finished_at) == ("queued", None)
        assert (ended.attempt, ended.progress.done) == (2, 5)
        assert attempts_of(fleet, job) == [1, 2, 1, 2, 1]


def _worker_of(fleet: Fleet, job: Job) -> str:
    with fleet.sessions() as session:
        return str(session.scalar(text("SELECT worker FROM jobs WHERE id = :id"), {"id": job.id}))
