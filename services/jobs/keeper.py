"""The thread that keeps a lease alive while a pipeline computes, and watches clock and queue.

Network calls of a model release the interpreter's lock, so a thread renews in time however long
one takes. If the whole process is frozen the thread is too, and the lease rightly runs out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from services.errors import problem_of
from services.jobs.errors import DatabaseAwayError, LeaseLostError, RunTimeLimitError
from services.jobs.leases import LeaseRepository
from services.jobs.outcome import Outcome
from services.jobs.transactions import PatientTransactions
from services.jobs.turns import TurnRepository, TurnRules
from services.jobs.types import Claim, LeaseState
from services.log import get_logger

# A cancellation is seen at the next renewal, so this is also how long a client waits for it.
LONGEST_INTERVAL_S: Final = 2.0
RENEWALS_PER_LEASE: Final = 3
# A pipeline that has not noticed its time limit for this long hangs and never will.
HANG_GRACE_S: Final = 60.0

log = get_logger(__name__)


class LeaseKeeper:
    """Renews a claim in the background between ``with`` and its end.

    Parameters
    ----------
    limit_s
        Longest run of the attempt, in seconds.
    rules
        When to make room for jobs that wait.
    on_hang
        Called once the job has been recorded as failed because its pipeline overran the limit and
        did not react: ends the process, as nothing else can end a thread that hangs.
    """

    def __init__(
        self,
        claim: Claim,
        transactions: PatientTransactions,
        *,
        lease_s: float,
        limit_s: float,
        rules: TurnRules,
        on_hang: Callable[[], None],
        hang_grace_s: float = HANG_GRACE_S,
    ) -> None:
        self._claim = claim
        self._transactions = transactions
        self._lease_s = lease_s
        self._interval_s = min(lease_s / RENEWALS_PER_LEASE, LONGEST_INTERVAL_S)
        self._limit_s = limit_s
        self._rules = rules
        self._hang_grace_s = hang_grace_s
        self._on_hang = on_hang
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._state: LeaseState = "held"
        self._displaced = False
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    @property
    def state(self) -> LeaseState:
        """What the last renewal said."""
        return self._state

    @property
    def overtime(self) -> bool:
        """Whether the attempt has used up its time."""
        return self._elapsed_s > self._limit_s

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def makes_room(self) -> bool:
        """Whether a waiting job should have this one's worker; costs nothing while none should.

        Asked again before it is said, because another worker may have taken that job meanwhile.
        """
        if self._displaced:
            self._displaced = self._is_turn_over()
        return self._displaced

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def _keep(self) -> None:
        while self._state != "lost" and not self._stop.wait(self._interval_s):
            try:
                self._renew()
            except DatabaseAwayError:
                # Without the database nobody can take the job either; the token decides later.
                log.warning("lease not renewed", job_id=self._claim.job.id)

    def _renew(self) -> None:
        if self._elapsed_s > self._limit_s + self._hang_grace_s:
            self._give_up()
            return
        self._state = self._transactions.run(
            lambda session: LeaseRepository(session).renew(self._claim, self._lease_s), durable=False
        )
        self._displaced = self._state == "held" and self._is_turn_over()

    def _is_turn_over(self) -> bool:
        return self._transactions.run(
            lambda session: TurnRepository(session).is_over(self._claim, self._rules, self._elapsed_s),
            durable=False,
        )

    def _give_up(self) -> None:
        outcome = Outcome("failed", problem_of(RunTimeLimitError(self._limit_s)))
        log.error("job hangs", job_id=self._claim.job.id, limit_s=self._limit_s)
        try:
            self._transactions.run(
                lambda session: LeaseRepository(session).finish(self._claim, lambda _: outcome)
            )
        except LeaseLostError:
            log.warning("lease lost before the hang was recorded", job_id=self._claim.job.id)
        self._state = "lost"
        self._on_hang()
