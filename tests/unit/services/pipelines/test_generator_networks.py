"""What is kept of a training while it runs; resuming is in the integration tests."""

from __future__ import annotations

import numpy as np
import pytest

from services.pipelines.errors import ItemError
from services.pipelines.generator_networks import Moment, check_finite, moments_of, told


class TestMoments:
    @pytest.mark.parametrize(
        ("planned", "steps"), [(1, (1,)), (2, (1, 2)), (4, (1, 2, 3, 4)), (1000, (100, 250, 500, 750, 1000))]
    )
    def test_lie_in_the_training_and_at_its_end(self, planned: int, steps: tuple[int, ...]) -> None:
        """A short training has fewer of them, each once."""
        assert steps == moments_of(planned)


class TestMoment:
    @pytest.mark.parametrize("loss", [None, 0.0, 0.25])
    def test_survives_being_stored(self, loss: float | None) -> None:
        """Also without a validation loss."""
        canvases = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 4), dtype=np.uint8)
        read = Moment.from_bytes(Moment(7, canvases, loss).to_bytes())

        assert (7, loss) == (read.step, read.validation_loss)
        np.testing.assert_array_equal(canvases, read.canvases)


class TestCheckFinite:
    def test_lets_numbers_pass(self) -> None:
        """Also before the first record, and after one that was overcome."""
        check_finite([], 3)
        check_finite([{"step": 1, "loss": np.inf}, {"step": 2, "loss": 0.5}], 3)

    @pytest.mark.parametrize("loss", [np.nan, np.inf])
    def test_ends_a_training_that_diverged(self, loss: float) -> None:
        """It says when, and what to do."""
        with pytest.raises(ItemError, match=r"not finite at step 7.*lower learning_rate"):
            check_finite([{"step": 5, "loss": loss}], 7)


class TestTold:
    @pytest.mark.parametrize(
        ("record", "left_s", "message"),
        [
            ({"step": 5, "loss": 0.51234, "learning_rate": 1e-4}, 90, "loss 0.5123, 90 s left"),
            (
                {"step": 5, "loss_generator": 3.0, "loss_discriminator_b": 0.25, "loss_cycle_a": 1.0},
                600,
                "loss generator 3.0000, loss discriminator b 0.2500, 10 min left",
            ),
            ({"step": 5}, 9000, "2.5 h left"),
        ],
    )
    def test_has_losses_and_the_time_left(
        self, record: dict[str, float], left_s: float, message: str
    ) -> None:
        """Those of the last record that a person follows."""
        assert message == told([{"step": 1, "loss": 9.0}, record], left_s)

    def test_has_no_loss_before_the_first_record(self) -> None:
        """Only how long it may take."""
        assert "3 s left" == told([], 3)
