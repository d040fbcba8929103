from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.study.arms import arms_of
from models.study.runs import FinishedRun
from services.pipelines.study.results import (
    HEADER,
    comparisons_csv,
    results_of,
    runs_csv,
    summaries_csv,
)
from tests.support.study_scores import run_of

ARMS = arms_of(["real", "augmented", "augmented-bbdm"])


def header(**changed: Any) -> dict[str, Any]:
    """Return what a small study knows besides its runs."""
    told: dict[str, Any] = {name: [] for name in HEADER}
    told |= {"study": {"name": "s", "seeds": (0, 1)}, "parameters": {"learning_rate": 0.123456789}}
    return told | {"conditions": [{"name": "all"}, {"name": "=without"}]} | changed


def runs() -> list[FinishedRun]:
    """Two seeds of three arms, and one run of another condition."""
    return [run_of("all", arm.name, seed) for arm in ARMS for seed in (0, 1)] + [
        run_of("=without", "real", 0)
    ]


def built(finished: Sequence[FinishedRun] | None = None, **changed: Any) -> dict[str, Any]:
    """Return results with few resamples."""
    return results_of(header(**changed), ARMS, runs() if finished is None else finished, num_resamples=20)


def table(content: bytes) -> list[dict[str, str]]:
    """Read a CSV file."""
    return list(csv.DictReader(io.StringIO(content.decode())))


class TestResults:
    def test_is_strict_json(self) -> None:
        """No NaN, no array and no tuple; what was not measured is null."""
        broken = replace(runs()[0], loss=float("nan"))
        found = built([broken], time=[{"seconds": np.float32(1.5), "steps": np.int64(3), "list": np.ones(2)}])

        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["runs"][0]["loss"] is None
        assert [{"seconds": 1.5, "steps": 3, "list": [1.0, 1.0]}] == found["time"]

    def test_holds_every_part(self) -> None:
        """Schema and study first, then the header's parts and what the runs give."""
        found = built()

        assert ["schema", "study"] == list(found)[:2]
        assert {"schema", *HEADER, "arms", "runs", "summaries", "comparisons"} == set(found)
        assert {"name": "s", "seeds": [0, 1], "reference": "augmented"} == found["study"]
        assert ["real", "augmented", "augmented-bbdm"] == [one["name"] for one in found["arms"]]
        assert ["bbdm"] == found["arms"][2]["synthetic"]

    def test_tells_a_run_with_its_figures(self) -> None:
        """Thresholds are those of validation; a split that is not there is null."""
        run = run_of("all", "real", 0)
        found = built()["runs"][0]

        assert ("all", "real", 0, 30) == (found["condition"], found["arm"], found["seed"], found["steps"])
        assert pytest.approx(run.val.thresholds.threshold, rel=1e-5) == found["threshold"]
        assert {"bbdm": 12, "painted": 8} == found["train"]["synthetic"]
        assert 0 < found["test"]["chromosomes"]["10:1"]["f1"] <= 1
        assert found["left_out"] is None

    def test_rounds_what_was_measured_and_no_parameter(self) -> None:
        """Six digits are more than seeds and slides justify."""
        found = built()

        assert 1.23457 == found["runs"][0]["seconds"]
        assert 0.123456789 == found["parameters"]["learning_rate"]

    def test_does_not_depend_on_who_finished_first(self) -> None:
        """The same runs in another order make the same document."""
        assert built() == built(runs()[::-1])

    def test_differences_are_those_of_the_summaries(self) -> None:
        """Where all seeds are pairs, the difference of means is the mean difference."""
        found = built()
        means = {
            one["arm"]: one["metrics"]["f1"]["mean"]
            for one in found["summaries"]
            if (one["condition"], one["split"], one["unit"], one["ratio"])
            == ("all", "test", "crops", "natural")
        }
        places = ("all", "augmented-bbdm", "augmented", "test", "crops", "f1")
        names = ("condition", "arm", "reference", "split", "unit", "metric")
        (one,) = (one for one in found["comparisons"] if tuple(one[name] for name in names) == places)

        assert pytest.approx(means["augmented-bbdm"] - means["augmented"], abs=1e-5) == one["difference"]

    def test_compares_with_the_first_arm_where_the_reference_did_not_run(self) -> None:
        """And says so."""
        few = arms_of(["real", "real-bbdm"])
        finished = [run_of("all", arm.name, 0) for arm in few]

        found = results_of(header(), few, finished, num_resamples=5)

        assert "real" == found["study"]["reference"]
        assert {("real-bbdm", "real")} == {(one["arm"], one["reference"]) for one in found["comparisons"]}

    def test_refuses_a_header_that_lacks_a_part(self) -> None:
        """What is missing is named."""
        told = header()
        del told["filters"], told["plan"]

        with pytest.raises(ValueError, match="lacks filters, plan"):
            results_of(told, ARMS, runs())

    @pytest.mark.parametrize(("condition", "arm"), [("elsewhere", "real"), ("all", "real-painted")])
    def test_refuses_runs_of_another_study(self, condition: str, arm: str) -> None:
        """Every run belongs to a condition and an arm of this one."""
        with pytest.raises(ValueError, match="not in the study"):
            built([run_of(condition, arm, 0)])

    def test_refuses_the_same_run_twice(self) -> None:
        """It would count as another seed."""
        with pytest.raises(ValueError, match="share condition, arm and seed"):
            built([*runs(), runs()[0]])

    def test_refuses_what_json_cannot_say(self) -> None:
        """Rather than write a file that nobody can read."""
        with pytest.raises(TypeError, match="set"):
            built(plan={"runs": {1, 2}})


class TestTables:
    def test_runs_have_a_row_for_each_split_unit_and_ratio(self) -> None:
        """Seven runs, two splits, two units, two ratios."""
        rows = table(runs_csv(built()))

        assert 7 * 2 * 2 * 2 == len(rows)
        assert ("20", "30", "val") == (rows[0]["train_synthetic"], rows[0]["steps"], rows[0]["split"])
        assert 0 <= float(rows[0]["f1"]) <= 1

    def test_summaries_have_a_row_for_each_metric(self) -> None:
        """Five metrics; a single seed has no deviation."""
        found = built()
        rows = table(summaries_csv(found))

        assert 5 * len(found["summaries"]) == len(rows)
        assert ("", "1") == (rows[-1]["std"], rows[-1]["count"])

    def test_comparisons_say_in_words_what_they_show(self) -> None:
        """Bounds have a column each."""
        found = built()
        rows = table(comparisons_csv(found))

        assert len(found["comparisons"]) == len(rows)
        assert str(found["comparisons"][0]["both"][0]) == rows[0]["both_low"]
        assert {row["shown"] for row in rows} <= {"better", "worse", "no difference shown"}

    def test_undefined_bounds_are_empty_cells(self) -> None:
        """One seed leaves two intervals open."""
        rows = table(comparisons_csv(built([run for run in runs() if run.seed == 0])))

        assert ("", "", "cannot be told") == (
            rows[0]["over_seeds_low"],
            rows[0]["both_high"],
            rows[0]["shown"],
        )

    @pytest.mark.parametrize("write", [runs_csv, summaries_csv])
    def test_names_that_a_spreadsheet_would_run_are_disarmed(self, write: Any) -> None:
        """A condition is named by whoever started the study."""
        assert "'=without" in {row["condition"] for row in table(write(built()))}
