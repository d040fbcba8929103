"""``python -m api``: serve the HTTP contract with uvicorn."""

from __future__ import annotations

import sys

import uvicorn
from sqlalchemy.exc import OperationalError

from api.app import create_app, prepare_keys
from api.wiring import Wiring, wire
from services import tracing
from services.config import Settings, load_settings
from services.errors import KaryobridgeError
from services.log import configure_logging
from services.redaction import secrets_of

# Streams of events are told to end first; uploads get this long to finish.
SHUTDOWN_S = 20

HOW_TO_MAKE_A_KEY = (
    "The server would listen on {host}, where others can reach it, and nobody has an API key yet.\n"
    "Make one:  python -m api.keys create --name lims --scope read --scope submit\n"
    "(or set BOOTSTRAP_ADMIN_KEY), then start again. With HOST=127.0.0.1 no key is needed."
)


def main() -> int:
    """Start the server; returns the exit status."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format, secrets_of(settings))
        tracing.start("api")
        wiring = wire(settings)
        has_keys = prepare_keys(wiring)
    except KaryobridgeError as error:
        return _refuse(f"Cannot start: {error}")
    except OperationalError as error:
        return _refuse(f"Cannot start, the database does not answer: {str(error.orig).strip()}")
    if settings.keys_required and not has_keys:
        return _refuse(HOW_TO_MAKE_A_KEY.format(host=settings.host))
    serve(wiring, settings)
    tracing.stop()
    return 0


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201 - a command's answer
    return 2


def serve(wiring: Wiring, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    uvicorn.run(
        create_app(wiring),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


if __name__ == "__main__":
    raise SystemExit(main())
