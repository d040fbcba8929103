from __future__ import annotations

import pytest

from services.errors import Problem
from services.jobs.outcome import Tally, outcome_of

BAD = Problem(code="bad", title="Bad", detail="It is bad.")
WORSE = Problem(code="worse", title="Worse", detail="It is worse.")


class TestOutcomeOf:
    @pytest.mark.parametrize(
        ("tally", "status", "code"),
        [
            (Tally(0, 0, 0, ()), "succeeded", None),
            (Tally(0, 5, 0, ()), "succeeded", None),
            (Tally(0, 4, 1, (BAD,)), "partial", None),
            (Tally(0, 0, 2, (BAD,)), "failed", "bad"),
            (Tally(0, 0, 2, (BAD, WORSE)), "failed", "all_items_failed"),
            (Tally(1, 4, 0, ()), "failed", "internal_error"),
        ],
    )
    def test_follows_from_the_items(self, tally: Tally, status: str, code: str | None) -> None:
        """Success needs every item, failure none, and a forgotten item is never a success."""
        outcome = outcome_of("job_1", tally, {"n": 1})

        assert (status, code) == (outcome.status, outcome.error and outcome.error["code"])
        assert {"n": 1} == outcome.result

    def test_names_the_different_reasons(self) -> None:
        """The job's message lists the codes, the items have the details."""
        outcome = outcome_of("job_1", Tally(0, 0, 2, (WORSE, BAD)), {})

        assert "bad, worse" in (outcome.error or WORSE)["detail"]
