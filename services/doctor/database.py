"""The database: does it answer, is it the right one, is it safe, has it room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from services.db.migrate import head_revision, known_revisions
from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation

OLDEST_SERVER: Final = 140_000  # as Postgres counts: 14.0
MOST_SKEW_S: Final = 2.0
# Of one API process at most; a worker process has up to eight, the sweeper up to four.
CONNECTIONS_OF_AN_API: Final = 40
MANY_ROWS: Final = 10_000
TOO_DEAD: Final = 0.4


def check_database(installation: Installation) -> Iterator[Finding]:
    """Connect, and look at what kind of server answers; the other checks of the database need this one."""
    if not installation.database_url:
        yield fail(
            "database",
            "DATABASE_URL is empty, and no embedded database of this data directory runs",
            "Set DATABASE_URL, or start everything with `make serve`.",
        )
        return
    try:
        with installation.connection() as connection:
            yield _judge_server(connection)
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        yield fail(
            "database",
            f"it cannot be reached: {reason}",
            "Check DATABASE_URL (host, port, name, password), that the server runs, and that its pg_hba.conf "
            "and the firewall let this machine in.",
        )
    except (SQLAlchemyError, ImportError, ValueError) as error:
        yield fail(
            "database",
            f"DATABASE_URL cannot be used ({type(error).__name__})",
            "It looks like postgresql+psycopg://user:password@host:5432/name.",
        )


def _judge_server(connection: Connection) -> Finding:
    version = _setting(connection, "server_version")
    number, encoding = (
        int(_setting(connection, "server_version_num")),
        _setting(connection, "server_encoding"),
    )
    if number < OLDEST_SERVER:
        return fail("database", f"Postgres {version}", "Upgrade to Postgres 14 or newer.")
    if encoding != "UTF8":
        return fail(
            "database",
            f"its encoding is {encoding}",
            "Make a new database with ENCODING 'UTF8' and move the data there (pg_dump, pg_restore).",
        )
    return ok("database", f"Postgres {version}, {encoding}, session in {_setting(connection, 'TimeZone')}")


def check_revision(installation: Installation) -> Iterator[Finding]:
    """Compare the database's schema with the one that this code knows."""
    head = head_revision()
    with installation.connection() as connection:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            yield fail(
                "schema",
                "the database is empty",
                "Run `python -m services.bootstrap` once before the service.",
            )
            return
        present = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if present == head:
        yield ok("schema", f"at revision {present}, as this code expects")
    elif present in known_revisions():
        yield fail(
            "schema",
            f"at revision {present}, and this code expects {head}",
            "Run `python -m services.bootstrap` with this release; jobs and data are kept.",
        )
    else:
        yield fail(
            "schema",
            f"at revision {present}, which this code does not know",
            "The database belongs to a newer release: update this process to it.",
        )


def check_clock(installation: Installation) -> Iterator[Finding]:
    """Compare the database's clock, by which leases run, with this machine's."""
    with installation.connection() as connection:
        connection.execute(text("SELECT 1"))  # so that connecting does not count
        before = time.time()
        theirs = float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
        after = time.time()
    skew_s = theirs - (before + after) / 2
    seen = f"the database's differs by {skew_s:+.2f} s (asking took {(after - before) * 1000:.1f} ms)"
    if abs(skew_s) <= MOST_SKEW_S + (after - before) / 2:
        yield ok("clock", seen)
    else:
        yield warn(
            "clock", seen, "Run NTP (chrony) on both machines: ids, signatures and logs go by the clock."
        )


def check_durability(installation: Installation) -> Iterator[Finding]:
    """Look whether what is committed survives a power cut."""
    with installation.connection() as connection:
        unsafe = [
            f"{name}={value}"
            for name in ("fsync", "full_page_writes", "synchronous_commit")
            if (value := _setting(connection, name)) == "off"
        ]
    if unsafe:
        yield fail(
            "durability",
            f"{', '.join(unsafe)}: committed results can be lost",
            "Set them to on in postgresql.conf; the service itself does without where it may.",
        )
    else:
        yield ok("durability", "commits wait for the disk")


def check_connections(installation: Installation) -> Iterator[Finding]:
    """Compare the free connections with what one more API process may take."""
    with installation.connection() as connection:
        most = int(_setting(connection, "max_connections"))
        reserved = int(_setting(connection, "superuser_reserved_connections"))
        used = int(
            connection.scalar(
                text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            )
            or 0
        )
    free = most - reserved - used
    seen = f"{used} of {most - reserved} in use"
    if free < CONNECTIONS_OF_AN_API:
        yield warn(
            "connections",
            f"{seen}, {free} left, and one API process may take {CONNECTIONS_OF_AN_API}",
            "Raise max_connections, or run fewer processes.",
        )
    else:
        yield ok("connections", seen)


def check_upkeep(installation: Installation) -> Iterator[Finding]:
    """Look at autovacuum and at the largest tables."""
    with installation.connection() as connection:
        vacuum = _setting(connection, "autovacuum")
        tables = connection.execute(
            text(
                "SELECT relname, pg_total_relation_size(relid) AS size, n_live_tup AS live, "
                "n_dead_tup AS dead FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 3"
            )
        ).all()
    if not tables:
        yield skipped("tables", "there are none yet")
        return
    largest = ", ".join(f"{row.relname} {row.size / 1024**2:.0f} MB" for row in tables)
    bloated = [row.relname for row in tables if row.dead > MANY_ROWS and row.dead > TOO_DEAD * row.live]
    if vacuum == "off":
        yield fail(
            "tables", "autovacuum is off", "Set autovacuum = on: tables grow and slow down without it."
        )
    elif bloated:
        yield warn(
            "tables",
            f"{', '.join(bloated)}: much of it is dead rows; largest: {largest}",
            "VACUUM (ANALYZE) them now, and let autovacuum come more often (docs/deployment).",
        )
    else:
        yield ok("tables", f"autovacuum is on; largest: {largest}")


def check_keys(installation: Installation) -> Iterator[Finding]:
    """Look whether anybody can call, and whether the first key is still lying around."""
    settings = installation.settings
    with installation.connection() as connection:
        active: Any = connection.scalar(
            text(
                "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL "
                "AND (expires_at IS NULL OR expires_at > now())"
            )
        )
    bootstrap = bool(settings.bootstrap_admin_key.get_secret_value())
    if settings.keys_required and not active:
        yield fail(
            "keys",
            "keys are compulsory, and there is none",
            "Make one: `python -m api.keys create --name admin --scope admin`.",
        )
    elif not settings.keys_required:
        yield ok("keys", f"not needed on {settings.host}: everybody on this machine may do everything")
    elif bootstrap and active > 1:
        yield warn(
            "keys",
            f"{active} active, and BOOTSTRAP_ADMIN_KEY is still set",
            "Take it out of the environment, and revoke that key if nobody uses it.",
        )
    else:
        yield ok("keys", f"{active} active")


def _setting(connection: Connection, name: str) -> str:
    return str(connection.scalar(text("SELECT current_setting(:name)"), {"name": name}))
