from __future__ import annotations

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from services.pipelines.study.figures.forest import Panel, forest
from services.pipelines.study.figures.style import BETTER, NEUTRAL, WORSE
from tests.support.study_results import results

F1 = Panel("all", "test", "crops", "f1", "F1")


def study_of(**comparison: Any) -> dict[str, Any]:
    """Two arms, of which the second is compared like this."""
    study = results(arms=["augmented", "augmented-bbdm"], conditions=["all"])
    study["comparisons"] = [
        {**one, **comparison} for one in study["comparisons"] if one["arm"] == "augmented-bbdm"
    ]
    return study


def axes_of(study: dict[str, Any]) -> Axes:
    figure = forest(study, [F1])
    assert figure is not None
    return figure.get_axes()[0]


def point_of(axes: Axes) -> Line2D:
    """The arm's difference, among lines of intervals and between groups."""
    return next(line for line in axes.get_lines() if line.get_marker() == "o")


class TestForest:
    def test_arms_are_grouped_below_headings(self) -> None:
        """Twenty arms, the reference not among them, and a heading over each of four groups."""
        figure = forest(results(), [F1, F1._replace(metric="average_precision")])

        assert figure is not None
        labels = [label.get_text() for label in figure.get_axes()[0].get_yticklabels()]
        assert 20 + 4 == len(labels)
        assert "Real augmented" not in labels
        assert figure.get_suptitle().startswith("Difference to “Real augmented”")

    @pytest.mark.parametrize(
        ("both", "colour"), [([0.01, 0.05], BETTER), ([-0.01, 0.07], NEUTRAL), ([-0.05, -0.01], WORSE)]
    )
    def test_colour_follows_the_interval(self, both: list[float], colour: str) -> None:
        """An arm is called better only where the whole interval is."""
        middle = sum(both) / 2

        point = point_of(axes_of(study_of(difference=middle, both=both, over_seeds=None)))

        assert [middle] == list(point.get_xdata())
        assert colour == to_hex(str(point.get_color()))

    def test_without_intervals_a_point_is_hollow(self) -> None:
        """Nothing is claimed of a single run."""
        study = study_of(difference=0.2, both=None, over_seeds=None, over_slides=None)

        point = point_of(axes_of(study))

        assert "white" == point.get_markerfacecolor()

    def test_one_seed_leaves_the_interval_over_slides(self) -> None:
        """It is drawn thick, and the legend does not speak of seeds."""
        study = study_of(difference=0.02, both=None, over_seeds=None, over_slides=[0.01, 0.03])

        figure = forest(study, [F1])

        assert figure is not None
        assert "95 % over slides" == figure.legends[0].get_texts()[0].get_text()
        assert BETTER == to_hex(str(point_of(figure.get_axes()[0]).get_color()))

    def test_what_is_far_out_is_an_arrow_with_its_number(self) -> None:
        """CycleGAN's loss is written, and the axis stays with the others."""
        axes = axes_of(results())

        assert 1 == len(axes.texts)
        assert axes.texts[0].get_text().startswith("\N{MINUS SIGN}0.")
        assert axes.get_xlim()[1] < 0.3

    def test_the_legend_says_what_was_drawn(self) -> None:
        """Chromosomes instead of slides, where slides were too few."""
        figure = forest(study_of(resampled="chromosome within group"), [F1])

        assert figure is not None
        assert "95 % over chromosomes of each slide and seeds" == figure.legends[0].get_texts()[0].get_text()

    def test_nothing_to_compare_is_no_figure(self) -> None:
        """The reference alone, an undefined difference, or a split without scores."""
        assert forest(results(arms=["augmented"]), [F1]) is None
        assert forest(study_of(difference=None), [F1]) is None
        assert forest(results(test=False), [F1]) is None
        assert forest(results(), []) is None
