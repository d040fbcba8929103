from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import exc, text

from services.config import Settings
from services.db.engine import SessionFactory
from services.errors import InvalidInputError, TransientError
from services.jobs.context import JobContext
from services.jobs.dispatch import NullDispatcher
from services.jobs.errors import BrokerAwayError, JobDisplacedError, JobHandedBackError
from services.jobs.kinds import KINDS, KindSpec
from services.jobs.leases import LeaseRepository
from services.jobs.service import JobService
from services.jobs.transactions import PatientTransactions, relaxed_sessions
from services.jobs.types import Job
from services.pipelines import diagnostic
from services.pipelines.resources import ModelCache, Resources
from services.storage.factory import open_store
from services.storage.keys import checkpoint_key
from workers.runner import JobRunner, WorkerProcess
from workers.runners import PIPELINES, Pipeline

SETTINGS = Settings(_env_file=None, lease_s=3, retry_backoff_s=100, job_max_attempts=2)


class Outbox(NullDispatcher):
    """Remembers what a worker sends, or is away."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.away = False

    def send(self, job_id: str, queue: str, priority: int) -> None:  # noqa: ARG002 - the seam's signature
        """Remember the id."""
        if self.away:
            raise BrokerAwayError("Nobody listens.")
        self.sent.append(job_id)


class Bench:
    """A runner in this process, whose pipeline and wish to stop a test sets."""

    def __init__(self, sessions: SessionFactory, relaxed: SessionFactory, folder: Path) -> None:
        self.sessions = sessions
        self.transactions = PatientTransactions(sessions, relaxed, SETTINGS.lease_s)
        self.outbox = Outbox()
        self.stopping = False
        self.kinds: Mapping[str, KindSpec] = KINDS
        self.service = JobService(sessions, NullDispatcher(), SETTINGS)
        self.resources = Resources(sessions, open_store(folder.as_uri()), SETTINGS, ModelCache(1))

    def run(self, job: Job, pipeline: Pipeline = diagnostic.run) -> str:
        """Run a job with a pipeline."""
        process = WorkerProcess("here:1", lambda: self.stopping, _never)
        return self.runner(process, pipeline_of=lambda _: pipeline, kinds=self.kinds).run(job.id)

    def runner(self, process: WorkerProcess, **parts: Any) -> JobRunner:
        """Make a runner."""
        return JobRunner(self.resources, self.transactions, self.outbox, process, **parts)

    def statuses(self, job: Job) -> list[str]:
        """Return the items' statuses."""
        return [item.status for item in self.service.items(job.id).items]

    def execute(self, statement: str) -> None:
        """Change rows behind everybody's back."""
        with self.sessions.begin() as session:
            session.execute(text(statement))


def _never() -> None:
    raise AssertionError("A job that does not hang ends no process.")


def raising(error: Exception, *, after: int = 0) -> Pipeline:
    """Make a pipeline that records some items and then raises."""

    def run(context: JobContext, _: Resources) -> dict[str, Any]:
        for item in context.pending()[:after]:
            context.begin(item)
            context.record(item, {})
        for item in context.pending()[:1]:
            context.begin(item)
        raise error

    return run


