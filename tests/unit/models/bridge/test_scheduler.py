from __future__ import annotations

import numpy as np
import pytest
import torch

from models.bridge.official import schedule_of
from models.bridge.scheduler import BrownianBridge
from tests.support import official_bbdm

TYPES = ["grad", "noise", "ysubx"]


class TestSchedule:
    @pytest.mark.parametrize(
        "name",
        ["m_t", "m_tminus", "variance_t", "variance_tminus", "variance_t_tminus", "posterior_variance_t"],
    )
    def test_is_the_official_one(self, name: str) -> None:
        """Every buffer of the official model agrees to 1e-6."""
        np.testing.assert_allclose(
            schedule_of(BrownianBridge())[name], official_bbdm.recorded()[f"schedule/{name}"], atol=1e-6
        )

    def test_variance_nearly_vanishes_at_both_ends(self) -> None:
        """A bridge is held at both ends, and freest in the middle."""
        variance = BrownianBridge().variance

        assert 0.002 == pytest.approx(variance[0], rel=0.01)
        assert variance[0] == pytest.approx(variance[-1])
        assert 0.5 == pytest.approx(variance.max(), abs=1e-5)
        assert variance.argmax() in (499, 500)

    def test_scales_with_its_largest_variance(self) -> None:
        """S of the paper multiplies δ."""
        np.testing.assert_allclose(0.3 * BrownianBridge().variance, BrownianBridge(max_variance=0.3).variance)


class TestTimesteps:
    @pytest.mark.parametrize("steps", [10, 20, 50, 200])
    def test_are_the_official_ones(self, steps: int) -> None:
        """The list of the accelerated sampler agrees exactly."""
        expected = official_bbdm.recorded()[f"sampling/timesteps_{steps}"].tolist()

        assert expected == BrownianBridge().timesteps(steps)

    @pytest.mark.parametrize("steps", [3, 4, 7, 333, 500, 1000])
    def test_fall_from_the_last_to_zero(self, steps: int) -> None:
        """Whatever their number, no time comes twice."""
        times = BrownianBridge().timesteps(steps)

        assert (999, 0) == (times[0], times[-1])
        assert sorted(set(times), reverse=True) == times

    @pytest.mark.parametrize("steps", [2, 5, 10, 100, 999, 1000])
    def test_cosine_ones_are_as_many_as_asked_for(self, steps: int) -> None:
        """From the last to zero, none twice, however many there are."""
        times = BrownianBridge().cosine_timesteps(steps)

        assert steps == len(times)
        assert (999, 0) == (times[0], times[-1])
        assert np.diff(times).max() < 0

    def test_cosine_ones_are_dense_at_both_ends(self) -> None:
        """Steps are short where the bridge changes fastest, and alike from either end."""
        gaps = -np.diff(BrownianBridge().cosine_timesteps(15))

        assert gaps[0] < 0.2 * gaps[7]
        assert 1 >= np.abs(gaps - gaps[::-1]).max()

    @pytest.mark.parametrize("steps", [0, 1, 1001])
    def test_refuses_too_few_and_too_many(self, steps: int) -> None:
        """The message names the range."""
        with pytest.raises(ValueError, match="use 3 to 1000"):
            BrownianBridge().timesteps(steps)
        with pytest.raises(ValueError, match="use 2 to 1000"):
            BrownianBridge().cosine_timesteps(steps)


