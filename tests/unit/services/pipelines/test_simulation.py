"""How a simulation shares its crops out among slides."""

from __future__ import annotations

from models.simulation.scene import SlideCounts
from services.jobs.params import SimulationParams
from services.pipelines.simulation import slides_of


class TestSlidesOf:
    def test_shares_are_as_even_as_they_go(self) -> None:
        """Ten aberrations on three slides are 4, 3 and 3."""
        params = SimulationParams(
            name="s", train_slides=3, train_aberrations=10, normal_ratio=1.5, unlabelled=4
        )

        assert slides_of(params)["train"] == {
            "T01": SlideCounts(5, 4, 2),
            "T02": SlideCounts(5, 3, 1),
            "T03": SlideCounts(5, 3, 1),
        }

    def test_nothing_is_lost_and_no_slide_is_in_two_splits(self) -> None:
        """Whatever the numbers."""
        params = SimulationParams(name="s", unlabelled=7)
        slides = slides_of(params)
        counts = [one for split in slides.values() for one in split.values()]

        assert sum(one.normal + one.aberration + one.unlabelled for one in counts) == params.num_crops
        assert len({name for split in slides.values() for name in split}) == len(counts) == 15