@pytest.fixture
def bench(sessions: SessionFactory, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    engine, relaxed = relaxed_sessions(database_url, 2)
    yield Bench(sessions, relaxed, tmp_path)
    engine.dispose()


class TestEnds:
    def test_success(self, bench: Bench) -> None:
        """Every item recorded, the pipeline's result kept, the lease gone."""
        job = bench.service.submit("diagnostic", {"items": 2})
        end = bench.run(job)
        ended = bench.service.get(job.id)

        assert ("succeeded", "succeeded") == (end, ended.status)
        assert (2, 2, {"items": 2, "attempts": 1}) == (
            ended.progress.done,
            ended.progress.total,
            ended.result,
        )

    def test_partial_and_failed(self, bench: Bench) -> None:
        """Some failed items make a partial job, only failed ones a failed job with their code."""
        some = bench.service.submit("diagnostic", {"items": 3, "fail_items": [0, 2]})
        every = bench.service.submit("diagnostic", {"items": 2, "fail_items": [0, 1]})
        ends = [bench.run(some), bench.run(every)]

        assert ["partial", "failed"] == ends
        assert ["failed", "succeeded", "failed"] == bench.statuses(some)
        assert "diagnostic_failure" == (bench.service.get(every.id).error or {})["code"]

    def test_a_bad_input_of_the_whole_job_fails_it_with_its_code(self, bench: Bench) -> None:
        """An expected error is told as it is, and not tried again."""
        job = bench.service.submit("diagnostic", {})
        end = bench.run(job, raising(InvalidInputError("Draw masks first.")))

        assert "failed" == end
        assert {
            "code": "invalid_input",
            "title": "The input is not valid",
            "detail": "Draw masks first.",
        } == bench.service.get(job.id).error

    def test_a_fault_of_ours_tells_the_client_nothing_but_the_jobs_id(self, bench: Bench) -> None:
        """The traceback and its secrets stay in the log."""
        job = bench.service.submit("diagnostic", {})
        end = bench.run(job, raising(ZeroDivisionError("password=hunter2")))
        error = bench.service.get(job.id).error or {}

        assert ("failed", "internal_error") == (end, error["code"])
        assert job.id in error["detail"]
        assert "hunter2" not in str(error)

    def test_a_pipeline_that_forgets_an_item_has_not_succeeded(self, bench: Bench) -> None:
        """Returning early is a fault, not a success."""
        job = bench.service.submit("diagnostic", {"items": 2})
        end = bench.run(job, lambda _context, _resources: {})

        assert "failed" == end
        assert "2 inputs" in (bench.service.get(job.id).error or {})["detail"]

    def test_a_job_whose_items_were_all_recorded_before_its_worker_died_is_finished(
        self, bench: Bench
    ) -> None:
        """The next claim has nothing to compute and ends the job."""
        job = bench.service.submit("diagnostic", {"items": 2})
        with bench.sessions.begin() as session:
            leases = LeaseRepository(session)
            dead = leases.claim(job.id, "dead", 60)
            for position in (0, 1):
                leases.record(dead, position, outputs={"attempt": 1}, error=None, budget=2)
        bench.execute("UPDATE jobs SET status = 'queued', lease_token = NULL")
        end = bench.run(job)

        assert ("succeeded", 2) == (end, bench.service.get(job.id).attempt)
        assert [1, 1] == [item.outputs["attempt"] for item in bench.service.items(job.id).items]

    def test_what_cannot_be_claimed_is_dropped(self, bench: Bench) -> None:
        """Unknown, cancelled and finished jobs end a message without harm."""
        job = bench.service.submit("diagnostic", {})
        first = bench.run(job)
        plain = bench.runner(WorkerProcess("here:1", lambda: False, _never))

        assert ("succeeded", "not_claimed") == (first, bench.run(job))
        assert "not_claimed" == plain.run("job_unknown")


class TestPassingFaults:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (TransientError("The store is away."), "temporarily_unavailable"),
            (exc.OperationalError("SELECT", {}, Exception("gone")), "database_away"),
        ],
    )
    def test_are_retried_later_and_told_meanwhile(self, bench: Bench, error: Exception, code: str) -> None:
        """The job waits with its reason, unsent until its time, and the item at hand is no suspect."""
        job = bench.service.submit("diagnostic", {"items": 2})
        end = bench.run(job, raising(error))
        waiting = bench.service.get(job.id)

        assert ("queued", "queued", code) == (end, waiting.status, (waiting.error or {})["code"])
        assert waiting.not_before is not None
        assert [] == bench.outbox.sent
        assert [0, 0] == [item.started for item in bench.service.items(job.id).items]

    def test_end_the_job_when_nothing_ever_comes_of_it(self, bench: Bench) -> None:
        """After the budget the fault is the job's error."""
        job = bench.service.submit("diagnostic", {})
        ends = []
        for _ in range(2):
            bench.execute("UPDATE jobs SET not_before = NULL")
            ends.append(bench.run(job, raising(TransientError("Away."))))

        assert ["queued", "failed"] == ends
        assert "temporarily_unavailable" == (bench.service.get(job.id).error or {})["code"]

    def test_do_not_use_up_the_budget_of_a_job_that_gets_on(self, bench: Bench) -> None:
        """Five interrupted attempts that record an item each are no reason to give up."""
        job = bench.service.submit("diagnostic", {"items": 6})
        ends = []
        for _ in range(5):
            bench.execute("UPDATE jobs SET not_before = NULL")
            ends.append(bench.run(job, raising(TransientError("Away."), after=1)))
        bench.execute("UPDATE jobs SET not_before = NULL")

        assert ["queued"] * 5 == ends
        assert "succeeded" == bench.run(job)
        assert (6, 6) == (bench.service.get(job.id).attempt, bench.service.get(job.id).progress.done)

    def test_of_an_item_fail_it_only_in_the_last_attempt(self, bench: Bench) -> None:
        """A store that is away says nothing about an image; in the end the rest matters more."""

        def run(context: JobContext, _: Resources) -> dict[str, Any]:
            for item in context.pending():
                context.begin(item)
                if item.position == 0:
                    context.fail(item, TransientError("This object never comes."))
                else:
                    context.record(item, {})
            return {}

        job = bench.service.submit("diagnostic", {"items": 2})
        first = bench.run(job, run)
        bench.execute("UPDATE jobs SET not_before = NULL")
        second = bench.run(job, run)

        assert ("queued", "partial") == (first, second)
        assert ["failed", "succeeded"] == bench.statuses(job)


