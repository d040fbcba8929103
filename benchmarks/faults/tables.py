"""Tables of the rounds: ``python -m benchmarks.faults.tables RESULTS [--write]``.

Without ``--write`` they are printed. With it they replace what stands between the markers of
``docs/results/faults.md``, and every round is kept in ``docs/results/faults/rounds.csv``.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.faults.processes import ROOT
from benchmarks.faults.results import BREACHES, Results
from benchmarks.faults.strikes import FAULTS
from benchmarks.study.markdown import rows_of
from benchmarks.study.tables import filled
from services.jobs.kinds import KINDS

PAGE: Final = ROOT / "docs" / "results" / "faults.md"
ROUNDS: Final = ROOT / "docs" / "results" / "faults" / "rounds.csv"
COLUMNS: Final = (
    *("fault", "kind", "round", "at", "hit", "status_before", "done", "total", "recorded", "age_s"),
    *("status", "attempts", "seconds", "breaches"),
)
TITLES: Final[Mapping[str, str]] = {
    "lost": "lost",
    "stuck": "stuck",
    "wrong_end": "wrong end",
    "crops_doubled": "crops doubled",
    "items_doubled": "items doubled",
    "artifacts_damaged": "artifacts damaged",
    "results_differ": "results differ",
    "leases_left": "leases left",
    "orphans": "orphans",
    "messages_left": "messages left",
    "requests_failed": "requests failed",
}

Line = dict[str, Any]


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, help="folder that the rounds were written to")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    results = Results(options.results)
    lines = {name: results.read(name) for name in FAULTS}
    tables = "\n\n".join((strikes_table(lines), breaches_table(lines), moments_table(lines)))
    if not options.write:
        print(tables)
        return
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    write_rounds(lines, ROUNDS)


def strikes_table(lines: Mapping[str, Sequence[Line]]) -> str:
    """Count how often each fault struck a job of each kind in the midst of its work."""
    counts = {name: Counter(line["kind"] for line in found if line["hit"]) for name, found in lines.items()}
    head = ["strikes", *FAULTS]
    rows = [[kind, *(str(counts[name][kind]) for name in FAULTS)] for kind in sorted(KINDS)]
    rows.append(["**all**", *(str(counts[name].total()) for name in FAULTS)])
    return rows_of(head, rows)


def breaches_table(lines: Mapping[str, Sequence[Line]]) -> str:
    """Count what was wrong afterwards, in rounds' jobs and in what their clients did meanwhile."""
    head = ["fault", "jobs", *(TITLES[name] for name in BREACHES)]
    rows = []
    for name, fault in FAULTS.items():
        found = Counter(breach for line in lines[name] for breach in line["breaches"])
        shared = {line["round"]: line["shared_breaches"] for line in lines[name]}
        found += Counter(breach for breaches in shared.values() for breach in breaches)
        rows.append([fault.title, str(len(lines[name])), *(str(found[breach]) for breach in BREACHES)])
    return rows_of(head, rows)


def moments_table(lines: Mapping[str, Sequence[Line]]) -> str:
    """Show how far jobs were when they were struck, and what it cost."""
    head = ["fault", "nothing done yet", "in between", "all done but the end", "attempts", "s to the end"]
    rows = []
    for name in FAULTS:
        hit = [line for line in lines[name] if line["hit"]]
        if not hit:
            continue
        moments = Counter(_moment(line["phase"]) for line in hit)
        rows.append(
            [
                name,
                *(f"{moments[moment]}" for moment in ("begin", "amid", "end")),
                f"{median(line['attempts'] or 0 for line in hit):.0f}",
                f"{median(line['seconds'] for line in hit):.0f}",
            ]
        )
    return rows_of(head, rows)


def _moment(phase: Mapping[str, Any]) -> str:
    done, total = max(phase["done"], phase["recorded"]), phase["total"]
    if done == 0:
        return "begin"
    return "end" if total and done >= total else "amid"


def write_rounds(lines: Mapping[str, Sequence[Line]], file: Path) -> None:
    """Write a row for each job of each round."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for line in (line for found in lines.values() for line in found):
            phase = line["phase"]
            breaches = [*line["breaches"], *(f"round: {name}" for name in line["shared_breaches"])]
            writer.writerow(
                [
                    *(line[name] for name in ("fault", "kind", "round", "at")),
                    int(line["hit"]),
                    *(phase[name] for name in ("status", "done", "total", "recorded", "age_s")),
                    *(line[name] for name in ("status", "attempts", "seconds")),
                    " ".join(breaches),
                ]
            )


if __name__ == "__main__":
    main()
