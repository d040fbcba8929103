from __future__ import annotations

from typing import Any

import pytest

from services.config import Settings
from services.db.engine import SessionFactory
from services.errors import InvalidInputError, NotFoundError
from services.jobs.dispatch import NullDispatcher
from services.jobs.errors import (
    BrokerAwayError,
    JobNotCancellableError,
    JobNotRetryableError,
    PriorityRefusedError,
    UnknownKindError,
)
from services.jobs.kinds import PRIORITIES, level_of, priority_name, spec_of
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import Outcome
from services.jobs.service import JobService
from services.jobs.types import Claim, Job, JobFilter, PriorityName
from services.pagination import PageRequest


class Recorder(NullDispatcher):
    """A dispatcher that remembers what it was given, and whether the job was committed by then."""

    def __init__(self, sessions: SessionFactory, *, away: bool = False) -> None:
        self._sessions = sessions
        self._away = away
        self.sent: list[tuple[str, str, int]] = []

    def send(self, job_id: str, queue: str, priority: int) -> None:
        """Remember the message, or be away."""
        if self._away:
            raise BrokerAwayError("Nobody listens.")
        # A session of its own sees the row only if it is committed.
        JobService(self._sessions, NullDispatcher(), Settings(_env_file=None)).get(job_id)
        self.sent.append((job_id, queue, priority))


@pytest.fixture
def dispatcher(sessions: SessionFactory) -> Recorder:
    return Recorder(sessions)


@pytest.fixture
def service(sessions: SessionFactory, dispatcher: Recorder) -> JobService:
    return JobService(sessions, dispatcher, Settings(_env_file=None, gpu_queue="gpu-a"))


def claim(sessions: SessionFactory, job: Job) -> Claim:
    """Claim a job as a worker would."""
    with sessions.begin() as session:
        claimed = LeaseRepository(session).claim(job.id, "worker", 60)
    if claimed is None:
        raise AssertionError(f"{job.id} could not be claimed")
    return claimed


def record(sessions: SessionFactory, held: Claim, position: int, code: str | None = None) -> None:
    """Record an item as succeeded, or as failed with a code."""
    error: Any = None if code is None else {"code": code, "title": "t", "detail": "d"}
    with sessions.begin() as session:
        LeaseRepository(session).record(held, position, outputs={"by": "test"}, error=error, budget=3)


def finish(sessions: SessionFactory, held: Claim, outcome: Outcome) -> None:
    """End a job."""
    with sessions.begin() as session:
        LeaseRepository(session).finish(held, lambda _: outcome)


class TestSubmit:
    def test_stores_the_job_with_one_item_per_input(self, service: JobService) -> None:
        """A job starts queued, with its parameters completed and its total known."""
        job = service.submit(
            "segmentation",
            {"min_area_px": 80},
            item_ids=["img_a", "img_b"],
            artifacts={"segmenter": "chromosome/1"},
            sample="S1",
            external_id="lims-7",
            request_id="req_1",
        )
        items = service.items(job.id).items

        assert (job.status, job.attempt, job.max_attempts) == ("queued", 0, 6)
        assert (job.params["min_area_px"], job.params["flow_threshold"]) == (80, 0.4)
        assert (job.progress.done, job.progress.total, job.progress.unit) == (0, 2, "images")
        assert [item.input_id for item in items] == ["img_a", "img_b"]
        assert job == service.get(job.id)

    def test_sends_after_the_commit_to_the_configured_queue(
        self, service: JobService, dispatcher: Recorder
    ) -> None:
        """A worker never meets an id that does not exist yet."""
        job = service.submit("segmentation", {}, item_ids=["img_a"])

        assert [(job.id, "gpu-a", job.priority)] == dispatcher.sent

    def test_sends_when_the_callers_transaction_commits(
        self, service: JobService, sessions: SessionFactory, dispatcher: Recorder
    ) -> None:
        """Joined to a transaction, the id waits for that one's commit."""
        with sessions.begin() as session:
            job = service.submit("diagnostic", {}, session=session)
            before = list(dispatcher.sent)

        assert before == []
        assert [job.id] == [sent[0] for sent in dispatcher.sent]

    def test_sends_nothing_when_the_callers_transaction_is_rolled_back(
        self, service: JobService, sessions: SessionFactory, dispatcher: Recorder
    ) -> None:
        """A job that never was is never sent."""
        with sessions() as session:
            job = service.submit("diagnostic", {}, session=session)
            session.rollback()

        assert dispatcher.sent == []
        with pytest.raises(NotFoundError):
            service.get(job.id)

    def test_keeps_the_job_when_the_broker_is_away(self, sessions: SessionFactory) -> None:
        """The client's job is accepted; the sweep sends it later."""
        service = JobService(sessions, Recorder(sessions, away=True), Settings(_env_file=None))

        job = service.submit("diagnostic", {})

        assert service.get(job.id).status == "queued"

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({"items": 0}, "params.items"),
            ({"nonsense": 1}, "params.nonsense"),
            ({"items": "x"}, "params.items"),
        ],
    )
    def test_refuses_wrong_parameters_by_name(
        self, service: JobService, params: dict[str, Any], field: str
    ) -> None:
        """The error names the field."""
        with pytest.raises(InvalidInputError) as caught:
            service.submit("diagnostic", params)

        assert field == caught.value.field

    def test_refuses_unknown_kinds_and_roles(self, service: JobService) -> None:
        """Both messages list what is known."""
        with pytest.raises(UnknownKindError, match="artifact_import, classification, classifier_training"):
            service.submit("alchemy", {})
        with pytest.raises(InvalidInputError, match="knows segmenter"):
            service.submit("segmentation", {}, artifacts={"classifier": "a/1"})


