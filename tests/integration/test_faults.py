"""One round of each fault that `benchmarks.faults` repeats: processes are killed, cut off and starved."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from api.wiring import Wiring, wire
from benchmarks.faults.invariants import breaches_of, common_breaches
from benchmarks.faults.processes import eventually
from benchmarks.faults.relays import Relay, to_port, to_socket
from benchmarks.faults.stage import Options, Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault
from benchmarks.faults.strikes.killed import KilledApi, KilledBroker, KilledDatabase, KilledSweeper
from benchmarks.faults.strikes.network import CutFromDatabase
from benchmarks.faults.strikes.store import fill
from services.config import Settings
from services.datasets.repository import DatasetRepository
from services.db.engine import SILENCE_S, make_engine
from services.jobs.celery_dispatch import CeleryDispatcher, make_celery
from services.jobs.errors import BrokerAwayError
from services.jobs.params import SimulationRequest
from services.jobs.types import Job
from tests.support.jobs import run_here
from tests.support.seaweed import S3Server

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]

PATIENCE_S = 120.0
ITEMS = 10


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A whole installation with a database that waits for the disk, and two workers."""
    folder = tmp_path_factory.mktemp("stage")
    with Stage(folder, Options(num_workers=2)) as stage:
        yield stage


def begun(stage: Stage) -> Seen:
    """Submit a diagnostic job over HTTP, and return it once some of its items are recorded."""
    with stage.client() as client:
        job_id = client.submit("diagnostic", items=ITEMS, seconds_per_item=0.2).id
    return eventually(
        lambda: next((job for job in stage.seen([job_id]).values() if job.recorded >= 2), None),
        "two items are recorded",
        PATIENCE_S,
    )


def struck(stage: Stage, fault: Fault) -> tuple[Seen, Blow]:
    """Let a fault strike a running job, and wait for the ends of the job and of what clients submitted."""
    job = begun(stage)
    blow = fault.strike(stage, [job], random.Random(0))
    ids = [job.id, *blow.job_ids]

    def all_ended() -> dict[str, Seen] | None:
        jobs = stage.seen(ids)
        return jobs if all(one.ended for one in jobs.values()) else None

    ended = eventually(all_ended, f"{ids} end", PATIENCE_S)

    assert {"succeeded"} == {one.status for one in ended.values()}
    return ended[job.id], blow


class TestKilled:
    @pytest.mark.parametrize("fault", [KilledApi, KilledSweeper, KilledBroker, KilledDatabase])
    def test_nothing_is_lost_or_done_twice(self, stage: Stage, fault: type[Fault]) -> None:
        """After kill -9 and a restart the job ends well, and each request of clients was done once."""
        job, blow = struck(stage, fault())

        assert {} == blow.breaches
        assert {} == breaches_of(stage, job.id, {"status": "succeeded", "number of items": ITEMS})
        assert {} == common_breaches(stage, [job.id])


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="network namespaces need root and the command ip"
)
class TestCutOff:
    def test_another_worker_goes_on_and_the_first_one_comes_back(self, tmp_path: Path) -> None:
        """Packets between a worker and the database vanish for longer than its lease."""
        fault = CutFromDatabase()
        with fault.options(tmp_path, "") as options, Stage(tmp_path, options) as stage:
            job, blow = struck(stage, fault)

            assert {} == blow.breaches
            assert 2 == job.attempt
            assert {} == breaches_of(stage, job.id, {"status": "succeeded", "number of items": ITEMS})


class TestBroker:
    @pytest.mark.parametrize("served", range(4))
    def test_is_away_when_it_hangs_up(self, stage: Stage, served: int) -> None:
        """At whichever connection it happens: senders learn that the broker is away, and nothing else."""
        waiting = to_socket(str(stage.redis.socket))
        calls = iter(range(100))

        def connect() -> socket.socket:
            if next(calls) >= served:
                raise OSError
            return waiting()

        with Relay(connect) as relay:
            dispatcher = CeleryDispatcher(f"redis://127.0.0.1:{relay.port}/0")
            for _ in range(served):
                with suppress(BrokerAwayError):
                    dispatcher.waiting("cpu")
                relay.hang_up()
            with pytest.raises(BrokerAwayError):
                dispatcher.waiting("cpu")
            with pytest.raises(BrokerAwayError):
                dispatcher.send("job_1", "cpu", 9)
            with pytest.raises(BrokerAwayError):
                dispatcher.check()
            dispatcher.close()


