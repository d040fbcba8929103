"""The sweep: everything that was dropped on a job's path is picked up here, every few seconds.

It takes jobs back from workers that went silent, and sends the ids of queued jobs that are not in
the broker. Any number of sweeps may run at once, and running one too often is harmless.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from opentelemetry.trace import SpanKind

from services import tracing
from services.config import Settings
from services.db.engine import SessionFactory
from services.jobs.dispatch import Dispatcher
from services.jobs.errors import BrokerAwayError
from services.jobs.kinds import budget_of
from services.jobs.recovery import RecoveryRepository, Unsent
from services.jobs.totals import TotalsRepository
from services.log import get_logger
from services.webhooks.upkeep import tidy

log = get_logger(__name__)


@dataclass(frozen=True)
class SweepReport:
    """What a sweep did: ids sent, jobs taken back by their new status, items given up."""

    sent: int
    requeued: int
    failed: int
    cancelled: int
    crashed_items: int
    purged_keys: int
    purged_deliveries: int

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not any(asdict(self).values())


def sweep(session_factory: SessionFactory, dispatcher: Dispatcher, settings: Settings) -> SweepReport:
    """Sweep once. A broker that is away is logged; its jobs are sent by a later sweep."""
    with session_factory.begin() as session:
        taken = RecoveryRepository(session).take_back(
            lambda kind: budget_of(kind, settings.job_max_attempts), settings.retry_backoff_s
        )
    with session_factory.begin() as session:
        purged = RecoveryRepository(session).purge_idempotency_keys(settings.idempotency_hours * 3600)
        due = RecoveryRepository(session).due_queues()
    sent = sum(_send_due(session_factory, dispatcher, settings, queue, due[queue]) for queue in due)
    with session_factory.begin() as session:
        TotalsRepository(session).count_ended()
    report = SweepReport(
        sent=sent,
        requeued=taken["queued"],
        failed=taken["failed"],
        cancelled=taken["cancelled"],
        crashed_items=taken["crashed_items"],
        purged_keys=purged,
        purged_deliveries=tidy(session_factory),
    )
    if not report.idle:
        log.info("swept", **asdict(report))
    return report


def _send_due(
    session_factory: SessionFactory, dispatcher: Dispatcher, settings: Settings, queue: str, num_due: int
) -> int:
    """Send the ids that are missing from one queue of the broker; returns how many."""
    try:
        # Ids are only sent again when the broker has fewer than there are jobs. So a long backlog
        # is not multiplied every few seconds, and yet no loss stays: idle workers empty the queue,
        # and then the broker has fewer.
        missing = dispatcher.waiting(queue) < num_due
        with session_factory.begin() as session:
            unsent = RecoveryRepository(session).take_unsent(
                queue, older_than_s=settings.redispatch_after_s if missing else None
            )
        return _send_all(dispatcher, unsent)
    except BrokerAwayError as error:
        log.warning("broker away during the sweep", queue=queue, reason=str(error))
        return 0


def _send_all(dispatcher: Dispatcher, unsent: list[Unsent]) -> int:
    for one in unsent:
        with tracing.span(
            f"publish {one.queue}",
            kind=SpanKind.PRODUCER,
            parent=one.traceparent,
            attributes=tracing.message_attributes(one.job_id, one.kind, one.queue),
        ):
            dispatcher.send(one.job_id, one.queue, one.priority)
    return len(unsent)
