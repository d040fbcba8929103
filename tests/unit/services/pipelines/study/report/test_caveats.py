"""How far a study can be trusted."""

from __future__ import annotations

from services.pipelines.study.report.caveats import caveats
from services.pipelines.study.report.reading import Reading
from tests.support import study_results


def told(reading: Reading) -> dict[str, str]:
    """Return the points by what they begin with."""
    return {point.lead: point.text for point in caveats(reading)}


class TestCaveats:
    def test_the_test_split_is_counted(self) -> None:
        """In crops, chromosomes and slides, and what one chromosome weighs."""
        text = told(Reading(study_results.results()))["How much was tested."]
        assert "263 aberrations of 65 aberrant chromosomes on 3 slides" in text
        assert "1.5 % of the recall" in text
        assert "few" not in text

    def test_few_chromosomes_and_slides_are_called_few(self) -> None:
        """Another test set may say something else."""
        results = study_results.results(seeds=(0,))
        results["conditions"][0]["counts"]["test"] |= {"aberration_chromosomes": 7, "groups": ["A08"]}
        text = told(Reading(results))["How much was tested."]
        assert "on 1 slide." in text
        assert "That is few" in text
        assert "So few slides" in text

    def test_luck_and_earlier_openings_are_told(self) -> None:
        """One of twenty intervals, and studies that had seen the test split."""
        points = told(Reading(study_results.results()))
        assert "About one of twenty intervals" in points["Luck."]
        assert "by 1 earlier study (adir-study/0)" in points["The test split."]

    def test_a_sealed_test_split_is_told(self) -> None:
        """Nobody had opened it before, or nobody did at all."""
        results = study_results.results(seeds=(0,), test_opened={"runs": 5, "earlier_studies": []})
        assert "No earlier study" in told(Reading(results))["The test split."]
        unscored = Reading(study_results.results(seeds=(0,), test=False))
        assert told(unscored)["The test split."].startswith("It was not opened.")

    def test_one_seed_is_a_caveat(self) -> None:
        """Its differences are never called shown."""
        assert "One network" in told(Reading(study_results.results(seeds=(0,))))["Seeds."]

    def test_drawn_chromosomes_are_told_where_they_were_drawn(self) -> None:
        """Lines left out are one slide here."""
        assert "drawn within slides" in told(Reading(study_results.results()))["Intervals."]
        known = Reading(study_results.results(conditions=("all",)))
        assert "drawn within slides" not in told(known)["Intervals."]

    def test_an_empty_study_claims_nothing(self) -> None:
        """Neither counts nor intervals."""
        assert set(told(Reading({}))) == {"The test split.", "Seeds."}
