from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from services.pipelines.generator_pictures import grey_dapi, losses_png, samples_png

RED, YELLOW = (255, 0, 0), (255, 255, 0)
ORANGE = (217, 114, 43)  # the colour of validation


def decoded(png: bytes) -> NDArray[np.uint8]:
    """Return the picture as (H, W, 3), red first."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cast("NDArray[np.uint8]", picture[..., ::-1])


def painted(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one canvas (3, 16, 16) of each colour."""
    return np.stack([np.broadcast_to(np.uint8(colour)[:, None, None], (3, 16, 16)) for colour in colours])


def pixels_of(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=-1).sum())


class TestLosses:
    def test_puts_what_belongs_together_in_one_panel(self) -> None:
        """A loss of both directions takes no more room than that of one; another kind takes a panel."""
        one = [{"step": step, "loss_cycle_a": 0.5} for step in (10, 20)]
        both = [record | {"loss_cycle_b": 0.4} for record in one]
        more = [record | {"generated_diversity": 9.0} for record in both]
        unknown = [record | {"temperature": 3.0} for record in more]
        widths = [decoded(losses_png(history)).shape[1] for history in (one, both, more, unknown)]

        assert widths[0] == widths[1] < widths[2] < widths[3]

    def test_draws_validation_as_dots(self) -> None:
        """They are seen beside the training loss."""
        history = [{"step": step, "loss": 1.0 / step} for step in range(1, 50)]

        assert 0 == pixels_of(decoded(losses_png(history)), ORANGE)
        assert 20 < pixels_of(decoded(losses_png(history, {10: 0.3, 40: 0.2})), ORANGE)

    def test_writes_the_verdict_over_it(self) -> None:
        """Dollar signs are no formula."""
        history = [{"step": 1, "loss": 1.0}]

        assert losses_png(history) != losses_png(history, verdict="It cost $\\frac{$")

    @pytest.mark.parametrize("history", [[], [{"step": 1}], [{"step": 1, "loss": 0.0}]])
    def test_survives_nothing_to_draw(self, history: list[dict[str, float]]) -> None:
        """No record, no number, or a loss of nought: still a picture, without a warning."""
        assert decoded(losses_png(history)).size

    def test_the_same_numbers_give_the_same_bytes(self) -> None:
        """Artifacts are named by content, so a picture holds no date."""
        history = [{"step": 1, "loss": 1.0}]

        assert losses_png(history) == losses_png(history)


class TestSamples:
    def test_shows_colours_as_they_are(self) -> None:
        """Each canvas is enlarged eight times without a mixed pixel, row under row."""
        rows = {"real": painted(RED, YELLOW), "step 5": painted(YELLOW, YELLOW)}
        picture = decoded(samples_png(rows, ["a", "b"], "Samples"))

        assert (128 * 128, 3 * 128 * 128) == (pixels_of(picture, RED), pixels_of(picture, YELLOW))
        red, yellow = ((picture == colour).all(axis=-1).any(axis=1).nonzero()[0] for colour in (RED, YELLOW))
        assert yellow.max() > red.max()

    def test_refuses_rows_of_another_length(self) -> None:
        """A column is one source."""
        with pytest.raises(ValueError, match="'real' does not hold 1 canvases"):
            samples_png({"real": painted(RED, RED)}, ["a"], "")


class TestGreyDapi:
    def test_is_the_blue_channel_alone(self) -> None:
        """What a network is given has no colours."""
        shown = grey_dapi(painted((200, 100, 7)))

        assert {7} == set(np.unique(shown).tolist())
        assert (1, 3, 16, 16) == shown.shape
