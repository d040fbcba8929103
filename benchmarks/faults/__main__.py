"""Play rounds: ``python -m benchmarks.faults --repeats 20 [--fault …] [--kind …] [--resume]``."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.faults.campaign import Campaign
from benchmarks.faults.results import Results
from benchmarks.faults.strikes import FAULTS
from benchmarks.faults.strikes.base import Fault, NotPossibleError
from services.jobs.kinds import KINDS

RESULTS = Path("var") / "faults"


def main() -> None:
    """Play what the options say; results are written round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="strikes of each fault in each kind of job")
    parser.add_argument("--fault", nargs="+", choices=sorted(FAULTS), default=list(FAULTS))
    parser.add_argument("--kind", nargs="+", choices=sorted(KINDS), default=sorted(KINDS))
    parser.add_argument("--resume", action="store_true", help="go on with the results of an earlier run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--broker-url", default="", help="a broker that runs already, for example amqp://…")
    options = parser.parse_args()
    results = Results(options.results)
    # Mounts and network namespaces are undone on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not options.resume:
        for name in options.fault:
            results.file(name).unlink(missing_ok=True)
    places: dict[str, list[Fault]] = {}
    for name in options.fault:
        if options.broker_url and FAULTS[name].own_broker:
            print(f"{name}: not possible with a broker that others started", flush=True)
            continue
        places.setdefault(FAULTS[name].place, []).append(FAULTS[name]())
    for faults in places.values():
        try:
            Campaign(faults, options.kind, options.repeats, results, options.seed).run(options.broker_url)
        except NotPossibleError as error:
            print(f"{', '.join(fault.name for fault in faults)}: not possible here, {error}", flush=True)


if __name__ == "__main__":
    main()
