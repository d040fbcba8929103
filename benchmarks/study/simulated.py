"""Studies on simulated data of three difficulties, where it is known how hard the crops are.

    python -m benchmarks.study.simulated --out docs/results/study/simulated.json

Needs a running service (``make serve``). May be interrupted and started again: data sets and studies are
found by their references. Writes the numbers, and beside them a table and a picture of the same name.
Nothing that comes out of it says anything of real chromosomes, and all of it says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.study.curves import draw, markdown
from benchmarks.study.jobs import MeasurementError, finished, job_progress, results_of
from client.cli.jobs import read_parameters
from client.cli.output import complain, remark
from client.errors import ClientError
from client.http import DEFAULT_URL, Client
from client.records import Job

PRESETS = ("easy", "medium", "hard")
ARMS = ("augmented", "augmented-oversampled", "oversampled-painted")
NOTE = "All crops are simulated: nothing here is a result on real chromosomes."
METRICS = ("precision", "recall", "f1", "average_precision")
COMPARED = ("f1", "average_precision")


def main() -> int:
    """Simulate, study, and write; returns 0 if everything ended well."""
    options = read_options()
    difficulties: dict[str, Any] = {}
    try:
        with Client(options.url) as client, job_progress() as told:
            for preset in options.presets:
                difficulties[preset] = studied(client, preset, options, told)
                # What is there so far is kept: a difficulty takes long.
                write(options.out, {"simulated": True, "note": NOTE, "difficulties": difficulties})
    except ClientError as error:
        complain(str(error))
        return 1
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--out", type=Path, default=Path("docs/results/study/simulated.json"))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--steps", type=int, default=150, help="optimiser steps of every classifier")
    parser.add_argument("--seeds", type=int, default=2, help="networks per arm")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--counts", type=int, nargs="+", default=(20, 80), help="fewer training aberrations")
    parser.add_argument("--candidates", type=int, help="crops that a generator makes; the size's own")
    parser.add_argument(
        "--simulation",
        nargs="+",
        default=(),
        metavar="NAME=VALUE",
        help="parameters of the simulations, for example train_aberrations=200",
    )
    return parser.parse_args()


def studied(
    client: Client, preset: str, options: argparse.Namespace, told: Callable[[Job], None]
) -> dict[str, Any]:
    """Simulate a data set, run a study on it, and return what the table and the picture show.

    Parameters
    ----------
    told
        Called with the state of the job that is waited for.

    Raises
    ------
    MeasurementError
        A job did not succeed, or the study does not call its data simulated.
    """
    name = f"simulated-{preset}"
    simulation = {"seed": 1, **read_parameters(list(options.simulation)), "name": name, "preset": preset}
    made = finished(client, "simulation", told, **simulation)
    body: dict[str, Any] = {
        "name": name,
        "dataset": (made.result or {})["dataset"],
        "size": "cpu",
        "arms": list(options.arms),
        "num_seeds": options.seeds,
        "condition_arms": list(options.arms),
        "condition_seeds": options.seeds,
        "aberration_counts": list(options.counts),
        "steps": options.steps,
    }
    if options.candidates is not None:
        body["candidates"] = options.candidates
    results = results_of(client, finished(client, "study", told, **body))
    if not results["study"]["simulated"]:
        raise MeasurementError(f"The study on {body['dataset']} does not call its data simulated.")
    return summary_of(results)


def summary_of(results: dict[str, Any]) -> dict[str, Any]:
    """Cut a study's results down to its test figures per crop, with what they were computed from."""
    study = results["study"]
    titles = {arm["name"]: arm["title"] for arm in results["arms"]}
    return {
        "simulated": True,
        "dataset": study["dataset"]["ref"],
        "sha256": study["dataset"]["sha256"],
        "reference": study["reference"],
        "environment": results["environment"],
        "settings": results["parameters"]["settings"],
        "test": results["conditions"][0]["counts"]["test"],
        "seconds": sum(stage["seconds"] for stage in results["time"]),
        "titles": titles,
        "rows": [
            row
            for condition in sorted(results["conditions"], key=_aberrations)
            for arm in titles
            if (row := _row(results, condition, arm)) is not None
        ],
    }


def _row(results: dict[str, Any], condition: dict[str, Any], arm: str) -> dict[str, Any] | None:
    """One arm at one number of aberrations; None where it was not trained."""
    name = condition["name"]
    runs = [run for run in results["runs"] if (run["condition"], run["arm"]) == (name, arm) and run["test"]]
    if not runs:
        return None
    place = {"condition": name, "arm": arm, "split": "test", "unit": "crops"}
    figures = _found(results["summaries"], **place, ratio="natural")
    against = {"reference": results["study"]["reference"]}
    differences = {
        metric: _found(results["comparisons"], **place, **against, metric=metric) for metric in COMPARED
    }
    return {
        "arm": arm,
        "aberrations": _aberrations(condition),
        "metrics": {metric: figures["metrics"][metric] for metric in METRICS} if figures else {},
        "of_seeds": {metric: [run["test"]["crops"]["natural"][metric] for run in runs] for metric in METRICS},
        "differences": {
            metric: {key: one[key] for key in ("difference", "seeds", "better_seeds", "over_seeds", "both")}
            for metric, one in differences.items()
            if one is not None
        },
    }


def _aberrations(condition: dict[str, Any]) -> int:
    return int(condition["counts"]["train"]["aberration"])


def _found(entries: list[dict[str, Any]], **wanted: str) -> dict[str, Any] | None:
    return next((one for one in entries if all(one[key] == value for key, value in wanted.items())), None)


def write(out: Path, document: dict[str, Any]) -> None:
    """Write the numbers, a table and a picture, each of which says that the data are simulated."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(document), encoding="utf-8")
    out.with_suffix(".png").write_bytes(draw(document))
    remark(f"Wrote {out} and, beside it, a table and a picture.")


if __name__ == "__main__":
    sys.exit(main())
