"""The integration tests once more, against servers that are not embedded.

Pass 2 has Postgres, RabbitMQ and an S3 store, pass 3 Postgres and Redis, and pass 4 those of pass 2 again for
all tests that pass 2 left out. Servers are those that TEST_DATABASE_URL and TEST_BROKER_URL name, or those on
the usual ports of this computer; the S3 store is the SeaweedFS of a wheel. A pass whose servers are not
there, or for which ``--since`` leaves no time, is printed as skipped.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.errors import BrokerAwayError
from tests.support.seaweed import find_seaweed, running_seaweed

ROOT: Final = Path(__file__).resolve().parents[1]
DATABASE_URL: Final = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
RABBITMQ_URL: Final = "amqp://guest:guest@127.0.0.1:5672//"
REDIS_URL: Final = "redis://127.0.0.1:6379/0"
ANSWER_WITHIN_S: Final = 3
# Pass 4 may take half an hour, and CI ends after an hour and a half.
LATEST_START_S: Final = 55 * 60
# What a broker can make a difference to, and what the others can. The rest mostly computes.
OF_BROKERS: Final = tuple(
    f"tests/integration/test_{name}.py" for name in ("celery_dispatch", "jobs_survive", "http_jobs")
)

OF_SERVERS: Final = (
    *OF_BROKERS,
    *(f"tests/integration/test_{name}.py" for name in ("database", "uploads", "pipelines", "artifacts")),
    *sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests" / "integration").glob("test_http_*.py")
        if path.name != "test_http_jobs.py"
    ),
)
OF_THE_REST: Final = ("tests/integration", *(f"--ignore={path}" for path in OF_SERVERS))
NOT_OWN: Final = ("-m", "integration and not own_engines")


@dataclass(frozen=True)
class Pass:
    """One run of tests."""

    name: str
    broker_url: str
    arguments: Sequence[str]
    with_store: bool
    latest_start_s: float = math.inf


def main() -> int:
    """Make every pass that can be made; returns 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", type=float, help="when CI began, in seconds since 1970; else: no hurry")
    options = parser.parse_args()
    database_url = os.environ.get("TEST_DATABASE_URL") or DATABASE_URL
    brokers = {url.partition(":")[0]: url for url in (RABBITMQ_URL, REDIS_URL)}
    if given := os.environ.get("TEST_BROKER_URL"):
        brokers[given.partition(":")[0].partition("+")[0]] = given
    passes = (
        Pass("2: Postgres, RabbitMQ and S3", brokers["amqp"], OF_SERVERS, with_store=True),
        Pass("3: Postgres and Redis", brokers["redis"], OF_BROKERS, with_store=False),
        Pass("4: the servers of pass 2, the rest", brokers["amqp"], OF_THE_REST, True, LATEST_START_S),
    )
    failed = [one.name for one in passes if not _make(one, database_url, options.since)]
    for name in failed:
        print(f"Pass {name}: FAILED")
    return 1 if failed else 0


def _make(one: Pass, database_url: str, since: float | None) -> bool:
    lacking = _too_late(one, since) or _lacking(one, database_url)
    if lacking:
        print(f"Pass {one.name} skipped: {lacking}", flush=True)
        return True
    print(f"Pass {one.name}", flush=True)
    started = time.monotonic()
    environment = {"TEST_DATABASE_URL": database_url, "TEST_BROKER_URL": one.broker_url}
    with ExitStack() as stack:
        if one.with_store and not os.environ.get("TEST_OBJECT_STORE_URL"):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="karyobridge-seaweed-"))
            server = stack.enter_context(running_seaweed(Path(folder)))
            environment |= server.environment | {"TEST_OBJECT_STORE_URL": server.url}
        succeeded = _run(one.arguments, environment)
    print(f"Pass {one.name}: {(time.monotonic() - started) / 60:.0f} min", flush=True)
    return succeeded


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", *NOT_OWN, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode == 0


def _too_late(one: Pass, since: float | None) -> str:
    gone_s = 0.0 if since is None else time.time() - since
    if gone_s <= one.latest_start_s:
        return ""
    return f"{gone_s / 60:.0f} minutes have gone, and it must begin within {one.latest_start_s / 60:.0f}."


def _lacking(one: Pass, database_url: str) -> str:
    """Say which server of a pass is not there; empty when all are."""
    if not _makes_databases(database_url):
        return "no TEST_DATABASE_URL, and no Postgres on port 5432 that lets us make databases."
    if not _takes_messages(one.broker_url):
        return f"no TEST_BROKER_URL of this sort, and no answer on port {_port(one.broker_url)}."
    if one.with_store and not os.environ.get("TEST_OBJECT_STORE_URL") and find_seaweed() is None:
        return "no TEST_OBJECT_STORE_URL, and no wheel of SeaweedFS for this platform."
    return ""


def _makes_databases(url: str) -> bool:
    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=ANSWER_WITHIN_S) as connection:
            answer = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.OperationalError:
        return False
    return answer == (True,)


def _takes_messages(url: str) -> bool:
    try:
        CeleryDispatcher(url).check()
    except BrokerAwayError:
        return False
    return True


def _port(url: str) -> str:
    return "5672" if url.startswith("amqp") else "6379"


if __name__ == "__main__":
    raise SystemExit(main())
