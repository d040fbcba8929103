"""What a study costs."""

from __future__ import annotations

from benchmarks.study.cost import step_seconds
from tests.support.study_results import results


class TestStepSeconds:
    def test_a_report_is_no_step(self) -> None:
        """Reading crops and writing the report are done by every study itself, and shared with none."""
        stages = {"reading crops": 5.0, "generating": 2.0, "training classifiers": 30.0, "report": 9.0}
        time = [{"stage": stage, "seconds": seconds} for stage, seconds in stages.items()]

        assert 32.0 == step_seconds(results(conditions=("all",), arms=("augmented",), time=time))
