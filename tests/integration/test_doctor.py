"""The doctor finds what was broken on purpose, says what to do, and shows no secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text

from services.artifacts.shipped import register_shipped
from services.auth import ApiKeyService
from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.db.migrate import upgrade
from services.doctor import broker, configuration, database, machine, outside, store, work
from services.doctor.checks import CHECKS, Check, examine, run_check
from services.doctor.findings import Finding, exit_status, fail, ok, skipped, warn
from services.doctor.installation import Installation, find_installation
from services.embedded.redis import EmbeddedRedis
from services.jobs.dispatch import NullDispatcher
from services.jobs.leases import LeaseRepository
from services.jobs.service import JobService
from services.storage.factory import open_store
from tests.support import servers
from tests.support.fleet import ROOT, hasty_fleet, wiring_of
from tests.support.http import Guarded, serving
from tests.support.seaweed import S3Server

pytestmark = pytest.mark.integration

SECRET = "Kq7-hunter-2-is-no-password"
Function = Callable[[Installation], Iterable[Finding]]


@pytest.fixture
def installed(http_settings: Settings, sessions: SessionFactory) -> Installation:
    """An installation with a database, a broker, a store and nobody who works."""
    del sessions
    return find_installation(http_settings, job_within_s=0.5)


def changed(installation: Installation, **settings: Any) -> Installation:
    """Return the same installation with other settings."""
    return find_installation(
        Settings(_env_file=None, **(installation.settings.model_dump() | settings)), job_within_s=0.5
    )


def closed_port() -> int:
    """Return a port that nobody listens to now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def first(check: Function, installation: Installation) -> Finding:
    """Run a check and return the first thing it says."""
    return next(iter(check(installation)))


@contextmanager
def job_service(installation: Installation) -> Iterator[JobService]:
    """Submit jobs that nobody is told of."""
    with installation.engine() as engine:
        yield JobService(session_factory(engine), NullDispatcher(), installation.settings)


