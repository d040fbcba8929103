from __future__ import annotations

from typing import Any

import pytest

from client.quality import facts_of_quality, quality_state
from client.records import Job, Quality
from tests.fakes.tiny_service import job

FIGURES: dict[str, Any] = {
    "generated": {"total": 3000, "looked_at": 2000},
    "real": {"total": 57, "looked_at": 57},
    "max_ssim": {"generated": {"p50": 0.714}, "real": {"p50": 0.68}},
    "memorisation": {"threshold": 0.93, "copies": 8, "copies_share": 0.004},
    "embeddings": {"frechet_distance": 12.34, "yardstick": {"frechet_distance": 5.06}},
    "diversity": {
        "generated": {"pairs_covered": 5, "effective_pairs": 3.24, "two_coloured_share": 0.83},
        "real": {"pairs_covered": 6, "effective_pairs": 4.1, "two_coloured_share": 0.71},
    },
    "signs_of_collapse": [],
}


def told(classifier: str | None = "translocation/1", **changed: Any) -> dict[str, str]:
    """What is said of a report whose figures were changed so."""
    figures = {name: value for name, value in {**FIGURES, **changed}.items() if value is not None}
    quality = Quality(job_id="job_1", compared_with="adir/1", classifier=classifier, figures=figures)
    return dict(facts_of_quality(quality))


class TestFactsOfQuality:
    def test_puts_every_comparison_in_words(self) -> None:
        """With the real crops' own figure beside each, for nobody knows what a bare number is worth."""
        assert told() == {
            "compared": "2000 of 3000 synthetic crops with 57 training aberrations of adir/1",
            "likeness": "the most similar real crop has an SSIM of 0.71 (median); among real ones 0.68",
            "copies": "8 (0.4%) so near to a real crop that it may be a copy (SSIM above 0.93)",
            "embeddings": "Fréchet distance 12.3; between two halves of the real ones 5.1 "
            "(by translocation/1)",
            "variety": "5 colour pairs, as varied as 3.2 equally frequent ones (real 4.1); "
            "a junction is read in 83% (real 71%)",
            "collapse": "no sign of it",
        }

    def test_names_the_signs_of_collapse(self) -> None:
        """In the service's own words."""
        assert "One pair. All alike." == told(signs_of_collapse=["One pair.", "All alike."])["collapse"]

    def test_none_is_a_good_number_of_copies(self) -> None:
        """It is said as a word."""
        memorisation = {"threshold": 0.9, "copies": 0, "copies_share": 0.0}

        assert told(memorisation=memorisation)["copies"].startswith("none so near")

    def test_says_that_copies_were_not_looked_for(self) -> None:
        """Without a limit a count of none would promise too much."""
        assert "not looked for" in told(memorisation={"threshold": None, "copies": 0})["copies"]

    @pytest.mark.parametrize(
        ("classifier", "why"), [(None, "no classifier"), ("translocation/1", "too few crops")]
    )
    def test_says_why_embeddings_were_not_compared(self, classifier: str | None, why: str) -> None:
        """Nobody takes a missing distance for a small one."""
        assert f"not compared: {why}" == told(classifier, embeddings=None)["embeddings"]

    def test_leaves_out_what_it_does_not_know(self) -> None:
        """Figures of another version of the service are no reason to fail."""
        quality = Quality(job_id="job_1", compared_with="adir/1", figures={"max_ssim": 3, "diversity": []})

        assert {"compared", "embeddings"} == {name for name, _ in facts_of_quality(quality)}


class TestQualityState:
    @pytest.mark.parametrize(
        ("result", "state"),
        [
            ({"quality": {"status": "made", "reason": "x"}}, ("made", "")),
            ({"quality": {"status": "skipped", "reason": "No data set."}}, ("skipped", "No data set.")),
            ({"crops": 3}, ("none", "it was not asked for")),
            (None, ("none", "it was not asked for")),
        ],
    )
    def test_tells_why_there_is_none(self, result: Any, state: tuple[str, str]) -> None:
        """Nothing to compare with is another thing than a report that nobody wanted."""
        assert state == quality_state(Job.model_validate(job("job_1", "succeeded", result=result)))