class TestList:
    def test_filters_and_pages_in_the_order_of_submission(self, service: JobService) -> None:
        """Pages follow each other without gap or overlap."""
        jobs = [service.submit("diagnostic", {}, sample="A" if n % 2 else "B") for n in range(5)]
        expected = sorted(job.id for job in jobs)
        first = service.list(page=PageRequest(limit=3))
        second = service.list(page=PageRequest(limit=3, cursor=first.next_cursor))
        of_a = service.list(JobFilter(sample="A", status="queued", kind="diagnostic"))

        assert expected == [job.id for job in first.items + second.items]
        assert second.next_cursor is None
        assert {jobs[1].id, jobs[3].id} == {job.id for job in of_a.items}
        assert service.list(JobFilter(external_id="nobody")).items == ()

    def test_pages_through_items_and_refuses_another_lists_cursor(self, service: JobService) -> None:
        """Items come in the order of the inputs."""
        job = service.submit("diagnostic", {"items": 12})
        first = service.items(job.id, PageRequest(limit=10))
        second = service.items(job.id, PageRequest(limit=10, cursor=first.next_cursor))
        foreign = service.list(page=PageRequest(limit=1)).next_cursor or "am9iX3h4eA"

        assert list(range(12)) == [item.position for item in first.items + second.items]
        with pytest.raises(InvalidInputError, match="cursor"):
            service.items(job.id, PageRequest(cursor=foreign))
        with pytest.raises(NotFoundError):
            service.items("job_unknown")


def place_of(service: JobService, job: Job) -> int | None:
    """A job's place in its queue as it is now."""
    return service.get_with_position(job.id)[1]


class TestQueuePosition:
    def test_counts_urgent_and_older_jobs_of_the_same_queue(
        self, service: JobService, sessions: SessionFactory
    ) -> None:
        """A training waits behind every segmentation, whenever that was submitted."""
        training = service.submit("segmenter_training", {"name": "n"})
        first = service.submit("segmentation", {}, item_ids=["a"])
        second = service.submit("segmentation", {}, item_ids=["a"])
        other_queue = service.submit("diagnostic", {})

        positions = [place_of(service, job) for job in (first, second, training, other_queue)]
        claim(sessions, first)

        assert positions == [1, 2, 3, 1]
        assert place_of(service, first) is None
        assert [place_of(service, job) for job in (second, training)] == [1, 2]

    def test_puts_a_retried_job_behind_those_that_waited(
        self, service: JobService, sessions: SessionFactory
    ) -> None:
        """What counts is since when a job waits, not how old it is."""
        old = service.submit("diagnostic", {})
        held = claim(sessions, old)
        record(sessions, held, 0, "bad")
        finish(sessions, held, Outcome("failed"))
        waiting = service.submit("diagnostic", {})

        retried = service.retry(old.id)

        assert (place_of(service, waiting), place_of(service, retried)) == (1, 2)


