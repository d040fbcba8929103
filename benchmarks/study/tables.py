"""The tables of the results page, from what studies wrote.

    python -m benchmarks.study.tables RESULTS.json [RESULTS.json ...] [--write]

Without ``--write`` they are printed. With it they replace what stands between the markers of
``docs/results/study.md``. They are the tables of the report itself. Studies that prove nothing and studies on
simulated data are refused: that page tells of real chromosomes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.study.markdown import markdown_of
from services.pipelines.study.report import tables as of_paper
from services.pipelines.study.report import tables_arms as of_arms
from services.pipelines.study.report import tables_making as of_making
from services.pipelines.study.report.blocks import Table
from services.pipelines.study.report.reading import ALL, Reading

PAGE = Path(__file__).parents[2] / "docs" / "results" / "study.md"
BEGIN, END = "<!-- begin: tables -->", "<!-- end: tables -->"
REMEDY = "augmented-oversampled"
PAPERS = ("real", "augmented", "real-bbdm", "real-cyclegan", "augmented-bbdm-filtered")


class PageError(ValueError):
    """The results do not belong on the page, or the page has no place for them."""


def main() -> int:
    """Print the tables, or write them into the page; returns 0 if that was possible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="results.json of a study")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    try:
        text = page_part([json.loads(file.read_text(encoding="utf-8")) for file in options.results])
        if options.write:
            page = options.page.read_text(encoding="utf-8")
            options.page.write_text(filled(page, text), encoding="utf-8")
        else:
            print(text)
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def page_part(studies: Sequence[dict[str, Any]]) -> str:
    """Write all tables of some studies, each study under a heading of its own.

    Raises
    ------
    PageError
        The data of one are simulated, or its size proves nothing.
    """
    parts: list[str] = []
    told: set[str] = set()
    for results in studies:
        study = results["study"]
        for name in ("simulated", "proves_nothing"):
            if study[name]:
                raise PageError(
                    f"Study {study['name']!r} is marked {name}: it has no place among real results."
                )
        reading = Reading(results)
        seeds = ", ".join(map(str, study["seeds"]))
        parts.append(f"### {study['name']}: `{study['dataset']['ref']}`, size {study['size']}, seeds {seeds}")
        parts += [markdown_of(_told_once(table, told)) for table in tables_of(reading)]
    return "\n\n".join(parts)


def tables_of(reading: Reading) -> Iterator[Table]:
    """Yield the tables of a study: every arm and its differences, by condition; filters, curve and time."""
    limited = set(reading.limited)
    wanted = [of_paper.scores(reading, PAPERS, number=None, caption="The paper's arms, beside its numbers")]
    for condition in (name for name in reading.conditions if name not in limited):
        wanted += _condition_tables(reading, condition)
    wanted += [of_arms.learning_curve(reading), of_arms.filters(reading)]
    wanted += [of_making.generators(reading), of_making.qualities(reading), of_making.time(reading)]
    return (table for table in wanted if table is not None)


def _told_once(table: Table, told: set[str]) -> Table:
    """Leave a note out that stands below an earlier table."""
    if table.note in told:
        return replace(table, note="")
    told.add(table.note)
    return table


def _condition_tables(reading: Reading, condition: str) -> Iterator[Table | None]:
    """Yield scores and differences on test or, where groups were left out, on these."""
    split = "left_out" if condition in reading.left_out else reading.split
    where = {"condition": condition, "split": split}
    title = "" if condition == ALL else f"{reading.condition_title(condition)}: "
    found = (
        of_arms.every_arm(reading, **where),
        of_arms.against_reference(reading, **where),
        of_arms.differences(
            reading,
            [(arm, REMEDY) for arm in reading.titles],
            f"Against “{reading.titles.get(REMEDY, REMEDY)}”",
            **where,
        ),
    )
    for table in found:
        yield table and Table(table.number, f"{title}{table.caption}", table.columns, table.rows, table.note)


def filled(page: str, text: str) -> str:
    """Put tables between the markers of a page.

    Raises
    ------
    PageError
        The page does not have each marker once, in order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise PageError(f"The page needs the lines {BEGIN} and {END}, once each and in this order.")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
