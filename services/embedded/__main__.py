"""``python -m services.embedded``: run the whole service on this machine until told to stop.

``--run COMMAND…`` stops it as soon as the command has ended; the command finds the service through
the environment variable KARYOBRIDGE_URL.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from services.config import Settings, load_settings
from services.embedded.supervisor import Supervisor, running_service
from services.errors import KaryobridgeError
from services.log import configure_logging
from services.redaction import secrets_of

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXIT_FAILED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.embedded", description=__doc__)
    parser.add_argument("--port", type=int, help="instead of PORT; 0 takes a free one")
    parser.add_argument("--run", nargs=argparse.REMAINDER, metavar="COMMAND", help="end with this command")
    options = parser.parse_args(arguments)
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        settings = load_settings()
        level = "WARNING" if settings.log_level == "INFO" else settings.log_level
        configure_logging(level, settings.log_format, secrets_of(settings))
        if options.run:
            return run_with_service(settings, options.port or 0, options.run)
        serve(settings, options.port)
    except KeyboardInterrupt:
        _say("Stopped.")
    except KaryobridgeError as error:
        print(f"{error.title}: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return EXIT_FAILED
    return 0


def serve(settings: Settings, port: int | None) -> None:
    """Keep the service up until a stop signal, and tell where it is."""
    _say("Starting the service …")
    with Supervisor(settings, port=port) as supervisor:
        _say(f"Karyobridge is ready at {supervisor.url} (its HTTP interface: {supervisor.url}/docs)")
        _say(f"Data: {supervisor.settings.data_dir}    Logs: {supervisor.logs}    Stop it with Ctrl-C.")
        try:
            supervisor.watch(threading.Event())
        finally:
            _ignore_stop_signals()
            _say("Stopping …")


def run_with_service(settings: Settings, port: int, command: Sequence[str]) -> int:
    """Run a command beside the service and return the command's exit status."""
    with running_service(settings, port) as url:
        try:
            environment = {**os.environ, "KARYOBRIDGE_URL": url}
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - the caller's own command
        finally:
            _ignore_stop_signals()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Unwind, so that everything that was started is stopped on the way out."""
    del number, frame
    _ignore_stop_signals()
    raise KeyboardInterrupt


def _ignore_stop_signals() -> None:
    """Let nothing disturb the orderly end, which is bounded in time."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(message: str) -> None:
    print(message, flush=True)  # noqa: T201 - what the person at the terminal reads


if __name__ == "__main__":
    raise SystemExit(main())
