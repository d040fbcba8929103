"""Structured logs: one JSON line per event with the request's, the job's and the trace's id on each.

Whatever else writes in our processes (uvicorn, Celery, SQLAlchemy, Python's warnings, an exception that
nobody caught) goes the same way, so that a log is JSON from its first line to its last.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Literal

import structlog

from services import tracing
from services.redaction import redact

LogFormat = Literal["json", "console"]


def configure_logging(
    level: str = "INFO", log_format: LogFormat = "json", secrets: Iterable[str] = ()
) -> None:
    """Send structlog's and the standard library's records through one formatter to stderr.

    Parameters
    ----------
    secrets
        What no line may hold, see `services.redaction.secrets_of`.
    """
    redact.learn(secrets)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                # Last, on the finished line: a traceback can hold a secret as well as a value can.
                lambda _logger, _method, line: redact(str(line)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # Whoever has put a hook of its own there, as pytest does, keeps it.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _tell_uncaught_in_thread


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; use as ``log.info("image stored", image_id=…)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _add_trace(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put the ids of the present span on the line, so that a log and a trace lead to each other."""
    ids = tracing.current_ids()
    if ids is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _tell_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Log what ends the process; a person's Ctrl-C is no news."""
    if not issubclass(kind, KeyboardInterrupt):
        get_logger("uncaught").critical("process ended by an exception", exc_info=(kind, error, traceback))


def _tell_uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    """Log what ends a thread; one that leaves by `SystemExit` meant to."""
    if what.exc_value is None or issubclass(what.exc_type, SystemExit):
        return
    trio = (what.exc_type, what.exc_value, what.exc_traceback)
    name = what.thread.name if what.thread else ""
    get_logger("uncaught").error("thread ended by an exception", thread=name, exc_info=trio)


bound = structlog.contextvars.bound_contextvars
