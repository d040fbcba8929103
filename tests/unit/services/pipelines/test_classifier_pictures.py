from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.classification.evaluation import Evaluation, evaluate
from models.classification.records import EpochRecord
from services.pipelines.classifier_pictures import (
    MAX_TILES,
    gallery_png,
    reliability_png,
    roc_pr_png,
    training_png,
)

RED, YELLOW = (255, 0, 0), (255, 255, 0)


def decoded(png: bytes) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3), red first."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cast("NDArray[np.uint8]", picture[..., ::-1])


def evaluated(labels: list[int]) -> Evaluation:
    """Evaluate one made-up chromosome for each label, every second one called rightly."""
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1, len(labels)) + np.array(labels)
    keys = [str(index) for index in range(len(labels))]
    logits = np.stack([-odds, odds], axis=1)
    return evaluate(logits, labels, keys, keys, temperature=1.0, threshold=0.5, seed=0, num_bootstrap=0)


def painted(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one canvas (3, 16, 16) of each colour."""
    return np.stack([np.broadcast_to(np.uint8(colour)[:, None, None], (3, 16, 16)) for colour in colours])


def tiles_of(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    """Count enlarged tiles (192 x 192) of a colour."""
    return int((picture == colour).all(axis=-1).sum()) // (192 * 192)


class TestTraining:
    def test_draws_seeds_and_gaps(self) -> None:
        """Epochs without validation figures leave gaps; several seeds fit in one picture."""
        history = [
            EpochRecord(0.7, None, None, None),
            EpochRecord(0.5, 0.6, 0.1, 0.2),
            EpochRecord(0.3, 0.6, 0.4, 0.4),
        ]

        picture = decoded(training_png([history, history[:2]], best=1))

        assert (360, 1100, 3) == picture.shape
        assert len(np.unique(picture)) > 10

    @pytest.mark.parametrize("histories", [[], [[]], [[EpochRecord(0.0, None, None, None)]]])
    def test_survives_nothing_to_draw(self, histories: list[list[EpochRecord]]) -> None:
        """No seed, no epoch, or a loss of nought: still a picture, without a warning."""
        assert decoded(training_png(histories)).size


class TestCurves:
    @pytest.mark.parametrize("draw", [roc_pr_png, reliability_png])
    @pytest.mark.parametrize("labels", [[], [0, 0, 0], [1, 1], [0, 0, 1, 0, 1, 1]])
    def test_are_drawn_as_far_as_they_are_defined(self, draw: Any, labels: list[int]) -> None:
        """A split without crops or with one class only is no error."""
        assert decoded(draw({"validation": evaluated(labels), "test": evaluated([0, 1])})).size

    @pytest.mark.parametrize("draw", [roc_pr_png, reliability_png])
    def test_of_no_split_are_empty_axes(self, draw: Any) -> None:
        """Nothing evaluated, nothing drawn."""
        assert decoded(draw({})).size

    def test_the_same_numbers_give_the_same_bytes(self) -> None:
        """Artifacts are named by content, so a picture holds no date."""
        evaluations = {"test": evaluated([0, 0, 1, 0, 1])}

        assert roc_pr_png(evaluations) == roc_pr_png(evaluations)


class TestGallery:
    def test_shows_colours_as_they_are(self) -> None:
        """Red stays red and yellow yellow, enlarged twelve times without a mixed pixel."""
        picture = decoded(gallery_png(painted(RED, YELLOW, YELLOW), ["a", "b", "c"], "Colours"))

        assert (1, 2) == (tiles_of(picture, RED), tiles_of(picture, YELLOW))

    def test_stops_at_forty_eight(self) -> None:
        """More crops do not make a larger picture."""
        canvases = painted(*[RED] * (MAX_TILES + 5))

        assert MAX_TILES == tiles_of(decoded(gallery_png(canvases, [""] * len(canvases), "Many")), RED)

    def test_of_nothing_says_so(self) -> None:
        """Without a crop there is a title on a low strip."""
        picture = decoded(gallery_png(painted(RED)[:0], [], "Missed"))

        assert 100 > picture.shape[0]
        assert len(np.unique(picture)) > 3

    def test_takes_any_caption(self) -> None:
        """Dollar signs are no formula."""
        assert decoded(gallery_png(painted(RED), ["$\\frac{$ {}"], "$")).size

    def test_refuses_missing_captions(self) -> None:
        """Every crop has one."""
        with pytest.raises(ValueError, match="1 canvases have 0 captions"):
            gallery_png(painted(RED), [], "None")
