"""What is kept of studies on simulated data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.study.simulated import NOTE, summary_of, write
from tests.support.study_results import FEW_ARMS, results


def simulated(**changes: Any) -> dict[str, Any]:
    """Results of a study whose data are marked as simulated."""
    conditions = ("all", "aberrations-50", "aberrations-150")
    made = results(conditions=conditions, arms=FEW_ARMS, **changes)
    made["study"]["simulated"] = True
    made["parameters"] = {"settings": {"num_seeds": 3, "steps": 4, "canvas_px": 32}}
    return made


class TestSummaryOf:
    def test_rows_go_from_few_aberrations_to_all(self) -> None:
        """Every arm at every number, the fewest first."""
        rows = summary_of(simulated())["rows"]

        assert [50] * 5 + [150] * 5 == [row["aberrations"] for row in rows][:10]
        assert list(FEW_ARMS) == [row["arm"] for row in rows][:5]
        assert 15 == len(rows)

    def test_a_row_has_spread_seeds_and_differences(self) -> None:
        """Mean and deviation, each seed's own value, and the paired difference to the reference."""
        rows = {row["arm"]: row for row in summary_of(simulated())["rows"]}
        painted = rows["augmented-painted"]

        assert 3 == painted["metrics"]["f1"]["count"] == len(painted["of_seeds"]["f1"])
        assert {"f1", "average_precision"} == set(painted["differences"])
        assert {} == rows["augmented"]["differences"]

    def test_what_was_not_scored_on_test_has_no_row(self) -> None:
        """There is nothing to show of it."""
        assert [] == summary_of(simulated(test=False))["rows"]


class TestWrite:
    def test_everything_says_that_it_is_simulated(self, tmp_path: Path) -> None:
        """Numbers, table and picture lie side by side, and the first two say it in words."""
        out = tmp_path / "new" / "simulated.json"
        document = {"simulated": True, "note": NOTE, "difficulties": {"hard": summary_of(simulated())}}

        write(out, document)

        assert document == json.loads(out.read_text("utf-8"))
        table = out.with_suffix(".md").read_text("utf-8")
        assert table.startswith(f"**{NOTE}**")
        assert "### Simulated, hard" in table
        assert "| Real augmented + painted | 150 |" in table
        assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