@pytest.mark.parametrize("prediction_type", TYPES)
class TestPrediction:
    def test_noisy_images_and_targets_are_the_official_ones(self, prediction_type: str) -> None:
        """What the network is shown, and what it should answer."""
        bridge = BrownianBridge(prediction_type)
        batch = [official_bbdm.tensor(f"batch/{name}") for name in ("x0", "y", "noise", "t")]
        recorded = {
            name: official_bbdm.tensor(f"train/{prediction_type}/{name}") for name in ("x_t", "target")
        }

        torch.testing.assert_close(bridge.add_noise(*batch), recorded["x_t"], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(bridge.target(*batch), recorded["target"], atol=1e-6, rtol=1e-5)

    def test_loss_is_the_official_one(self, prediction_type: str) -> None:
        """The mean absolute error of the official network's own output."""
        bridge = BrownianBridge(prediction_type)
        batch = [official_bbdm.tensor(f"batch/{name}") for name in ("x0", "y", "noise", "t")]
        output = official_bbdm.tensor(f"train/{prediction_type}/prediction")
        expected = float(official_bbdm.recorded()[f"train/{prediction_type}/loss_l1"])

        assert expected == pytest.approx(float((output - bridge.target(*batch)).abs().mean()), rel=1e-6)

    def test_reads_the_image_from_a_prediction_as_the_official_code_does(self, prediction_type: str) -> None:
        """x̂_0 of the official network's own output."""
        recorded = {
            name: official_bbdm.tensor(f"train/{prediction_type}/{name}")
            for name in ("x_t", "prediction", "x0_hat")
        }
        found = BrownianBridge(prediction_type).predict_x0(
            recorded["prediction"],
            recorded["x_t"],
            official_bbdm.tensor("batch/y"),
            official_bbdm.tensor("batch/t"),
        )

        # With "noise", one over 1 - m_t = 0.001 magnifies float32's rounding.
        torch.testing.assert_close(found, recorded["x0_hat"], atol=1e-5, rtol=1e-5)

    def test_target_leads_back_to_the_image(self, prediction_type: str) -> None:
        """A network that predicts the target exactly has found x_0, at every time."""
        bridge = BrownianBridge(prediction_type)
        generator = torch.Generator().manual_seed(0)
        x0, y, noise = (torch.randn(50, 3, 4, 4, generator=generator) for _ in range(3))
        t = torch.arange(0, 1000, 20)
        x_t, target = bridge.add_noise(x0, y, noise, t), bridge.target(x0, y, noise, t)

        torch.testing.assert_close(bridge.predict_x0(target, x_t, y, t), x0, atol=2e-4, rtol=1e-4)


class TestStep:
    @pytest.mark.parametrize("index", [0, 1, 100, 198])
    def test_is_the_official_one(self, index: int) -> None:
        """One reverse step with given noise, at both ends and in the middle."""
        bridge = BrownianBridge()
        x0, y, noise = (official_bbdm.tensor(f"batch/{name}") for name in ("x0", "y", "noise"))
        times = (
            int(official_bbdm.recorded()[f"step/{index}/from_t"]),
            int(official_bbdm.recorded()[f"step/{index}/to_t"]),
        )
        x_t, t = 0.3 * x0 + 0.7 * y, torch.full((4,), times[0])
        with torch.inference_mode():
            output = official_bbdm.network()(x_t, t, y)
        x0_hat = bridge.predict_x0(output, x_t, y, t).clamp(-1.0, 1.0)
        x_next = bridge.step(x0_hat, x_t, y, times, noise=noise)

        torch.testing.assert_close(x0_hat, official_bbdm.tensor(f"step/{index}/x0_hat"), atol=2e-6, rtol=1e-5)
        # The official code's 1 - m_t, near 0.001, is rounded to float32.
        torch.testing.assert_close(x_next, official_bbdm.tensor(f"step/{index}/x_next"), atol=2e-5, rtol=1e-5)

    def test_asks_for_noise_where_it_is_needed(self) -> None:
        """Forgotten noise is an error, not a silent η of 0."""
        image = torch.zeros(1, 3, 2, 2)

        with pytest.raises(ValueError, match="needs noise"):
            BrownianBridge().step(image, image, image, (500, 400), eta=0.5)


class TestBrownianBridge:
    def test_refuses_an_unknown_prediction(self) -> None:
        """The message lists what there is."""
        with pytest.raises(ValueError, match="use one of grad, noise, ysubx"):
            BrownianBridge("velocity")
