"""What is left to do, in seconds."""

from __future__ import annotations

import pytest

from models.study.costs import REFERENCE_PACES, Timekeeper, Work

PRIORS = {"train": 2.0, "embed": 3.0}


class TestTimekeeper:
    def test_reckons_with_what_was_measured_elsewhere(self) -> None:
        """As long as nothing was done here."""
        assert 10 * 2.0 + 4 * 3.0 == Timekeeper(PRIORS).left_s([Work("train", 10), Work("embed", 4)])

    def test_then_with_what_it_saw(self) -> None:
        """Seconds over amount, of all steps of the kind."""
        watch = Timekeeper(PRIORS)
        watch.observe(Work("train", 10), 30.0)
        watch.observe(Work("train", 30), 130.0)

        assert {"train": 4.0} == watch.paces
        assert 20.0 == watch.left_s([Work("train", 5)])

    def test_a_slower_machine_is_slower_in_everything(self) -> None:
        """Twice as slow in training: twice the seconds for what it has not embedded yet."""
        watch = Timekeeper(PRIORS)
        watch.observe(Work("train", 10), 40.0)

        assert 4 * 3.0 * 2 == watch.left_s([Work("embed", 4)])

    def test_a_kind_that_nobody_knows_is_no_number(self) -> None:
        """Unless it was seen here; then the others' ratio does not know it."""
        watch, rest = Timekeeper(PRIORS), [Work("train", 1), Work("paint", 2)]
        before = watch.left_s(rest)
        watch.observe(Work("paint", 4), 2.0)

        assert (None, 3.0) == (before, watch.left_s(rest))

    def test_nothing_left_takes_no_time(self) -> None:
        """Whatever is known."""
        assert 0.0 == Timekeeper({}).left_s([])

    def test_work_of_no_amount_tells_no_pace(self) -> None:
        """It took some seconds all the same."""
        watch = Timekeeper(PRIORS)
        watch.observe(Work("embed", 0), 1.0)

        assert {} == watch.paces
        assert 3.0 == watch.left_s([Work("embed", 1)])

    @pytest.mark.parametrize(
        "kind", ["train", "train-bbdm-default", "generate-painted", "embed", "fit-filter"]
    )
    def test_a_machine_of_ours_has_paces(self, kind: str) -> None:
        """For a first plan."""
        assert REFERENCE_PACES[kind] > 0
