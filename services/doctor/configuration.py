"""The settings: combinations that are valid one by one and dangerous together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from services import tracing
from services.config import LOOPBACK_HOSTS, Settings
from services.doctor.findings import Finding, fail, ok, warn
from services.doctor.installation import Installation

CHECK: Final = "settings"
# Passwords that stand in every other tutorial.
GUESSABLE: Final = frozenset(
    {"", "postgres", "password", "karyobridge", "admin", "guest", "secret", "test", "changeme", "example"}
)

Rule = Callable[[Settings], Finding | None]


def check_settings(installation: Installation) -> Iterator[Finding]:
    """Go through the rules below; one line says that none of them found anything."""
    found = [finding for rule in RULES if (finding := rule(installation.settings)) is not None]
    yield from found
    if not found:
        traces = "traces are sent" if tracing.wanted() else "no traces"
        yield ok(CHECK, f"valid, and no dangerous combination; {traces}")


def _public(settings: Settings) -> bool:
    return settings.host not in LOOPBACK_HOSTS


def _lost_objects(settings: Settings) -> Finding | None:
    if urlsplit(settings.store_url).scheme != "memory":
        return None
    return fail(
        CHECK,
        "OBJECT_STORE_URL is memory:///, which each process has for itself and loses at its end",
        "Name a folder (file:///…) or a bucket (s3://…).",
    )


def _folder_for_many(settings: Settings) -> Finding | None:
    host = urlsplit(settings.database_url.get_secret_value()).hostname
    if urlsplit(settings.store_url).scheme != "file" or host is None or host in LOOPBACK_HOSTS:
        return None
    return warn(
        CHECK,
        "the database is on another machine, but the objects lie in a folder of this one",
        "With several machines set OBJECT_STORE_URL to a bucket, or mount one folder on all of them.",
    )


def _no_tls(settings: Settings) -> Finding | None:
    if not _public(settings) or settings.forwarded_allow_ips not in ("", "127.0.0.1,::1"):
        return None
    return warn(
        CHECK,
        f"HOST is {settings.host}, and no proxy is named in FORWARDED_ALLOW_IPS",
        "The service speaks plain HTTP: put a proxy with TLS in front and name its address there, so that "
        "limits and logs see the callers.",
    )


def _no_limits(settings: Settings) -> Finding | None:
    off = [
        name for name in ("rate_limit_per_minute", "auth_failures_per_minute") if getattr(settings, name) == 0
    ]
    if not _public(settings) or not off:
        return None
    names = " and ".join(name.upper() for name in off)
    return warn(CHECK, f"{names} is 0: others may call without a limit", "Leave it at its default.")


def _guessable(settings: Settings) -> Finding | None:
    for name in ("database_url", "broker_url"):
        parts = urlsplit(getattr(settings, name).get_secret_value())
        elsewhere = parts.hostname and parts.hostname not in LOOPBACK_HOSTS
        if elsewhere and parts.password is not None and parts.password.lower() in GUESSABLE:
            return warn(
                CHECK,
                f"the password in {name.upper()} is one that anybody would try",
                "`openssl rand -hex 24` makes a better one.",
            )
    return None


def _talkative(settings: Settings) -> Finding | None:
    if settings.log_level != "DEBUG" or not _public(settings):
        return None
    return warn(CHECK, "LOG_LEVEL is DEBUG", "Use INFO unless you are looking for something: logs grow fast.")


def _unreadable_logs(settings: Settings) -> Finding | None:
    if settings.log_format != "console" or not _public(settings):
        return None
    return warn(CHECK, "LOG_FORMAT is console", "Use json, which log systems can read.")


def _impatient(settings: Settings) -> Finding | None:
    if settings.lease_s >= 3 * settings.sweep_interval_s:
        return None
    return warn(
        CHECK,
        f"LEASE_S is {settings.lease_s}, and SWEEP_INTERVAL_S {settings.sweep_interval_s:g}",
        "Sweep at least three times per lease, or a dead worker is noticed late.",
    )


RULES: Final[tuple[Rule, ...]] = (
    _lost_objects,
    _folder_for_many,
    _no_tls,
    _no_limits,
    _guessable,
    _talkative,
    _unreadable_logs,
    _impatient,
)
