"""``python -m client.study``: what ``make study`` runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from client.cli.app import app
from client.cli.exits import ExitCode, exit_code_of_error
from client.demo.service import DemoService
from client.demo.steps import step
from client.errors import ClientError
from client.http import Client
from client.study.simulated import simulate

ROOT = Path(__file__).resolve().parents[2]
CONTINUES = "The service that ran it was stopped too: the same command goes on where the study stopped."


def study(
    context: typer.Context,
    *,
    data_dir: Annotated[
        Path, typer.Option(help="Whose data sets and results are used: the service's DATA_DIR.")
    ] = ROOT / "var" / "study",
) -> None:
    """Start a service, run a study on it, and save the report; all else is as for `study run`.

    Without options a small data set is simulated, and a quick study shows what a report looks like. With
    KARYOBRIDGE_URL that service is asked, and none is started.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` does
            signal.signal(number, _leave)
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    raise typer.Exit(run(console, data_dir, context.args))


def run(console: Console, data_dir: Path, arguments: Sequence[str]) -> int:
    """Return the exit code of ``study run`` with these arguments, or of what came before it."""
    try:
        with _service(console, data_dir) as url:
            given = list(arguments) or _quick(console, url)
            if not any(one == "--out" or one.startswith("--out=") for one in given):
                given += ["--out", str(data_dir / "report")]
            code = study_run(url, given)
    except ClientError as error:
        console.print(str(error), style="bold red", soft_wrap=True)
        return exit_code_of_error(error)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED and "KARYOBRIDGE_URL" not in os.environ:
        console.print(CONTINUES, soft_wrap=True)
    return code


def study_run(url: str, arguments: Sequence[str]) -> int:
    """Run the command ``study run`` on a service; returns its exit code."""
    try:
        app(["--url", url, "study", "run", *arguments], prog_name="python -m client")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK
    return ExitCode.OK


@contextmanager
def _service(console: Console, data_dir: Path) -> Iterator[str]:
    """Address of the service that the environment names, or of one of our own for as long as it is needed."""
    url = os.environ.get("KARYOBRIDGE_URL")
    if url:
        yield url
        return
    with DemoService(ROOT, data_dir) as service:
        with step(console, "Starting the service (database, broker, API, worker)"):
            service.wait_ready()
        yield service.url


def _quick(console: Console, url: str) -> list[str]:
    """Arguments of a quick study on a data set that is simulated now."""
    with Client(url) as client, step(console, "Simulating a small data set") as remark:
        dataset = simulate(client, lambda job: remark(f"{job.progress.done}/{job.progress.total} crops"))
    return ["simulated", "--dataset", dataset, "--size", "quick", "--yes"]


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn a polite end signal into an exception, so that the service is stopped on the way out."""
    del frame
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main = typer.Typer(add_completion=False)
    main.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(study)
    main()
