"""Does this help on our data? No stronger words than the intervals allow."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipelines.study.report import text
from services.pipelines.study.report.reading import Reading
from tests.support import study_results

SURE = {"both": [0.01, 0.05], "over_seeds": [0.005, 0.06]}
BAD = {"both": [-0.05, -0.01], "over_seeds": [-0.06, -0.005]}
OPEN = {"both": [-0.02, 0.05], "over_seeds": [-0.03, 0.06]}
UNSURE = {"both": [0.01, 0.05], "over_seeds": [-0.01, 0.07]}


def reading(crops: dict[str, Any], chromosomes: dict[str, Any], **study: Any) -> Reading:
    """Return results whose intervals are these."""
    results = study_results.results(conditions=("all",))
    results["study"].update(study)
    for one in results["comparisons"]:
        one.update(crops if one["unit"] == "crops" else chromosomes)
    return Reading(results)


class TestAnswer:
    @pytest.mark.parametrize(
        ("crops", "chromosomes", "title", "tone"),
        [
            (SURE, SURE, "Synthetic crops helped, per crop and per chromosome.", "better"),
            (BAD, BAD, "Synthetic crops made it worse, per crop and per chromosome.", "worse"),
            (OPEN, OPEN, "Synthetic crops are not shown to help.", "open"),
            (UNSURE, UNSURE, "Synthetic crops are not shown to help.", "open"),
            (SURE, OPEN, "Synthetic crops helped per crop; per chromosome that is not shown.", "better"),
            (SURE, BAD, "Synthetic crops helped per crop and made it worse per chromosome.", "open"),
        ],
    )
    def test_the_title_says_what_both_units_show(
        self, crops: dict[str, Any], chromosomes: dict[str, Any], title: str, tone: str
    ) -> None:
        """Crops and chromosomes are told apart where they disagree."""
        answer = text.answer(reading(crops, chromosomes))
        assert (answer.title, answer.tone) == (title, tone)
        assert "“Real augmented + BBDM, UMAP-filtered” against “Real augmented”" in answer.text

    def test_the_interval_that_forbids_a_claim_is_told(self) -> None:
        """Else one would read an interval without zero and no claim."""
        answer = text.answer(reading(UNSURE, OPEN))
        assert "not shown over seeds alone, [\u22120.010,\u00a00.070]" in answer.text

    @pytest.mark.parametrize(
        ("study", "start"),
        [
            ({"proves_nothing": True}, "In a quick run that proves nothing: synthetic crops helped"),
            ({"simulated": True}, "On simulated data: synthetic crops helped"),
            ({"proves_nothing": True, "simulated": True}, "In a quick run that proves nothing, on simulated"),
        ],
    )
    def test_a_reserve_comes_first(self, study: dict[str, Any], start: str) -> None:
        """And no colour says that something helped."""
        answer = text.answer(reading(SURE, SURE, **study))
        assert answer.title.startswith(start)
        assert answer.tone == "open"

    def test_one_seed_tells_nothing(self) -> None:
        """Whatever the slides say."""
        results = study_results.results(conditions=("all",), seeds=(0,))
        answer = text.answer(Reading(results))
        assert answer.title == "Whether synthetic crops help cannot be told from this study."

    def test_without_synthetic_arms_there_is_no_answer(self) -> None:
        """Not even that they do not help."""
        results = study_results.results(conditions=("all",), arms=("real", "augmented"))
        assert text.answer(Reading(results)).title == "Nothing to compare"

    def test_validation_alone_is_named(self) -> None:
        """It chose the thresholds, so it flatters."""
        answer = text.answer(Reading(study_results.results(conditions=("all",), test=False)))
        assert answer.title.startswith("On validation alone")
        assert answer.tone == "open"

    def test_another_arm_answers_where_the_papers_is_missing(self) -> None:
        """The first with synthetic crops."""
        results = study_results.results(arms=("augmented", "augmented-painted"))
        assert text.question_arm(Reading(results)) == "augmented-painted"


class TestFindings:
    def test_every_question_has_its_point(self) -> None:
        """Lines left out, filter, remedies, painted, no augmentation, fewer aberrations."""
        leads = [point.lead for point in text.findings(Reading(study_results.results()))]
        assert leads == [
            "Lines that were left out.",
            "The filter.",
            "Simple remedies.",
            "Painted crops.",
            "Without augmentation.",
            "Fewer aberrations to learn from.",
        ]

    def test_what_was_not_asked_is_not_answered(self) -> None:
        """No pair, no point."""
        results = study_results.results(conditions=("all",), arms=("augmented", "augmented-painted"))
        assert [point.lead for point in text.findings(Reading(results))] == ["Painted crops."]


class TestBanner:
    def test_only_what_needs_one_has_one(self) -> None:
        """Quick studies and simulated data."""
        assert not text.banner(reading(OPEN, OPEN))
        assert text.banner(reading(OPEN, OPEN, size="quick")) == text.QUICK
        both = text.banner(reading(OPEN, OPEN, proves_nothing=True, simulated=True))
        assert both == f"{text.QUICK} {text.SIMULATED}"
