from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.pipelines.study.figures.curves import (
    MAX_LINES,
    learning_curve,
    losses,
    pr_curves,
    time_bars,
)
from tests.support.study_results import pictures, results


class TestLearningCurve:
    def test_scores_stand_over_gains(self) -> None:
        """Four panels over the numbers of training aberrations, all of them at the right end."""
        figure = learning_curve(results())

        assert figure is not None
        assert 4 == len(figure.get_axes())
        ticks = [label.get_text() for label in figure.get_axes()[2].get_xticklabels()]
        assert ["50", "150", "450", "1,021"] == ticks
        assert 5 == len(figure.legends[0].get_texts())

    def test_one_number_of_aberrations_is_points(self) -> None:
        """A single seed of a single condition is drawn."""
        figure = learning_curve(results(conditions=["aberrations-50"], seeds=[0], test=False))

        assert figure is not None
        assert "F1, validation" == figure.get_axes()[0].get_title()

    def test_without_limited_conditions_there_is_none(self) -> None:
        """Neither where they are missing nor where they have no runs."""
        assert learning_curve(results(conditions=["all"])) is None
        assert learning_curve({**results(), "runs": []}) is None


class TestPrecisionRecall:
    def test_shows_the_arms_that_tell_most(self) -> None:
        """Eight of twenty-one, the reference and the paper's among them, and what chance gives."""
        figure = pr_curves(pictures(), results())

        assert figure is not None
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert MAX_LINES + 1 == len(names)
        assert {"Real augmented", "Real augmented + BBDM, UMAP-filtered", "chance"} <= set(names)

    def test_arms_of_no_table_and_empty_curves_are_left_out(self) -> None:
        """Nothing is left, and there is no figure."""
        nothing = np.zeros(0)
        curves = {"real": (nothing, nothing), "unknown": (np.ones(3), np.ones(3))}

        assert pr_curves(replace(pictures(), curves=curves), results()) is None

    def test_one_point_is_a_curve(self) -> None:
        """Markers stay within it."""
        curves = {"real": (np.array([1.0]), np.array([0.1]))}

        assert pr_curves(replace(pictures(), curves=curves), results(conditions=[])) is not None


class TestTimeBars:
    def test_every_stage_is_a_bar_with_its_time(self) -> None:
        """Written in the unit that suits it, with what came from the cache."""
        figure = time_bars(results())

        assert figure is not None
        texts = [text.get_text() for text in figure.get_axes()[0].texts]
        assert ["14 s", "11.2 h", "2.5 h (1 of 9 from the cache)"] == texts[:3]

    def test_a_short_study_is_counted_in_minutes(self) -> None:
        """Also where everything was there already."""
        stage = {"stage": "report", "seconds": 0.0, "steps": 0, "from_cache": 0}

        figure = time_bars(results(time=[stage]))

        assert figure is not None
        assert "minutes" == figure.get_axes()[0].get_xlabel()


class TestLosses:
    def test_each_trained_generator_has_a_panel(self) -> None:
        """The painter is not trained, and conditions share a panel."""
        figure = losses(results())

        assert figure is not None
        assert ["BBDM", "CycleGAN"] == [axes.get_title() for axes in figure.get_axes()]
        assert 2 == len(figure.get_axes()[0].get_lines())

    def test_gaps_and_losses_below_nought_are_drawn(self) -> None:
        """The axis is linear then."""
        generator = {"condition": "all", "method": "cyclegan", "history": [[0, 1.0], [1, None], [2, -0.5]]}

        figure = losses(results(generators=[generator]))

        assert figure is not None
        assert "linear" == figure.get_axes()[0].get_yscale()
