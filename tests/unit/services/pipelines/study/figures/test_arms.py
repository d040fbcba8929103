from __future__ import annotations

from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from models.study.arms import ALL_ARMS, ARMS
from services.pipelines.study.figures.arms import dots, left_out
from tests.support.study_results import results


def rows(figure: Figure) -> list[str]:
    """Names at the left of the rows, headings among them."""
    return [label.get_text() for label in figure.get_axes()[0].get_yticklabels()]


def written(figure: Figure) -> list[str]:
    """Numbers written into the panels."""
    return [text.get_text() for axes in figure.get_axes() for text in axes.texts]


class TestDots:
    def test_every_arm_is_a_row(self) -> None:
        """All of them are named, in both panels."""
        figure = dots(results(), "all", "test")

        assert figure is not None
        assert {ARMS[name].title for name in ALL_ARMS} <= set(rows(figure))
        assert 2 == len(figure.get_axes())

    def test_every_seed_is_a_dot(self) -> None:
        """As many dots as seeds, beside their mean."""
        figure = dots(results(arms=["real"], seeds=[0, 1, 2, 3]), "all", "test")

        assert figure is not None
        lines = figure.get_axes()[0].get_lines()
        assert 4 in [len(line.get_xdata()) for line in lines if line.get_marker() == "o"]

    def test_an_arm_that_fails_is_an_arrow_with_its_score(self) -> None:
        """CycleGAN's arm does not squeeze the others; generators have their colours."""
        figure = dots(results(), "all", "test")

        assert figure is not None
        assert 2 == len(written(figure))
        assert 0.5 < figure.get_axes()[0].get_xlim()[0]
        colours = {to_hex(str(line.get_color())) for line in figure.get_axes()[0].get_lines()}
        assert {"#0072b2", "#009e73", "#c98500"} <= colours

    def test_an_undefined_score_is_left_out(self) -> None:
        """A seed without average precision is missing in that panel alone."""
        study = results(arms=["real", "augmented"], conditions=["all"])
        for run in study["runs"]:
            run["test"]["crops"]["natural"]["average_precision"] = None

        figure = dots(study, "all", "test")

        assert figure is not None
        f1, precision = figure.get_axes()
        assert len(f1.get_lines()) > len(precision.get_lines())

    def test_no_run_is_no_figure(self) -> None:
        """A condition that was not run, or not scored on the split."""
        assert dots(results(), "all", "left_out") is None
        assert dots(results(), "without-A06", "test") is None


class TestLeftOut:
    def test_known_and_left_out_lines_stand_in_one_row(self) -> None:
        """One condition shows both metrics for the arms it has."""
        figure = left_out(results())

        assert figure is not None
        assert ["Without C15"] * 2 == [axes.get_title() for axes in figure.get_axes()]
        assert "Real + BBDM" in rows(figure)
        assert "Real + CycleGAN" not in rows(figure)

    def test_several_conditions_are_panels_of_f1(self) -> None:
        """Each has its own; a name with dollar signs is no formula."""
        study = results(conditions=["without-C15"])
        second = {**study["conditions"][0], "name": "without-B11", "title": "Without $B11$ \\frac"}
        study["conditions"].append(second)
        study["runs"] += [{**run, "condition": "without-B11"} for run in study["runs"]]

        figure = left_out(study)

        assert figure is not None
        assert ["F1,\nper crop"] * 2 == [axes.get_xlabel() for axes in figure.get_axes()]
        figure.draw_without_rendering()

    def test_nothing_left_out_is_no_figure(self) -> None:
        """Without such a condition, or without its scores."""
        assert left_out(results(conditions=["all"])) is None
        assert left_out(results(test=False)) is None
