"""Sizes of a study, and what a report says of the smaller ones."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from models.study.arms import ALL_ARMS, PAPERS_ARM, REFERENCE
from models.study.sizes import PROVES_NOTHING, SIZES, reduced, settings_of


class TestSizes:
    @pytest.mark.parametrize("size", list(SIZES))
    def test_compare_everything_on_the_whole(self, size: str) -> None:
        """And in each further condition at least the paper's arm with the reference."""
        settings = SIZES[size]

        assert ALL_ARMS == settings.arms
        assert {REFERENCE, PAPERS_ARM} <= set(settings.condition_arms) <= set(ALL_ARMS)

    def test_the_full_one_is_the_papers(self) -> None:
        """Ten seeds, 50 passes, batches of 32, every normal: nothing is reduced."""
        full = SIZES["full"]

        assert (10, 50, 32, None) == (full.num_seeds, full.epochs, full.batch_size, full.normal_ratio)
        assert [] == reduced(full)

    def test_only_quick_proves_nothing(self) -> None:
        """It is there to see a report."""
        assert {"quick"} == PROVES_NOTHING


class TestSettingsOf:
    def test_changes_what_is_named(self) -> None:
        """What is None, or no setting, changes nothing."""
        named = {"steps": 7, "candidates": None, "name": "study", "dataset": "d/1"}

        assert asdict(SIZES["cpu"]) | {"steps": 7} == asdict(settings_of("cpu", named))

    def test_knows_no_other_size(self) -> None:
        """There are three."""
        with pytest.raises(KeyError):
            settings_of("huge", {})

    def test_are_plain_json(self) -> None:
        """The report shows them."""
        settings = settings_of("quick", {"level": 0.5})

        assert 0.5 == json.loads(json.dumps(settings.to_json()))["level"]


class TestStepsFor:
    def test_passes_over_real_crops(self) -> None:
        """Fifty passes over a hundred crops in batches of 32; the last batch counts too."""
        assert 157 == SIZES["full"].steps_for(100)

    def test_or_a_number_of_steps(self) -> None:
        """Then it does not matter how many crops there are."""
        settings = settings_of("full", {"steps": 9})

        assert 9 == settings.steps_for(100) == settings.steps_for(100_000)


class TestReduced:
    def test_tells_here_and_paper(self) -> None:
        """One line for each thing that is smaller."""
        (line,) = reduced(settings_of("full", {"num_seeds": 3}))

        assert {"what": "networks per arm", "here": 3, "paper": 10} == line

    @pytest.mark.parametrize("size", ["quick", "cpu"])
    def test_a_smaller_size_says_so(self, size: str) -> None:
        """Of classifiers, generators and crops."""
        told = " ".join(line["what"] for line in reduced(SIZES[size]))

        assert all(word in told for word in ("networks per arm", "side of a crop", "Brownian Bridge"))
