"""The courier: takes messages that are due, sends them, and writes down what became of each.

It runs beside the sweep, in as many processes as that. A message is sent at least once: whoever dies
between the receiver's answer and the note of it leaves a message that the next courier sends again,
under the same ``webhook-id``. Nothing is sent inside a transaction.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Final

import httpx

from services.clock import utc_now
from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.jobs.transactions import DATABASE_AWAY
from services.log import get_logger
from services.version import VERSION
from services.webhooks.addresses import networks_of
from services.webhooks.deliveries import DeliveryRepository
from services.webhooks.guard import Guard
from services.webhooks.schedule import next_pause_s, pauses_of
from services.webhooks.sending import Sender
from services.webhooks.signing import secret_of, signed_headers
from services.webhooks.types import Attempt, Claimed

SENDERS: Final = 16
PER_WEBHOOK: Final = 4
IDLE_S: Final = 1.0

log = get_logger(__name__)


@contextmanager
def running_courier(settings: Settings, stop: threading.Event) -> Iterator[None]:
    """Run a courier in a thread for the length of a ``with`` block, or until told to stop.

    Without a `webhook_key` there is none: nothing could be signed, and messages wait for a key.
    """
    if not settings.webhook_key.get_secret_value():
        log.info("no courier: WEBHOOK_KEY is empty")
        yield
        return
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    # SSL_CERT_FILE names the certificates of a lab's own authority.
    tls = httpx.create_ssl_context()
    sender = Sender(Guard(networks_of(settings.webhook_allowed_networks)), settings.webhook_timeout_s, tls)
    courier = Courier(session_factory(engine), settings, sender)
    thread = threading.Thread(target=courier.run, args=(stop,), name="courier")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        engine.dispose()


class Courier:
    """Sends what is due, a few messages at a time.

    A webhook gets at most `PER_WEBHOOK` at once, and one that fails a single one, so that slow
    receivers leave senders for the others.

    Parameters
    ----------
    session_factory
        Needs one connection.
    settings
        With a `webhook_key`.
    sender
        What carries messages.
    """

    def __init__(self, session_factory: SessionFactory, settings: Settings, sender: Sender) -> None:
        self._sessions = session_factory
        self._key = settings.webhook_key
        self._pauses = pauses_of(settings.webhook_pauses_s)
        # Longer than any sending takes, but for a name server that does not answer.
        self._hold_s = settings.webhook_timeout_s + settings.lease_s
        self._sender = sender
        self._rng = random.Random()
        self._in_flight: dict[Future[Attempt], Claimed] = {}

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is on its way then is finished and noted."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook") as pool:
            while not stop.is_set():
                went_well = self._patiently(lambda: self._turn(pool))
                self._rest(stop, awake=went_well)
            wait(self._in_flight)
            self._patiently(self._settle)

    def _patiently(self, work: Callable[[], None]) -> bool:
        """Do something that the next turn will do again if it fails; whether it went well."""
        try:
            work()
        except DATABASE_AWAY as error:
            log.warning("database away from the courier", reason=str(error))
        except Exception:
            # The process has a second duty, and jobs must not wait because a message cannot be sent.
            log.exception("courier's turn failed")
        else:
            return True
        return False

    def _turn(self, pool: ThreadPoolExecutor) -> None:
        self._settle()
        free = SENDERS - len(self._in_flight)
        if not free:
            return
        busy = {claimed.delivery.webhook_id for claimed in self._in_flight.values()}
        with self._sessions.begin() as session:
            claims = DeliveryRepository(session).claim(free, PER_WEBHOOK, busy, self._hold_s)
        for claimed in claims:
            self._in_flight[pool.submit(self._send, claimed)] = claimed

    def _settle(self) -> None:
        for future in [one for one in self._in_flight if one.done()]:
            claimed, attempt = self._in_flight[future], _outcome_of(future)
            pause_s = next_pause_s(claimed.delivery.attempts, self._pauses, attempt.retry_after_s, self._rng)
            with self._sessions.begin() as session:
                status = DeliveryRepository(session).settle(claimed, attempt, pause_s)
            del self._in_flight[future]
            log.info(
                "webhook sent",
                webhook_id=claimed.delivery.webhook_id,
                message_id=claimed.delivery.id,
                attempt=claimed.delivery.attempts,
                status=status or "taken by a later courier",
                error=attempt.error,
            )

    def _rest(self, stop: threading.Event, *, awake: bool) -> None:
        """Wait for the next thing to do; after a failed turn for a while, whatever there is to do."""
        if awake and self._in_flight:
            wait(self._in_flight, IDLE_S, FIRST_COMPLETED)
        else:
            stop.wait(IDLE_S)

    def _send(self, claimed: Claimed) -> Attempt:
        message = claimed.delivery
        secrets = [secret_of(self._key, message.webhook_id, number) for number in claimed.generations]
        body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Karyobridge-Webhooks/{VERSION}",
            **signed_headers(secrets, message.id, body, utc_now()),
        }
        return self._sender.post(claimed.url, headers, body)


def _outcome_of(future: Future[Attempt]) -> Attempt:
    error = future.exception()
    if error is None:
        return future.result()
    log.error("sending crashed", exc_info=error)
    return Attempt(None, f"A fault of the service: {type(error).__name__}; its log has more.")