class TestInterruptions:
    def test_a_stopping_worker_hands_back_and_sends(self, bench: Bench) -> None:
        """The job is queued and its id is on its way to another worker."""
        job = bench.service.submit("diagnostic", {"items": 2})
        bench.stopping = True
        end = bench.run(job)

        assert ("queued", [job.id]) == (end, bench.outbox.sent)

    def test_a_stopping_worker_without_a_broker_leaves_the_sending_to_the_sweep(self, bench: Bench) -> None:
        """Handing back does not depend on the broker."""
        job = bench.service.submit("diagnostic", {"items": 2})
        bench.stopping, bench.outbox.away = True, True

        assert "queued" == bench.run(job)
        assert "queued" == bench.service.get(job.id).status

    def test_a_displaced_job_counts_the_turns_that_brought_nothing(self, bench: Bench) -> None:
        """In a row: one in which an item was recorded starts the count anew, and none costs an attempt."""
        job = bench.service.submit("diagnostic", {"items": 2})
        lost, displaced = [], JobDisplacedError(job.id)
        for recorded in (0, 0, 1, 0):
            end = bench.run(job, raising(displaced, after=recorded))
            with bench.sessions() as session:
                lost.append((end, session.scalar(text("SELECT turns_lost FROM jobs"))))
        left = bench.service.get(job.id)

        assert [("queued", 1), ("queued", 2), ("queued", 0), ("queued", 1)] == lost
        assert 4 == left.attempt < left.max_attempts
        assert ["succeeded", "pending"] == bench.statuses(job)

    def test_a_stopping_worker_takes_no_turn_away(self, bench: Bench) -> None:
        """Only making room for another job counts."""
        job = bench.service.submit("diagnostic", {"items": 1})
        bench.run(job, raising(JobHandedBackError(job.id)))
        with bench.sessions() as session:
            lost = session.scalar(text("SELECT turns_lost FROM jobs"))

        assert 0 == lost

    def test_a_cancelled_job_stops_at_its_next_check(self, bench: Bench) -> None:
        """What was recorded until then is kept."""

        def run(context: JobContext, _: Resources) -> dict[str, Any]:
            first, *_ = context.pending()
            context.record(first, {})
            bench.service.cancel(context.job.id)
            return _check_for_ever(context)

        job = bench.service.submit("diagnostic", {"items": 2})

        assert "cancelled" == bench.run(job, run)
        assert ["succeeded", "pending"] == bench.statuses(job)

    def test_a_job_that_was_done_before_the_cancellation_was_seen_tells_the_truth(self, bench: Bench) -> None:
        """All its results are there, so it has succeeded."""

        def run(context: JobContext, resources: Resources) -> dict[str, Any]:
            bench.service.cancel(context.job.id)
            for item in context.pending():
                context.record(item, {})
            return {"store": resources.store.exists("nothing")}

        job = bench.service.submit("diagnostic", {"items": 2})

        assert "succeeded" == bench.run(job, run)

    def test_a_lost_lease_ends_the_attempt_without_a_word(self, bench: Bench) -> None:
        """The row belongs to somebody else."""

        def run(context: JobContext, _: Resources) -> dict[str, Any]:
            bench.execute("UPDATE jobs SET lease_token = 'another worker'")
            return _check_for_ever(context)

        job = bench.service.submit("diagnostic", {})

        assert "lost" == bench.run(job, run)
        assert "running" == bench.service.get(job.id).status

    @pytest.mark.parametrize(
        ("meanwhile", "kept"),
        [
            ("lease_token = 'another worker'", True),
            ("lease_token = NULL, finished_at = now(), status = 'failed'", True),
            ("lease_token = NULL, finished_at = now(), status = 'succeeded'", False),
        ],
    )
    def test_what_a_late_attempt_kept_goes_once_another_one_has_done_the_job(
        self, bench: Bench, meanwhile: str, *, kept: bool
    ) -> None:
        """While the job runs elsewhere, or may be retried, its checkpoint is of use."""
        store, key = bench.resources.store, checkpoint_key("job_1", "state")

        def run(context: JobContext, resources: Resources) -> dict[str, Any]:
            context.when_overtaken(lambda: resources.store.delete(key))
            bench.execute(f"UPDATE jobs SET {meanwhile}")  # noqa: S608 - a literal of this test
            resources.store.put(key, b"as it was before the worker stood still")
            context.saved()
            return {}

        assert "lost" == bench.run(bench.service.submit("diagnostic", {}), run)
        assert kept == store.exists(key)

    def test_a_job_may_not_run_longer_than_its_kind_allows(self, bench: Bench) -> None:
        """The attempt ends as failed with the limit in its message."""
        bench.kinds = {"diagnostic": replace(KINDS["diagnostic"], max_run_s=0.05)}
        job = bench.service.submit("diagnostic", {"items": 1, "seconds_per_item": 60})

        assert "failed" == bench.run(job)
        assert "time_limit_exceeded" == (bench.service.get(job.id).error or {})["code"]

    def test_a_kind_of_a_newer_release_is_left_to_newer_workers(self, bench: Bench) -> None:
        """During an upgrade an old worker that gets the id does not touch the job."""
        bench.kinds = {}
        job = bench.service.submit("diagnostic", {})

        assert "not_claimed" == bench.run(job)
        assert ("queued", 0) == (bench.service.get(job.id).status, bench.service.get(job.id).attempt)


