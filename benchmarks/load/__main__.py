"""Measure one kind of load and print the figures as JSON.

    python -m benchmarks.load batch   --images 10000
    python -m benchmarks.load queue   --jobs 1000 --workers 2
    python -m benchmarks.load pollers --pollers 200 --seconds 20
    python -m benchmarks.load pages   --pages 1000
    python -m benchmarks.load turns   --epochs 30
    python -m benchmarks.load gets    --seconds 5 --rounds 5

Each starts a database, a broker, an API and workers of its own, and leaves nothing behind. ``--out FILE``
writes the figures, too.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import batch, gets, pages, pollers, queue, turns

MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "batch": lambda o: batch.measure(o.images, o.members),
    "queue": lambda o: queue.measure(o.jobs, o.workers),
    "pollers": lambda o: pollers.measure(o.pollers, o.seconds, o.pause_s),
    "pages": lambda o: pages.measure(o.images * 10, o.pages, o.repeats),
    "turns": lambda o: turns.measure(o.epochs),
    "gets": lambda o: gets.measure(o.seconds, o.rounds),
}


def main() -> None:
    """Run the measurement that the first argument names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=sorted(MEASURES))
    parser.add_argument("--images", type=int, default=10_000, help="of a batch; lists hold ten times as many")
    parser.add_argument("--members", type=int, default=5_000, help="images of one ZIP")
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--pause-s", type=float, default=2.0, help="between two questions of a poller")
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30, help="of the long training")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    measured = MEASURES[options.what](options)
    measured |= {"cores": os.cpu_count(), "load_average_at_the_end": round(os.getloadavg()[0], 1)}
    told = json.dumps(measured, indent=2)
    print(told)
    if options.out is not None:
        options.out.write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
