"""What the rounds of `benchmarks.faults` add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.campaign import Campaign
from benchmarks.faults.fingerprints import differences, promised
from benchmarks.faults.results import Results
from benchmarks.faults.strikes.killed import KilledChild
from benchmarks.faults.tables import breaches_table, moments_table, strikes_table


def line(kind: str, number: int, *, hit: bool = True, done: int = 1, **changes: Any) -> dict[str, Any]:
    """A job in a round."""
    phase = {"status": "running", "done": done, "total": 4, "recorded": 0, "age_s": 1.0}
    told = {"fault": "worker-child", "kind": kind, "round": number, "at": "2026-01-01T00:00:00+00:00"}
    end = {"status": "succeeded", "attempts": 2, "seconds": 5.0, "breaches": {}, "shared_breaches": {}}
    return told | {"hit": hit, "phase": phase} | end | changes


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Rounds of one fault, in which a study was missed once, and a breach of two jobs and of a round."""
    found = Results(tmp_path)
    shared = {"leases_left": "job_1"}
    for one in (
        line("study", 1, hit=False, shared_breaches=shared),
        line("scoring", 1, breaches={"wrong_end": "failed"}, shared_breaches=shared),
        line("study", 2, done=4, breaches={"wrong_end": "failed"}),
    ):
        found.add("worker-child", one)
    return found


class TestTables:
    def test_count_strikes_breaches_and_moments(self, results: Results) -> None:
        """Jobs that were missed are no strikes; what a round did to all of it counts once."""
        lines = {name: results.read(name) for name in ("worker-child",)}
        nothing = {name: [] for name in ("worker", "api", "sweeper", "broker", "database", "store-503")}
        others = {name: [] for name in ("disk-full", "clock", "frozen", "cut-database", "cut-broker")}
        every = lines | nothing | others

        assert "| study | 1 |" in strikes_table(every)
        assert "| **all** | 2 |" in strikes_table(every)
        assert "job | 3 | 0 | 0 | 2 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |" in breaches_table(every)
        assert "| worker-child | 0 | 1 | 1 | 2 | 5 |" in moments_table(every)


class TestCampaign:
    def test_goes_on_where_it_was_cut(self, results: Results) -> None:
        """A kind that was struck often enough is left out; the numbers of rounds go on."""
        campaign = Campaign([KilledChild()], ("study", "scoring", "diagnostic"), 1, results, seed=0)

        assert ["diagnostic"] == campaign._left(campaign.faults[0])
        assert 2 == campaign.numbers["worker-child"]


class TestFingerprints:
    def test_hold_to_what_two_undisturbed_runs_agree_on(self) -> None:
        """What varied anyway is not promised; what is missing differs."""
        common = promised({"weights": "a", "card": "b"}, {"weights": "a", "card": "c"})

        assert {"weights": "a"} == common
        assert [] == differences(common, {"weights": "a", "card": "d"})
        assert ["weights"] == differences(common, {})
