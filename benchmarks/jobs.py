"""What a job costs beside a bare Celery task: ``python -m benchmarks.jobs``.

Both go through the same Redis to one worker with one process. A job is also committed, claimed,
recorded and finished in Postgres, which waits for the disk as in production. Measured are the
throughput of a burst, and the latency of one at a time on an idle service.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from benchmarks import bare_celery
from services.config import Settings
from services.db.engine import SessionFactory, make_engine, session_factory
from services.db.migrate import upgrade
from services.db.tables import JobRow
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis
from services.jobs.celery_dispatch import CeleryDispatcher
from services.jobs.service import JobService

ROOT = Path(__file__).resolve().parents[1]
BURST_POLL_S = 0.05  # rarely, since asking costs the database more than a job does
SINGLE_POLL_S = 0.002
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Bench:
    """Both sides: our service, and bare Celery."""

    jobs: JobService
    sessions: SessionFactory
    broker_url: str

    def burst_of_jobs(self, number: int) -> float:
        """Return the seconds from the first submission to the last job's end."""
        start = time.perf_counter()
        ids = [self.jobs.submit("diagnostic", {}).id for _ in range(number)]
        _wait(lambda: self._finished(min(ids), max(ids)) == number, BURST_POLL_S)
        return time.perf_counter() - start

    def burst_of_tasks(self, number: int) -> float:
        """Return the seconds from the first sending to the last task's end."""
        app, connection = bare_celery.make_app(self.broker_url), bare_celery.connect(self.broker_url)
        start = time.perf_counter()
        for _ in range(number):
            app.send_task(bare_celery.NOOP)
        app.send_task(bare_celery.MARK, args=("end",))
        connection.blpop([bare_celery.MARK_KEY])
        return time.perf_counter() - start

    def one_job(self) -> float:
        """Return the seconds from a job's submission to its end."""
        start = time.perf_counter()
        job = self.jobs.submit("diagnostic", {})
        _wait(lambda: self._finished(job.id, job.id) == 1, SINGLE_POLL_S)
        return time.perf_counter() - start

    def one_task(self) -> float:
        """Return the seconds from a task's sending to its effect."""
        app, connection = bare_celery.make_app(self.broker_url), bare_celery.connect(self.broker_url)
        start = time.perf_counter()
        app.send_task(bare_celery.MARK, args=("end",))
        connection.blpop([bare_celery.MARK_KEY])
        return time.perf_counter() - start

    def _finished(self, first: str, last: str) -> int:
        query = select(func.count()).where(JobRow.id.between(first, last), JobRow.status == "succeeded")
        with self.sessions() as session:
            return session.scalar(query) or 0


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000, help="jobs, and tasks, of a burst")
    parser.add_argument("--repeats", type=int, default=3, help="bursts of each, in turn")
    parser.add_argument("--singles", type=int, default=50, help="single jobs, and tasks, for the latency")
    options = parser.parse_args()
    with _started() as bench:
        for warm_up in (bench.one_job, bench.one_task, lambda: bench.burst_of_jobs(50)):
            warm_up()
        bursts = [
            (bench.burst_of_jobs(options.number), bench.burst_of_tasks(options.number))
            for _ in range(options.repeats)
        ]
        singles = [(bench.one_job(), bench.one_task()) for _ in range(options.singles)]
        load = os.getloadavg()[0]
    rates = [tuple(options.number / seconds for seconds in pair) for pair in bursts]
    jobs_per_s, tasks_per_s = (statistics.median(side) for side in zip(*rates, strict=True))
    job_ms, task_ms = (1000 * statistics.median(side) for side in zip(*singles, strict=True))
    print("| | job | bare Celery task | ratio |")
    print("|---|---|---|---|")
    print(
        f"| burst of {options.number}, per second | {jobs_per_s:.0f} | {tasks_per_s:.0f} "
        f"| {tasks_per_s / jobs_per_s:.2f} |"
    )
    print(f"| one at a time, median ms | {job_ms:.1f} | {task_ms:.1f} | {job_ms / task_ms:.2f} |")
    for number, (ours, bare) in enumerate(rates, 1):
        print(f"burst {number}: {ours:.0f} jobs/s, {bare:.0f} tasks/s")
    print(f"load average at the end: {load:.1f} on {os.cpu_count()} cores")


@contextmanager
def _started() -> Iterator[Bench]:
    """Start both servers and both workers; nothing is left at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        database_url = stack.enter_context(EmbeddedPostgres(folder)).url
        broker_url = stack.enter_context(EmbeddedRedis(folder)).url
        engine = make_engine(database_url)
        stack.callback(engine.dispose)
        upgrade(engine)
        settings = Settings(
            _env_file=None,
            database_url=database_url,
            broker_url=broker_url,
            object_store_url=(folder / "objects").as_uri(),
        )
        stack.enter_context(_process("workers", settings))
        stack.enter_context(_process("benchmarks.bare_celery", settings, broker_url))
        dispatcher = CeleryDispatcher(broker_url)
        stack.callback(dispatcher.close)
        sessions = session_factory(engine)
        yield Bench(JobService(sessions, dispatcher, settings), sessions, broker_url)


@contextmanager
def _process(module: str, settings: Settings, *arguments: str) -> Iterator[None]:
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "BROKER_URL": settings.broker_url.get_secret_value(),
        "OBJECT_STORE_URL": settings.object_store_url,
        "LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(done: Callable[[], bool], poll_s: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not finished within {PATIENCE_S:.0f} s.")
        time.sleep(poll_s)


if __name__ == "__main__":
    main()
