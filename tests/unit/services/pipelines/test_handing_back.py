from __future__ import annotations

import pytest

from services.jobs.errors import JobCancelledError, JobDisplacedError, JobHandedBackError
from services.pipelines.handing_back import kept_when_handed_back


class Computation:
    """Counts its steps, and remembers where it was saved."""

    def __init__(self) -> None:
        self.step = 3
        self.saved: list[int] = []

    def run(self, steps: int, error: Exception) -> None:
        """Do some steps and then be interrupted."""
        with kept_when_handed_back(lambda: self.step, lambda: self.saved.append(self.step)):
            self.step += steps
            raise error


class TestKeptWhenHandedBack:
    @pytest.mark.parametrize("error", [JobHandedBackError("job"), JobDisplacedError("job")])
    def test_saves_and_lets_the_signal_pass(self, error: JobHandedBackError) -> None:
        """Whether the worker stops or another job's turn has come."""
        computation = Computation()

        with pytest.raises(JobHandedBackError):
            computation.run(2, error)

        assert [5] == computation.saved

    def test_does_not_call_a_turn_fruitful_that_got_no_further(self) -> None:
        """What was read and built before the first step is no progress."""
        computation = Computation()

        with pytest.raises(JobDisplacedError):
            computation.run(0, JobDisplacedError("job"))

        assert [] == computation.saved

    def test_a_cancelled_job_keeps_nothing(self) -> None:
        """Nobody will go on with it."""
        computation = Computation()

        with pytest.raises(JobCancelledError):
            computation.run(2, JobCancelledError("job"))

        assert [] == computation.saved