def told_of(opened: socket.socket) -> tuple[int, int]:
    """Whether a connection asks for a sign of life, and the milliseconds after which it gives up."""
    return (
        opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


class TestSilence:
    def test_a_silent_database_is_given_up(self, stage: Stage) -> None:
        """The operating system is told how long a connection may stay without an answer."""
        with Relay(to_socket(str(stage.postgres.sockets / ".s.PGSQL.5432"))) as relay:
            url = f"postgresql+psycopg://karyobridge@127.0.0.1:{relay.port}/karyobridge"
            engine = make_engine(url, pool_size=1)
            with engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                with socket.socket(fileno=os.dup(raw.pgconn.socket)) as opened:
                    told = told_of(opened)
            engine.dispose()

        assert (1, 1000 * SILENCE_S) == told

    def test_a_silent_broker_is_given_up(self, stage: Stage) -> None:
        """So it is with Redis, where a worker waits for messages for hours."""
        with Relay(to_socket(str(stage.redis.socket))) as relay:
            app = make_celery(f"redis://127.0.0.1:{relay.port}/0")
            with app.connection_for_read() as connection:
                client = connection.default_channel.client
                opened = client.connection_pool.get_connection()
                told = told_of(opened._sock)
                client.connection_pool.release(opened)
            app.close()

        assert (1, 1000 * SILENCE_S) == told


def simulated(wiring: Wiring) -> str:
    """Submit a job that stores packs of crops; returns its id."""
    request = SimulationRequest(
        kind="simulation",
        name=f"s-{uuid.uuid4().hex[:8]}",
        preset="easy",
        train_slides=1,
        val_slides=1,
        test_slides=1,
        train_aberrations=3,
        val_aberrations=2,
        test_aberrations=2,
        normal_ratio=1.0,
    )
    return wiring.submissions.submit(request).id


def dataset_sha256(wiring: Wiring, job: Job) -> str:
    """Digest of all that a job made."""
    assert job.status == "succeeded", job.error
    with wiring.readers() as session:
        return DatasetRepository(session).resolve(str(job.result["dataset"])).sha256


def code_of(job: Job) -> str | None:
    """Code of the problem that a job has met."""
    return None if job.error is None else job.error["code"]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False).returncode:
        pytest.skip("no disk of its own can be mounted: that needs root.")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class TestStore:
    def settings(self, stage: Stage, url: str) -> Settings:
        """Settings of the stage, with another store, queues of its own, and no pause between attempts."""
        own = {
            "object_store_url": url,
            "retry_backoff_s": 0.0,
            "gpu_queue": "nobody's",
            "cpu_queue": "nobody's",
        }
        return stage.settings.model_copy(update=own)

    def test_a_job_waits_for_a_disk_that_is_full(self, stage: Stage, disk: Path) -> None:
        """What does not fit is not half written; with space again the job makes what it always makes."""
        with closing(wire(self.settings(stage, (disk / "objects").as_uri()))) as wiring:
            undisturbed = dataset_sha256(wiring, run_here(wiring, simulated(wiring)))
            shutil.rmtree(disk / "objects")
            job_id = simulated(wiring)
            fill(disk / "ballast")

            starved = run_here(wiring, job_id)
            left = [path for path in (disk / "objects").rglob("*") if path.is_file()]
            (disk / "ballast").unlink()
            fed = dataset_sha256(wiring, run_here(wiring, job_id))

        assert ("queued", "store_unavailable") == (starved.status, code_of(starved))
        assert [] == left
        assert undisturbed == fed

    def test_a_job_waits_for_a_store_that_answers_503(
        self, stage: Stage, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An attempt that meets nothing but 503 is one of many, and the next one succeeds."""
        with Relay(to_port(int(s3_server.endpoint.rpartition(":")[2]))) as relay:
            for name, value in s3_server.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.port}")
            with closing(wire(self.settings(stage, s3_server.url))) as wiring:
                job_id = simulated(wiring)
                relay.refuse()
                starved = run_here(wiring, job_id)
                relay.serve()
                fed = run_here(wiring, job_id)

        assert relay.refused > 0
        assert ("queued", "store_unavailable") == (starved.status, code_of(starved))
        assert "succeeded" == fed.status
