"""The process that sweeps every few seconds, and sends webhooks: ``python -m workers.sweeper``.

One is enough; two do no harm. While none runs, jobs still start and end, only losses and messages wait.
"""

from __future__ import annotations

import signal
import sys
import threading

from services import tracing
from services.config import Settings, load_settings
from services.db.engine import make_engine, session_factory
from services.errors import InvalidInputError
from services.heartbeat import beat
from services.incoming.expiry import running_remover
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.sweep import sweep
from services.jobs.transactions import DATABASE_AWAY
from services.log import configure_logging, get_logger
from services.redaction import secrets_of
from services.webhooks.courier import running_courier
from workers import sweep_metrics
from workers.exposition import serve_sweeper

log = get_logger(__name__)


def run(settings: Settings, stop: threading.Event) -> None:
    """Sweep until told to stop; a database that is away is tried again at the next turn."""
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    dispatcher = CeleryDispatcher(settings.broker_url.get_secret_value())
    sessions = session_factory(engine)
    while not stop.is_set():
        try:
            sweep_metrics.observe(sweep(sessions, dispatcher, settings))
        except DATABASE_AWAY as error:
            log.warning("database away during the sweep", reason=str(error))
        beat(settings.heartbeat_file)
        stop.wait(settings.sweep_interval_s)
    dispatcher.close()
    engine.dispose()


def main() -> int:
    """Sweep until SIGTERM or SIGINT."""
    settings = load_settings()
    if settings.embedded_database or settings.embedded_broker:
        raise InvalidInputError("Set DATABASE_URL and BROKER_URL, or start everything with `make serve`.")
    configure_logging(settings.log_level, settings.log_format, secrets_of(settings))
    tracing.start("sweeper")
    if settings.sweeper_metrics_port:
        serve_sweeper(settings.sweeper_metrics_port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with running_courier(settings, stop), running_remover(settings, stop):
        run(settings, stop)
    tracing.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InvalidInputError as error:
        sys.exit(f"karyobridge sweeper: {error}")
