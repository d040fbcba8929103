from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from services.config import Settings
from services.db.engine import SessionFactory
from services.db.tables import WebhookDeliveryRow
from services.jobs.dispatch import NullDispatcher
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import Outcome
from services.jobs.recovery import RecoveryRepository
from services.jobs.repository import JobRepository
from services.jobs.service import JobService
from services.jobs.types import TERMINAL_STATUSES, Claim, Job
from services.webhooks.repository import WebhookRepository
from services.webhooks.types import JOB_EVENTS, JobEvent, Webhook

ROOT = Path(__file__).parents[4]
PROBLEM = {"code": "store_unavailable", "title": "t", "detail": "d"}

End = Callable[[Session, Claim], object]


def leases(session: Session) -> LeaseRepository:
    return LeaseRepository(session)


def taken_back(session: Session, _claim: Claim) -> object:
    return RecoveryRepository(session).take_back(lambda _kind: 1, 0)


def cancelling(then: End) -> End:
    """Ask for the job's end first, as a person does while it runs."""

    def end(session: Session, claim: Claim) -> object:
        JobRepository(session).request_cancel(claim.job.id)
        return then(session, claim)

    return end


def lost(then: End) -> End:
    """Let the lease run out, and the attempts, as when the last worker died."""

    def end(session: Session, claim: Claim) -> object:
        session.execute(
            text("UPDATE jobs SET lease_expires_at = now() - interval '1 s', max_attempts = attempt")
        )
        return then(session, claim)

    return end


WAYS_TO_END: dict[str, tuple[str, End]] = {
    "finish": ("succeeded", lambda s, c: leases(s).finish(c, lambda _: Outcome("succeeded"))),
    "finish in part": ("partial", lambda s, c: leases(s).finish(c, lambda _: Outcome("partial"))),
    "finish badly": ("failed", lambda s, c: leases(s).finish(c, lambda _: Outcome("failed", PROBLEM))),
    "stop when asked": (
        "cancelled",
        cancelling(lambda s, c: leases(s).finish(c, lambda _: Outcome("cancelled"))),
    ),
    "hand back when asked": ("cancelled", cancelling(lambda s, c: leases(s).hand_back(c, []))),
    "fail when asked": (
        "cancelled",
        cancelling(lambda s, c: leases(s).retry(c, [], PROBLEM, budget=1, backoff_s=0)),
    ),
    "fail for the last time": (
        "failed",
        lost(lambda s, c: leases(s).retry(c, [], PROBLEM, budget=1, backoff_s=0)),
    ),
    "lose the last worker": ("failed", lost(taken_back)),
    "lose the worker when asked": ("cancelled", cancelling(lost(taken_back))),
}


@pytest.fixture
def service(sessions: SessionFactory) -> JobService:
    return JobService(sessions, NullDispatcher(), Settings(_env_file=None))


@pytest.fixture
def job(service: JobService) -> Job:
    return service.submit("diagnostic", {}, sample="S26-1", external_id="LIMS-7")


@pytest.fixture
def webhook(sessions: SessionFactory) -> Webhook:
    return subscribe(sessions)


def subscribe(sessions: SessionFactory, *events: JobEvent) -> Webhook:
    with sessions.begin() as session:
        return WebhookRepository(session).add("https://lims.example/", events or JOB_EVENTS, "", "admin")


def claim(sessions: SessionFactory, job: Job) -> Claim:
    with sessions.begin() as session:
        held = LeaseRepository(session).claim(job.id, "worker", 60)
    if held is None:
        raise AssertionError("a new job is claimable")
    return held


def messages(sessions: SessionFactory) -> list[WebhookDeliveryRow]:
    with sessions() as session:
        return list(session.scalars(select(WebhookDeliveryRow).order_by(WebhookDeliveryRow.id)))


@pytest.mark.usefixtures("webhook")
class TestEveryEnd:
    @pytest.mark.parametrize("way", sorted(WAYS_TO_END))
    def test_is_told_once(self, sessions: SessionFactory, service: JobService, job: Job, way: str) -> None:
        """However a job ends, one message says so."""
        status, end = WAYS_TO_END[way]
        held = claim(sessions, job)
        with sessions.begin() as session:
            end(session, held)

        assert status == service.get(job.id).status
        assert [(f"job.{status}", job.id)] == [(m.event, m.subject) for m in messages(sessions)]

    def test_also_of_a_job_that_never_ran(
        self, sessions: SessionFactory, service: JobService, job: Job
    ) -> None:
        """A queued job ends at the request itself; asking again tells nothing new."""
        service.cancel(job.id)
        service.cancel(job.id)

        assert ["job.cancelled"] == [message.event for message in messages(sessions)]

    def test_also_after_a_retry(self, sessions: SessionFactory, service: JobService, job: Job) -> None:
        """A job that fails, is retried and succeeds has ended twice, and both are told."""
        for status in ("failed", "succeeded"):
            held = claim(sessions, job)
            with sessions.begin() as session:
                LeaseRepository(session).finish(held, lambda _, s=status: Outcome(s, PROBLEM))
            if status == "failed":
                service.retry(job.id)

        assert ["job.failed", "job.succeeded"] == [message.event for message in messages(sessions)]

    def test_going_on_is_not_told(self, sessions: SessionFactory, service: JobService, job: Job) -> None:
        """A job that goes back to its queue has not ended."""
        for again in (
            lambda s, c: leases(s).hand_back(c, []),
            lambda s, c: leases(s).retry(c, [], PROBLEM, budget=9, backoff_s=0),
        ):
            held = claim(sessions, job)
            with sessions.begin() as session:
                again(session, held)

        assert "queued" == service.get(job.id).status
        assert [] == messages(sessions)


