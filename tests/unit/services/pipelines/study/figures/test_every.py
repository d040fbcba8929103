from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from services.pipelines.study.figures.every import FIGURES, figures_of
from services.pipelines.study.figures.pictures import StudyPictures
from tests.support.study_results import pictures, results


def shape_of(png: bytes | None) -> tuple[int, ...]:
    """Height and width of a picture that has to be there."""
    assert png is not None
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.shape[:2]


@pytest.fixture(scope="module")
def drawn() -> dict[str, bytes | None]:
    """All figures of a whole study."""
    return figures_of(results(), pictures())


class TestFiguresOf:
    @pytest.mark.parametrize("name", FIGURES)
    def test_every_figure_fits_on_a_page(self, drawn: dict[str, bytes | None], name: str) -> None:
        """They are as wide as the text, and no higher than a page."""
        height, width = shape_of(drawn[name])

        assert 1072 == width
        assert 150 < height <= 1440

    def test_nothing_is_drawn_of_nothing(self) -> None:
        """An unfinished study without runs, crops and times has no figures, and does not fail."""
        empty = StudyPictures(*(np.zeros((0, 3, 8, 8), np.uint8),) * 2)

        figures = figures_of(results(conditions=[], generators=[], time=[]), empty)

        assert dict.fromkeys(FIGURES) == figures

    def test_without_test_scores_validation_is_shown(self) -> None:
        """Arms are compared on what there is; lines that were left out were not scored."""
        figures = figures_of(results(test=False, seeds=[0]), replace(pictures(), curves={}))

        missing = {name for name, png in figures.items() if png is None}
        assert {"pr", "left_out", "forest_left_out"} == missing

    def test_is_the_same_again(self) -> None:
        """The same study gives the same bytes."""
        some = results(conditions=["aberrations-50"], arms=["real", "augmented"])

        first, second = (figures_of(some, replace(pictures(), galleries={}, map=None)) for _ in range(2))

        assert first == second