def doctor(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the command as an operator does; returns its exit status and output."""
    finished = subprocess.run(
        [sys.executable, "-m", "services.doctor", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


class TestHealthy:
    def test_installation_gets_a_clean_bill(
        self, database_url: str, sessions: SessionFactory, tmp_path: Path
    ) -> None:
        """With worker, sweeper and artifacts in place nothing fails; a job went through each queue."""
        with hasty_fleet(database_url, sessions, tmp_path) as fleet:
            register_shipped(sessions, open_store(fleet.settings.store_url))
            fleet.worker(ready=False)
            fleet.sweeper()
            with wiring_of(fleet) as wiring, serving(wiring) as url:
                status, output = doctor(fleet.environment(), "--json", "--url", url)
        report = json.loads(output)
        by_check = {finding["check"]: finding for finding in report["findings"]}
        # The tests' own database is fast because it is not durable, and a named one may not be kept up;
        # the doctor rightly minds both.
        failing = {check for check, finding in by_check.items() if finding["status"] == "fail"}

        assert failing <= ({"tables"} if servers.DATABASE_URL else {"durability"})
        assert status == report["exit_status"]
        assert {"ok"} == {
            by_check[check]["status"]
            for check in (
                "schema",
                "artifacts",
                f"workers of {fleet.settings.cpu_queue}",
                "sweeper",
                "api",
                "store",
            )
        }


class TestDatabase:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("postgresql+psycopg://user:{secret}@127.0.0.1:{port}/x", "cannot be reached"),
            ("postgresql+psycopg://user:{secret}@no-such-host.invalid/x", "cannot be reached"),
            ("mysql://user:{secret}@127.0.0.1/x", "cannot be used"),
            ("{secret}", "cannot be used"),
        ],
    )
    def test_that_cannot_be_reached_is_told(self, installed: Installation, url: str, words: str) -> None:
        """Whatever is wrong with the address."""
        url = url.format(secret=SECRET, port=closed_port())
        found = first(database.check_database, changed(installed, database_url=url))

        assert ("fail", True) == (found.status, words in found.detail)
        assert SECRET not in found.detail

    def test_that_cannot_be_reached_ends_the_command_with_2(self, installed: Installation) -> None:
        """What depends on it is passed over, and no secret is shown."""
        url = f"postgresql+psycopg://user:{SECRET}@127.0.0.1:{closed_port()}/x"
        settings = installed.settings
        environment = {
            "DATABASE_URL": url,
            "BROKER_URL": settings.broker_url.get_secret_value(),
            "GPU_QUEUE": settings.gpu_queue,
            "CPU_QUEUE": settings.cpu_queue,
            "DEVICE": "cpu",
        }
        status, output = doctor(environment, "--no-job")

        assert 2 == status
        assert ["fail    database" in output, "skipped schema" in output] == [True, True]
        assert SECRET not in output

    def test_without_tables_or_of_another_release_is_told(
        self, database_url: str, installed: Installation
    ) -> None:
        """An empty one, an older and a newer one each need something else."""
        with servers.own_database(database_url) as url:
            there = changed(installed, database_url=url)
            engine = make_engine(url)
            empty = first(database.check_revision, there)
            upgrade(engine, "0012")
            older = first(database.check_revision, there)
            upgrade(engine)
            current = first(database.check_revision, there)
            with engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            newer = first(database.check_revision, there)
            engine.dispose()

        assert ["fail", "fail", "ok", "fail"] == [one.status for one in (empty, older, current, newer)]
        assert "services.bootstrap" in empty.advice
        assert "0012" in older.detail
        assert "newer release" in newer.advice

    def test_that_loses_commits_is_told(self, installed: Installation) -> None:
        """The tests' embedded database waits for no disk."""
        if servers.DATABASE_URL:
            pytest.skip("the named server is durable")
        found = first(database.check_durability, installed)

        assert ("fail", True) == (found.status, "fsync=off" in found.detail)

    def test_clock_connections_and_tables_are_looked_at(self, installed: Installation) -> None:
        """On one machine there is one clock; the tests' server has room."""
        checks = [database.check_database, database.check_clock, database.check_connections]
        # How a named server is kept up is not ours to say.
        checks += [] if servers.DATABASE_URL else [database.check_upkeep]
        found = [first(check, installed) for check in checks]

        assert ["ok"] * len(checks) == [one.status for one in found], found

    def test_without_a_key_is_told(self, installed: Installation) -> None:
        """Where keys are compulsory, somebody must have one."""
        assert "ok" == first(database.check_keys, installed).status
        assert "fail" == first(database.check_keys, changed(installed, require_api_key=True)).status


class TestBroker:
    @pytest.mark.parametrize(
        "url", ["redis://:{secret}@127.0.0.1:{port}/0", "amqp://u:{secret}@127.0.0.1:{port}//", "x"]
    )
    def test_that_cannot_be_reached_is_told(self, installed: Installation, url: str) -> None:
        """A closed port, of either kind of broker, and an address that is none."""
        url = url.format(secret=SECRET, port=closed_port())
        found = first(broker.check_broker, changed(installed, broker_url=url))

        assert "fail" == found.status
        assert SECRET not in found.detail

    def test_that_throws_messages_away_is_told(self, installed: Installation, tmp_path: Path) -> None:
        """A Redis that evicts fails; one that forgets at a restart is a warning; ours is neither."""
        with EmbeddedRedis(tmp_path) as server:
            there = changed(installed, broker_url=server.url)
            good = list(broker.check_broker(there))
            client = redis.Redis(unix_socket_path=str(server.socket))
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("appendonly", "no")
            bad = list(broker.check_broker(there))
            client.close()

        assert ["ok", "ok"] == [one.status for one in good]
        assert ["ok", "fail", "warn"] == [one.status for one in bad]
        assert all("CONFIG SET" in one.advice for one in bad[1:])

    def test_queues_are_declared_as_workers_do(self, installed: Installation) -> None:
        """Both queues exist afterwards and are empty."""
        assert ["ok", "ok"] == [one.status for one in broker.check_queues(installed)]


class TestStore:
    def test_folder_makes_a_round_trip_and_is_left_as_it_was(
        self, installed: Installation, tmp_path: Path
    ) -> None:
        """What the doctor wrote is gone again."""
        found = list(store.check_store(changed(installed, object_store_url=(tmp_path / "objects").as_uri())))

        assert ["ok", "skipped"] == [one.status for one in found]
        assert [] == [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]

    def test_that_is_no_folder_is_told(self, installed: Installation, tmp_path: Path) -> None:
        """A file is in the way."""
        (tmp_path / "objects").write_text("in the way")
        found = first(store.check_store, changed(installed, object_store_url=(tmp_path / "objects").as_uri()))

        assert ("fail", True) == (found.status, "OBJECT_STORE_URL" in found.advice)

    def test_bucket_signs_and_tells_the_time(
        self, installed: Installation, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A real S3 server: round trip, a signed link that works, and its clock."""
        for name, value in s3_server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(store, "SLOW_S", 60.0)  # the computer that runs the tests may be busy
        there = changed(
            installed,
            object_store_url=f"{s3_server.url}/doctor",
            object_store_public_endpoint=s3_server.endpoint,
        )
        found = list(store.check_store(there))

        assert [("store", "ok"), ("store links", "ok"), ("store clock", "ok")] == [
            (one.check, one.status) for one in found
        ]

    def test_artifacts_that_are_missing_or_damaged_are_told(
        self, installed: Installation, sessions: SessionFactory, tmp_path: Path
    ) -> None:
        """Not registered; registered; one object lost; one object changed."""
        there = changed(installed, object_store_url=(tmp_path / "objects").as_uri())
        unregistered = list(store.check_artifacts(there))
        versions = register_shipped(sessions, open_store(there.settings.store_url))
        whole = list(store.check_artifacts(there))
        lost, spoiled = (version.files["card.md"].key for version in versions[:2])
        objects = open_store(there.settings.store_url)
        objects.delete(lost)
        objects.put(spoiled, b"something else")
        damaged = list(store.check_artifacts(there))

        assert {"fail"} == {one.status for one in unregistered}
        assert ["ok"] == [one.status for one in whole]
        assert ["fail", "fail"] == [one.status for one in damaged]
        assert [lost in damaged[0].detail, spoiled in damaged[1].detail] == [True, True]


class TestMachine:
    @pytest.fixture
    def full_disk(self, tmp_path: Path) -> Iterator[Path]:
        """A file system without a free byte."""
        folder = tmp_path / "full"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root may mount a small file system")
        try:
            (folder / "filler").write_bytes(b"x" * 64 * 1024)
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def test_full_disk_is_told(self, installed: Installation, full_disk: Path) -> None:
        """Permission to write is no room to write."""
        found = first(machine.check_disk, changed(installed, data_dir=full_disk))

        assert ("data folder", "fail") == (found.check, found.status)

    def test_gpu_that_is_not_there_is_told(self, installed: Installation) -> None:
        """DEVICE=cuda without a GPU fails; auto does not."""
        findings = [first(machine.check_torch, changed(installed, device=one)) for one in ("cuda", "auto")]
        if "GiB" in findings[1].detail:
            pytest.skip("there is a GPU")

        assert ["fail", "ok"] == [one.status for one in findings]

    def test_interpreter_packages_and_limits_are_looked_at(self, installed: Installation) -> None:
        """Where the tests run, nothing fails."""
        checks = (machine.check_python, machine.check_packages, machine.check_limits, machine.check_numba)
        findings = [one for check in checks for one in check(installed)]

        assert "fail" not in [one.status for one in findings]


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "status", "words"),
        [
            ({"object_store_url": "memory:///"}, "fail", "memory"),
            ({"host": "0.0.0.0"}, "warn", "TLS"),
            ({"host": "0.0.0.0", "rate_limit_per_minute": 0}, "warn", "without a limit"),
            ({"host": "0.0.0.0", "log_level": "DEBUG"}, "warn", "DEBUG"),
            ({"host": "0.0.0.0", "log_format": "console"}, "warn", "console"),
            ({"database_url": "postgresql+psycopg://u:postgres@db.lab/x"}, "warn", "anybody would try"),
            (
                {
                    "database_url": f"postgresql+psycopg://u:{SECRET}@db.lab/x",
                    "object_store_url": "file:///srv/objects",
                },
                "warn",
                "another machine",
            ),
            ({"lease_s": 5, "sweep_interval_s": 10}, "warn", "LEASE_S"),
        ],
    )
    def test_dangerous_combination_is_told(
        self, installed: Installation, settings: dict[str, Any], status: str, words: str
    ) -> None:
        """Each setting is allowed, and together they hurt."""
        findings = list(configuration.check_settings(changed(installed, **settings)))
        shown = " ".join(f"{one.detail} {one.advice}" for one in findings if one.status == status)

        assert words in shown
        assert SECRET not in shown

    def test_harmless_ones_are_one_line(self, installed: Installation) -> None:
        """The defaults are fine."""
        assert ["ok"] == [one.status for one in configuration.check_settings(installed)]

    def test_invalid_ones_are_named_without_their_values(self) -> None:
        """The command ends with 2 and says which setting is wrong."""
        status, output = doctor({"LEASE_S": "0", "WEBHOOK_KEY": SECRET}, "--json")
        report = json.loads(output)
        shown = " ".join(one["detail"] for one in report["findings"])

        assert (2, 2) == (status, report["exit_status"])
        assert ["LEASE_S" in shown, "WEBHOOK_KEY" in shown] == [True, True]
        assert SECRET not in output


class TestWork:
    def test_without_a_worker_is_told_and_nothing_is_left_waiting(
        self, installed: Installation, sessions: SessionFactory
    ) -> None:
        """The diagnostic jobs that nobody took are cancelled."""
        findings = list(work.check_workers(installed))
        with sessions() as session:
            left = set(session.scalars(text("SELECT status FROM jobs")))

        assert ["fail", "fail"] == [one.status for one in findings]
        assert all("python -m workers --queues" in one.advice for one in findings)
        assert {"cancelled"} == left

    def test_busy_workers_are_no_failure(self, installed: Installation, sessions: SessionFactory) -> None:
        """A queue on which jobs run has workers, only none is free."""
        with job_service(installed) as jobs:
            running = jobs.submit("diagnostic", {})
        with sessions.begin() as session:
            assert LeaseRepository(session).claim(running.id, "worker", 60) is not None
        findings = {one.check: one.status for one in work.check_workers(installed)}

        assert "warn" == findings[f"workers of {installed.settings.cpu_queue}"]
        assert "fail" == findings[f"workers of {installed.settings.gpu_queue}"]

    def test_dead_workers_jobs_are_told(self, installed: Installation, sessions: SessionFactory) -> None:
        """A lease that ran out long ago means that no sweeper runs."""
        quiet = first(work.check_waiting, installed)
        with job_service(installed) as jobs:
            lost = jobs.submit("diagnostic", {})
        with sessions.begin() as session:
            LeaseRepository(session).claim(lost.id, "worker", -3600)
        found = first(work.check_waiting, installed)

        assert "ok" == quiet.status
        assert ("fail", True) == (found.status, "workers.sweeper" in found.advice)

    def test_are_not_sent_where_that_is_not_wanted(self, installed: Installation) -> None:
        """--no-job leaves the queues alone."""
        there = find_installation(installed.settings, run_jobs=False)

        assert ["skipped"] == [one.status for one in work.check_workers(there)]


class TestOutside:
    def test_api_that_is_not_there_is_told(self, installed: Installation) -> None:
        """A closed port, and an address that is none."""
        for url in (f"http://127.0.0.1:{closed_port()}", "file:///etc/passwd"):
            there = find_installation(installed.settings, api_url=url)

            assert "fail" == first(outside.check_api, there).status

    def test_api_answers_with_version_readiness_and_key(
        self, installed: Installation, guarded: Guarded, sessions: SessionFactory
    ) -> None:
        """A good key is accepted, a wrong one refused, and without one nothing is said of keys."""
        with sessions.begin() as session:
            good_key = ApiKeyService(session).create("doctor", ["read"]).key
        told = {}
        for key in (good_key, "kb_wrong", None):
            there = find_installation(installed.settings, api_url=guarded.address, api_key=key)
            told[key] = {one.check: one.status for one in outside.check_api(there)}

        assert {"api": "ok", "api readiness": "ok"}.items() <= told[None].items()
        assert ["ok", "fail", "skipped"] == [statuses["api key"] for statuses in told.values()]

    def test_collector_that_is_away_is_a_warning(
        self, installed: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Spans are dropped, nothing else."""
        off = first(outside.check_collector, installed)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{closed_port()}")

        assert ["skipped", "warn"] == [off.status, first(outside.check_collector, installed).status]


class TestChecks:
    def test_one_that_hangs_is_given_up(self, installed: Installation) -> None:
        """The doctor never hangs, whatever it touches."""

        def hang(_: Installation) -> Iterator[Finding]:
            yield ok("first", "this far")
            time.sleep(60)

        started = time.monotonic()
        findings = run_check(Check("slow", hang, deadline_s=0.2), installed)

        assert ["ok", "fail"] == [one.status for one in findings]
        assert time.monotonic() - started < 30

    def test_one_that_breaks_is_a_finding(self, installed: Installation) -> None:
        """And not the end of the examination."""

        def break_down(_: Installation) -> Iterator[Finding]:
            raise RuntimeError("unheard of")

        findings = list(
            examine(installed, [Check("odd", break_down), Check("next", lambda _: [ok("next", "")])])
        )

        assert [("odd", "fail"), ("next", "ok")] == [(one.check, one.status) for one in findings]

    def test_what_needs_a_failed_one_is_passed_over(self, installed: Installation) -> None:
        """One cause is one failure, however much depends on it."""
        checks = [
            Check("a", lambda _: [fail("a", "broken", "mend it")]),
            Check("b", lambda _: [ok("b", "")], needs=("a",)),
            Check("c", lambda _: [ok("c", "")], needs=("b",)),
        ]

        assert ["fail", "skipped", "skipped"] == [one.status for one in examine(installed, checks)]

    def test_are_in_an_order_that_serves_their_needs(self) -> None:
        """What a check needs comes before it."""
        names = [check.name for check in CHECKS]

        assert len(set(names)) == len(names)
        assert all(names.index(need) < names.index(check.name) for check in CHECKS for need in check.needs)

    @pytest.mark.parametrize(
        ("findings", "status"),
        [
            ([], 0),
            ([ok("a", ""), skipped("b", "")], 0),
            ([ok("a", ""), warn("b", "", "")], 1),
            ([fail("a", "", ""), warn("b", "", "")], 2),
        ],
    )
    def test_exit_status_is_the_worst(self, findings: list[Finding], status: int) -> None:
        """0 well, 1 warnings, 2 failures."""
        assert status == exit_status(findings)