class TestNoPathForgets:
    def test_statuses_are_written_where_ends_are_told(self) -> None:
        """Only three files change the status of jobs, and each announces; a fourth must be looked at here."""
        found = {str(path.relative_to(ROOT)) for path in shipped() if sets_a_status(path)}

        assert {
            "services/jobs/leases.py",
            "services/jobs/recovery.py",
            "services/jobs/repository.py",
        } == found
        assert all("announce(" in (ROOT / name).read_text(encoding="utf-8") for name in found)

    def test_every_terminal_status_is_an_event(self) -> None:
        """A new way to end cannot be without its event."""
        assert {f"job.{status}" for status in TERMINAL_STATUSES} == set(JOB_EVENTS)


def shipped() -> Iterator[Path]:
    for package in ("api", "services", "workers"):
        yield from (ROOT / package).rglob("*.py")


def sets_a_status(path: Path) -> bool:
    """Whether a file updates the table of jobs with a status, by name or by whatever it is handed."""
    source = path.read_text(encoding="utf-8")
    if "update(JobRow)" not in source:
        return False
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return any(
        "update(JobRow)" in ast.unparse(call.func) and {"status", None} & {word.arg for word in call.keywords}
        for call in calls
    )


class TestMessage:
    def test_holds_what_finds_the_job_and_no_result(
        self, sessions: SessionFactory, service: JobService, job: Job, webhook: Webhook
    ) -> None:
        """A LIMS finds its own case, and nothing of a patient leaves by this way."""
        held = claim(sessions, job)
        with sessions.begin() as session:
            LeaseRepository(session).finish(held, lambda _: Outcome("succeeded", None, {"classes": {"a": 1}}))
        (message,) = messages(sessions)
        finished_at = service.get(job.id).finished_at

        assert finished_at is not None
        assert (webhook.id, "pending", 0) == (message.webhook_id, message.status, message.attempts)
        assert {
            "type": "job.succeeded",
            "timestamp": finished_at.isoformat().replace("+00:00", "Z"),
            "data": {
                "job": {
                    "id": job.id,
                    "kind": "diagnostic",
                    "status": "succeeded",
                    "sample": "S26-1",
                    "external_id": "LIMS-7",
                    "links": {"job": f"/v1/jobs/{job.id}", "items": f"/v1/jobs/{job.id}/items"},
                }
            },
        } == message.payload

    def test_goes_to_those_who_want_it(self, sessions: SessionFactory, service: JobService, job: Job) -> None:
        """Of several webhooks each gets its own message, unless it asked for others or is out of use."""
        wanting = [subscribe(sessions, "job.cancelled"), subscribe(sessions)]
        subscribe(sessions, "job.failed", "job.succeeded")
        deleted, disabled = subscribe(sessions), subscribe(sessions)
        with sessions.begin() as session:
            WebhookRepository(session).delete(deleted.id)
            session.execute(
                text("UPDATE webhooks SET disabled_at = now() WHERE id = :id"), {"id": disabled.id}
            )
        service.cancel(job.id)
        written = messages(sessions)

        assert {one.id for one in wanting} == {message.webhook_id for message in written}
        assert 2 == len({message.id for message in written})

    @pytest.mark.usefixtures("webhook")
    def test_is_undone_with_its_transaction(self, sessions: SessionFactory, job: Job) -> None:
        """Of an end that was not committed nobody hears."""
        with sessions() as session:
            JobRepository(session).request_cancel(job.id)
            session.rollback()

        assert [] == messages(sessions)


class TestCost:
    def test_is_one_look_where_nobody_subscribed(self, sessions: SessionFactory, job: Job) -> None:
        """Without webhooks the end of a job costs one more SELECT and writes nothing."""
        statements: list[str] = []
        held = claim(sessions, job)
        with sessions.begin() as session:
            connection = session.connection()
            event.listen(connection, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
            LeaseRepository(session).finish(held, lambda _: Outcome("succeeded"))

        assert 1 == sum("webhooks" in statement for statement in statements)
        assert [] == [statement for statement in statements if "webhook_deliveries" in statement]
