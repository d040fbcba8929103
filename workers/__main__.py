"""Start a worker: ``python -m workers --queues gpu,cpu --concurrency 1``."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from services.config import Settings, load_settings
from services.errors import InvalidInputError

SPIN_COUNT = "3000"  # docs/decisions/0016


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until SIGTERM or SIGINT; its job then goes back to the queue after its present item."""
    calm_threads()
    settings = load_settings()
    options = _parser(settings).parse_args(arguments)
    _require_servers(settings)
    _require_device(settings)
    if not settings.worker_metrics_port:
        return _work(settings, options)
    with tempfile.TemporaryDirectory(prefix="karyobridge-metrics-") as folder:
        # prometheus_client chooses its storage when it is imported, hence the imports in functions.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from workers.exposition import serve_worker  # noqa: PLC0415 - as just said

        serve_worker(settings.worker_metrics_port, Path(folder))
        return _work(settings, options)


def calm_threads() -> None:
    """Let OpenMP's threads sleep soon instead of spinning at barriers, unless somebody chose otherwise.

    Two processes that spin on the same cores slow each other down tenfold and more. It must be set
    before torch is imported, and children inherit it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


def _parser(settings: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="Runs jobs.")
    parser.add_argument(
        "--queues",
        default=f"{settings.gpu_queue},{settings.cpu_queue}",
        help="queues to take jobs from, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=1,
        help="processes that run jobs; each loads its own networks (default: %(default)s)",
    )
    return parser


def _require_servers(settings: Settings) -> None:
    for name, empty in (
        ("DATABASE_URL", settings.embedded_database),
        ("BROKER_URL", settings.embedded_broker),
    ):
        if empty:
            raise InvalidInputError(
                f"{name} is empty. Start everything with `make serve`, or set {name} to a running server.",
                name.lower(),
            )


def _require_device(settings: Settings) -> None:
    """Refuse to start without the GPU that is asked for: such a worker would fail one job after another.

    Another process looks, because this one must not import torch (`workers.runners`).
    """
    if settings.device != "cuda":
        return
    look = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
    if subprocess.run([sys.executable, "-c", look], check=False).returncode != 0:  # noqa: S603 - our own words
        raise InvalidInputError(
            "DEVICE is cuda but torch finds no GPU here. Check the driver and the container's access to it, "
            "install the CUDA build (make setup TORCH=cuda), or set DEVICE=auto.",
            "device",
        )


def _work(settings: Settings, options: argparse.Namespace) -> int:
    from workers.app import create_app, make_worker  # noqa: PLC0415 - see main

    queues = [name.strip() for name in options.queues.split(",") if name.strip()]
    hostname = f"karyobridge-{os.getpid()}@{socket.gethostname()}"
    worker = make_worker(create_app(settings, queues), hostname, options.concurrency)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InvalidInputError as error:
        sys.exit(f"karyobridge worker: {error}")
