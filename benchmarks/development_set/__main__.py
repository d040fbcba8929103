"""Build the development data set over HTTP, and compare its counts with the tables.

    python -m benchmarks.development_set --data PATH/mfish --name adir

Needs a running service (``make serve``). May be interrupted and started again; a second run ends with
the same version.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.development_set.building import Builder
from benchmarks.development_set.tables import expected_counts, read_slides
from client.cli.output import complain, count_progress, print_facts, print_table, remark
from client.errors import ClientError
from client.http import DEFAULT_URL, Client

SPLITS = ("train", "val", "test")
LABELLED = ("normal", "aberration")


def main() -> int:
    """Build; returns 0 if the data set is what the tables promise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with metaphases.csv and images/")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--name", default="adir")
    parser.add_argument("--slides", nargs="+", help="only these slides")
    parser.add_argument("--unlabelled", action="store_true", help="keep crops without a verdict, as DAPI")
    parser.add_argument(
        "--unpainted",
        action="store_true",
        help="normal chromosomes count in views that do not paint them too",
    )
    options = parser.parse_args()
    slides = [
        one
        for one in read_slides(options.data, unpainted=options.unpainted)
        if not options.slides or one.name in options.slides
    ]
    for slide in slides:
        for name in slide.repeated:
            remark(f"{name} is left out: its pictures are those of another cell of slide {slide.name}.")
    started = time.monotonic()
    try:
        with Client(options.url) as client, count_progress() as bar:
            task = bar.add_task("starting", total=Builder.steps(slides, unlabelled=options.unlabelled))

            def advance(what: str) -> None:
                bar.update(task, advance=1, description=what)

            version = Builder(client, options.name, options.unlabelled, advance).build(slides)
    except ClientError as error:
        complain(str(error))
        return 1
    print_facts(
        [
            ("data set", f"{version['name']}/{version['version']}"),
            ("sha256", version["sha256"]),
            ("seconds", time.monotonic() - started),
        ]
    )
    return 0 if compare(version["counts"], expected_counts(slides)) else 1


def compare(counts: Mapping[str, Mapping[str, int]], expected: Mapping[str, Counter[str]]) -> bool:
    """Print what is there beside what the tables promise; returns whether they agree."""
    rows: list[tuple[Any, ...]] = []
    agree = True
    for split in SPLITS:
        for name in LABELLED:
            found = counts.get(split, {}).get(name, 0)
            promised = expected.get(split, Counter())[name]
            agree = agree and found == promised
            rows.append((split, name, found, promised, "yes" if found == promised else "NO"))
        unlabelled = counts.get(split, {}).get("unlabelled", 0)
        if unlabelled:
            rows.append((split, "unlabelled", unlabelled, None, None))
    print_table(("split", "class", "crops", "in the tables", "same"), rows)
    if not agree:
        complain("The data set is not what the tables promise.")
    return agree


if __name__ == "__main__":
    sys.exit(main())
