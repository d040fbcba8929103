"""Captions, and sentences where a figure is missing."""

from __future__ import annotations

import pytest

from services.pipelines.study.figures.every import FIGURES
from services.pipelines.study.report.blocks import Figure, Text
from services.pipelines.study.report.captions import KEYS, figure
from services.pipelines.study.report.reading import Reading
from tests.support import study_results


class TestFigure:
    def test_every_drawn_figure_has_a_caption(self) -> None:
        """And no other."""
        assert set(KEYS) == set(FIGURES)

    def test_the_papers_figures_keep_their_numbers(self) -> None:
        """The others are numbered later."""
        reading = Reading(study_results.results(seeds=(0,)))
        made = figure(reading, {"figure5": b"png"}, "figure5")
        assert isinstance(made, Figure)
        assert made.title.startswith("Figure 5. Maximum SSIM")

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            ("figure4", "this study made no CycleGAN crops."),
            ("figure6", "no filter was fitted."),
            ("left_out", "no condition leaves lines out."),
            ("learning_curve", "no condition limits the aberrations."),
            ("time", "there was too little to draw it from."),
        ],
    )
    def test_a_missing_one_says_why(self, key: str, why: str) -> None:
        """In a sentence of its own."""
        made = figure(Reading({}), {key: None}, key)
        assert isinstance(made, Text)
        assert made.text.endswith(f"is left out: {why}")