class TestProgress:
    def test_of_a_training_is_what_the_pipeline_says(self, bench: Bench) -> None:
        """Epochs are no items; the last word is written although it comes too soon after the first."""
        seen = []

        def run(context: JobContext, _: Resources) -> dict[str, Any]:
            for epoch in (1, 2, 3):
                context.progress(epoch, 3, "epochs", f"loss {1 / epoch:.2f}")
                seen.append(bench.service.get(context.job.id).progress.done)
            return {}

        job = bench.service.submit("segmenter_training", {"name": "n", "epochs": 3})
        bench.run(job, run)
        told = bench.service.get(job.id).progress

        assert [1, 1, 1] == seen
        assert (3, 3, "epochs", "loss 0.33") == (told.done, told.total, told.unit, told.message)

    def test_of_items_is_what_is_recorded_whatever_the_pipeline_says(self, bench: Bench) -> None:
        """A second attempt that knows only its own part cannot falsify the count."""

        def run(context: JobContext, _: Resources) -> dict[str, Any]:
            for item in context.pending():
                context.record(item, {})
            context.progress(99, 100, "items", "nearly there")
            return {}

        job = bench.service.submit("diagnostic", {"items": 2})
        bench.run(job, run)
        told = bench.service.get(job.id).progress

        assert (2, 2, "nearly there") == (told.done, told.total, told.message)


class TestTable:
    def test_has_a_pipeline_for_every_kind(self) -> None:
        """A kind that can be submitted can be run, and the other way round."""
        assert set(KINDS) == set(PIPELINES)

    def test_names_modules_that_exist(self) -> None:
        """Each pipeline is a file of its own."""
        root = Path(__file__).resolve().parents[3]
        missing = [
            name for name in PIPELINES.values() if not (root / f"{name.replace('.', '/')}.py").is_file()
        ]

        assert [] == missing


def _check_for_ever(context: JobContext, within_s: float = 20.0) -> dict[str, Any]:
    """Call `check` until it raises."""
    deadline = time.monotonic() + within_s
    check: Callable[[], None] = context.check
    while time.monotonic() < deadline:
        check()
        time.sleep(0.01)
    raise AssertionError("The interruption never came.")
