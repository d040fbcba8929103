from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from services.db.engine import SessionFactory
from services.filtering.drift import Drift, count_beyond, drift_of, no_drift


class TestCountBeyond:
    def test_the_percentile_itself_is_within(self) -> None:
        """Only what lies farther than 99 of 100 training rows counts."""
        assert 2 == count_beyond(np.array([0.0, 98.9, 99.0, 99.0001, 100.0]))

    def test_of_no_crops(self) -> None:
        """An item may hold none."""
        assert 0 == count_beyond(np.empty(0))


class TestWarning:
    @pytest.mark.parametrize(
        ("beyond", "crops"),
        [
            (0, 0),
            (0, 46),
            (4, 4),  # four odd crops are a matter for a look, not for an alarm
            (5, 100),  # 5 %, but of a hundred crops that happens: the bound is 1.7 %
            (10, 1000),
            (2080, 100_000),
        ],
    )
    def test_is_not_given_lightly(self, beyond: int, crops: int) -> None:
        """Few crops, or a share that chance or a small shift explains, are no drift."""
        assert Drift("f/1", crops, beyond).warning is None

    @pytest.mark.parametrize(("beyond", "crops"), [(5, 5), (6, 46), (35, 1000), (2300, 100_000)])
    def test_says_what_was_seen_and_what_to_do(self, beyond: int, crops: int) -> None:
        """A share that is clearly above twice the usual is told, with the remedy."""
        warning = Drift("f/1", crops, beyond).warning

        assert warning is not None
        assert f"{beyond:,} of {crops:,} crops" in warning
        assert "filter f/1" in warning
        assert "fit a filter" in warning


class TestDrift:
    def test_shows_share_and_expectation(self) -> None:
        """A result tells the figure, and what it would be without drift."""
        assert {
            "filter": "f/1",
            "crops": 200,
            "beyond_p99": 0.01,
            "expected": 0.01,
            "warning": None,
        } == Drift("f/1", 200, 2).to_json()

    def test_of_no_crops_has_no_share(self) -> None:
        """Nothing divided by nothing is not told as zero."""
        assert Drift("f/1", 0, 0).to_json()["beyond_p99"] is None

    def test_without_a_filter_says_why(self) -> None:
        """The entry is always there."""
        assert {"filter": None, "reason": "Because."} == no_drift("Because.")


class TestDriftOf:
    def test_adds_up_what_items_recorded(self, sessions: SessionFactory) -> None:
        """Whichever attempt recorded them; failed items and those without a figure do not count."""
        items = [
            (0, "succeeded", '{"crops": 10, "beyond_p99": 1}'),
            (1, "succeeded", '{"chromosomes": 20, "beyond_p99": 3}'),
            (2, "succeeded", '{"crops": 40}'),
            (3, "failed", "{}"),
            (4, "pending", "{}"),
        ]
        with sessions.begin() as session:
            session.execute(
                text(
                    "INSERT INTO jobs (id, kind, params, inputs, artifacts, queue, max_attempts) "
                    "VALUES ('job_1', 'scoring', '{}', '{}', '{}', 'gpu', 3)"
                )
            )
            for position, status, outputs in items:
                session.execute(
                    text(
                        "INSERT INTO job_items (job_id, position, input_id, status, outputs) "
                        "VALUES ('job_1', :position, 'i', :status, CAST(:outputs AS jsonb))"
                    ),
                    {"position": position, "status": status, "outputs": outputs},
                )
            found = drift_of(session, "job_1", "f/1")
            nothing = drift_of(session, "job_2", "f/1")

        assert Drift("f/1", 30, 4) == found
        assert Drift("f/1", 0, 0) == nothing
