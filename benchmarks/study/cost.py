"""What a study costs, cold, again and enlarged, and what its arms would cost without sharing their steps.

    python -m benchmarks.study.cost --out docs/results/study/cost.json

Needs a running service (``make serve``). Without ``--dataset`` a small one is simulated. What an arm needs by
itself (generator, crops, embeddings, filter, networks) is read from a study of that arm alone, whose steps
all come from the cache with the seconds that they took when they were computed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.study.jobs import MeasurementError, ended_well, job_progress, results_of
from client.cli.output import complain, print_table
from client.errors import ClientError
from client.http import DEFAULT_URL, Client
from client.records import Job
from client.study.simulated import simulate

ARMS = (
    *("augmented", "augmented-oversampled", "augmented-bbdm", "augmented-bbdm-filtered"),
    *("augmented-bbdm-random", "augmented-painted", "augmented-painted-filtered"),
)
MORE = "augmented-bbdm-mahalanobis"
NOT_STEPS = ("reading crops", "report")  # stages that every study goes through itself


def main() -> int:
    """Measure, print and write; returns 0 if everything ended well."""
    options = read_options()
    try:
        with Client(options.url) as client, job_progress() as told:
            result = measured(client, options, told)
    except ClientError as error:
        complain(str(error))
        return 1
    print_table(
        ("study", "wall s", "steps computed", "from the cache"),
        [
            (name, one["wall_seconds"], one["computed"], one["from_cache"])
            for name, one in result["studies"].items()
        ],
    )
    print(
        f"Without sharing: {result['without_sharing_seconds']:.0f} s of steps; shared: "
        f"{result['shared_seconds']:.0f} s; ratio {result['ratio']:.2f}"
    )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--dataset", help="name/version; a small simulated one")
    parser.add_argument("--size", choices=("quick", "cpu", "full"), default="quick")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--more", default=MORE, help="the arm that is added in the end")
    parser.add_argument("--seeds", type=int, default=2, help="networks per arm; one more in the end")
    parser.add_argument(
        "--seed", type=int, default=0, help="the first one; one that no study had, to be cold"
    )
    parser.add_argument("--steps", type=int, help="optimiser steps of every classifier; the size's own")
    parser.add_argument("--candidates", type=int, help="crops that a generator makes; the size's own")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def measured(client: Client, options: argparse.Namespace, told: Callable[[Job], None]) -> dict[str, Any]:
    """Run the three studies, then each arm by itself, all of whose steps are there.

    Parameters
    ----------
    told
        Called with the state of the job that is waited for.

    Raises
    ------
    MeasurementError
        Some steps had been computed before, or a study did not succeed.
    """
    dataset = options.dataset or simulate(client, told)
    body = {name: getattr(options, name) for name in ("size", "seed", "steps", "candidates")}
    body = {**body, "name": "cost", "dataset": dataset}
    arms, seeds = list(options.arms), options.seeds
    known = client.plan_study(**body, arms=arms, num_seeds=seeds).from_cache
    if known:
        raise MeasurementError(f"Computed before: {known} of its steps. Try --seed {options.seed + 1000}.")

    def study(chosen: list[str], number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        job = client.submit("study", **body, arms=chosen, num_seeds=number)
        return _took(client, ended_well(client, job, told))

    studies, results = {}, {}
    for name, chosen, number in (
        ("cold", arms, seeds),
        ("again", arms, seeds),
        (f"one more arm ({options.more}) and seed", [*arms, options.more], seeds + 1),
    ):
        studies[name], results[name] = study(chosen, number)
    alone = {arm: step_seconds(study([arm], seeds)[1]) for arm in arms}
    shared = step_seconds(results["cold"])
    return {
        "simulated": results["cold"]["study"]["simulated"],
        "dataset": dataset,
        "size": options.size,
        "arms": arms,
        "seeds": seeds,
        "environment": results["cold"]["environment"],
        "studies": studies,
        "alone_seconds": alone,
        "shared_seconds": shared,
        "without_sharing_seconds": sum(alone.values()),
        "ratio": sum(alone.values()) / shared,
    }


def _took(client: Client, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a study took, and its results."""
    results = results_of(client, job)
    took = {"wall_seconds": job.run_s, **{name: results["plan"][name] for name in ("computed", "from_cache")}}
    return took | {"step_seconds": results["plan"]["actual_seconds"]}, results


def step_seconds(results: dict[str, Any]) -> float:
    """Seconds of all steps of a study, whenever they were computed."""
    return float(sum(stage["seconds"] for stage in results["time"] if stage["stage"] not in NOT_STEPS))


if __name__ == "__main__":
    sys.exit(main())