class TestCancel:
    def test_ends_a_queued_job_at_once_and_repeats_harmlessly(self, service: JobService) -> None:
        """The second request finds what the first one did."""
        job = service.submit("diagnostic", {})
        cancelled = service.cancel(job.id)

        assert (cancelled.status, cancelled.finished_at is not None) == ("cancelled", True)
        assert cancelled == service.cancel(job.id)

    def test_asks_the_worker_of_a_running_job(self, service: JobService, sessions: SessionFactory) -> None:
        """The worker's next renewal brings the request."""
        job = service.submit("diagnostic", {})
        held = claim(sessions, job)
        status = service.cancel(job.id).status
        with sessions.begin() as session:
            state = LeaseRepository(session).renew(held, 60)

        assert (status, state) == ("cancelling", "cancelling")

    def test_refuses_an_ended_job_and_an_unknown_one(
        self, service: JobService, sessions: SessionFactory
    ) -> None:
        """There is nothing to cancel."""
        job = service.submit("diagnostic", {})
        finish(sessions, claim(sessions, job), Outcome("succeeded"))

        with pytest.raises(JobNotCancellableError, match="succeeded"):
            service.cancel(job.id)
        with pytest.raises(NotFoundError):
            service.cancel("job_unknown")


class TestRetry:
    def test_resets_failed_items_and_the_budget_but_no_history(
        self, service: JobService, sessions: SessionFactory, dispatcher: Recorder
    ) -> None:
        """Succeeded items keep their outputs; the number of attempts goes on counting."""
        job = service.submit("diagnostic", {"items": 3})
        held = claim(sessions, job)
        record(sessions, held, 0)
        record(sessions, held, 1, "bad")
        finish(sessions, held, Outcome("failed", {"code": "x", "title": "t", "detail": "d"}))

        retried = service.retry(job.id)
        items = service.items(job.id).items

        assert (
            retried.status,
            retried.error,
            retried.finished_at,
            retried.started_at,
        ) == ("queued", None, None, None)
        assert (retried.attempt, retried.max_attempts, retried.progress.done) == (1, 7, 1)
        assert [item.status for item in items] == ["succeeded", "pending", "pending"]
        assert [item.outputs for item in items] == [{"by": "test"}, {}, {}]
        assert [job.id, job.id] == [sent[0] for sent in dispatcher.sent]

    @pytest.mark.parametrize("status", ["succeeded", "cancelled"])
    def test_refuses_what_has_not_failed(
        self, service: JobService, sessions: SessionFactory, status: Any
    ) -> None:
        """A success needs no retry, and a cancellation was wanted."""
        job = service.submit("diagnostic", {})
        waiting = pytest.raises(JobNotRetryableError, match="queued")
        with waiting:
            service.retry(job.id)
        finish(sessions, claim(sessions, job), Outcome(status))

        with pytest.raises(JobNotRetryableError, match=status):
            service.retry(job.id)


class TestPriority:
    @pytest.mark.parametrize(
        ("kind", "priority", "level"),
        [
            ("scoring", "normal", 6),
            ("scoring", "urgent", 9),
            ("scoring", "background", 0),
            ("classifier_training", "normal", 3),
            ("classifier_training", "background", 0),
            ("diagnostic", "urgent", 9),
        ],
    )
    def test_is_a_level_that_brokers_keep_apart(self, kind: str, priority: PriorityName, level: int) -> None:
        """And is shown again by the name that was asked for, where it makes a difference."""
        spec = spec_of(kind)

        assert level == level_of(spec, priority)
        assert level in PRIORITIES
        assert priority_name(kind, level) == ("normal" if level == spec.priority else priority)

    def test_a_training_is_never_urgent(self) -> None:
        """It would hold up samples for days."""
        with pytest.raises(PriorityRefusedError, match="classifier_training job cannot be urgent"):
            level_of(spec_of("classifier_training"), "urgent")

    def test_a_job_of_a_newer_release_is_called_normal(self) -> None:
        """A list shows it all the same."""
        assert "normal" == priority_name("unheard_of", 9)
