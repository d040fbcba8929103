"""What each method makes of a recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from models.bridge.generator import BridgeGenerator, BridgeSpec
from models.bridge.network import SIZES
from models.bridge.training import BridgeTrainer
from models.cyclegan.generator import CycleganGenerator, CycleganSpec
from models.cyclegan.training import CycleganTrainer
from models.generation.sources import Sources
from models.generation.trainer import GeneratorTrainer
from services.jobs.params import GeneratorTrainingParams
from services.pipelines import generator_methods
from services.pipelines.generator_methods import METHODS, record_every, validation_loss_of
from services.pipelines.generator_recipe import Recipe, recipe_of

SIDE = 32
CPU = torch.device("cpu")
SMALL: dict[str, dict[str, Any]] = {
    "bbdm": {"size": "small", "sample_steps": 3},
    "cyclegan": {"width": 8},
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Let torch use one thread: networks this small gain nothing from more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def canvases() -> NDArray[np.uint8]:
    """Four squares on black."""
    canvases = np.zeros((4, 3, SIDE, SIDE), np.uint8)
    canvases[:, :, 8:24, 8:24] = np.random.default_rng(0).integers(50, 250, (4, 3, 16, 16))
    return canvases


def recipe(method: str, **fields: Any) -> Recipe:
    told = {"steps": 1, "batch_size": 1, "canvas_px": SIDE} | SMALL[method] | fields
    return recipe_of(GeneratorTrainingParams(name="net", dataset="set/1", method=method, **told), 4)


def trainer(method: str, canvases: NDArray[np.uint8], **fields: Any) -> GeneratorTrainer:
    return METHODS[method].trainer(recipe(method, **fields), canvases, CPU, None)


class TestTrainer:
    def test_of_a_bridge_has_the_recipe(self, canvases: NDArray[np.uint8]) -> None:
        """Every setting arrives where it counts."""
        made = trainer(
            "bbdm",
            canvases,
            steps=500,
            prediction_type="ysubx",
            loss="l2",
            schedule="plateau",
            learning_rate=0.003,
            ema_decay=0.9,
            ema_start=7,
            ema_every=3,
            seed=5,
        )

        assert isinstance(made, BridgeTrainer)
        config = made.config
        assert (500, "ysubx", "l2", "plateau", 0.003, 5, 1) == (
            *(config.steps, config.prediction_type, config.loss, config.schedule),
            *(config.learning_rate, config.seed, config.batch_size),
        )
        assert (0.9, 7, 3) == (config.ema.decay, config.ema.start_step, config.ema.every)
        assert (3, SIZES["small"]) == (config.sampling.steps, config.network)

    def test_of_a_cyclegan_has_the_recipe(self, canvases: NDArray[np.uint8]) -> None:
        """Every setting arrives where it counts."""
        made = trainer(
            "cyclegan",
            canvases,
            cycle_weight=3.0,
            identity_weight=0.0,
            pool_size=4,
            learning_rate=0.01,
            seed=5,
        )

        assert isinstance(made, CycleganTrainer)
        config = made.config
        assert (3.0, 0.0, 4, 0.01, 5, 8, 8) == (
            *(config.cycle_weight, config.identity_weight, config.pool_size, config.learning_rate),
            *(config.seed, config.generator_width, config.discriminator_width),
        )

    def test_of_a_bridge_starts_from_given_weights(self, canvases: NDArray[np.uint8]) -> None:
        """Before the first step they are what it would generate with."""
        weights = trainer("bbdm", canvases, seed=3).weights()
        method = METHODS["bbdm"]
        again = method.trainer(recipe("bbdm", seed=4), canvases, CPU, weights)

        assert weights == again.weights()

    def test_of_a_cyclegan_refuses_weights(self, canvases: NDArray[np.uint8]) -> None:
        """One network of four is no start."""
        with pytest.raises(ValueError, match="one of its four networks"):
            METHODS["cyclegan"].trainer(recipe("cyclegan"), canvases, CPU, b"")


@pytest.mark.parametrize("method", sorted(METHODS))
class TestEntries:
    def test_rebuild_what_was_trained(self, method: str, canvases: NDArray[np.uint8]) -> None:
        """A generator made of the manifest paints what the trainer's own weights paint."""
        made = trainer(method, canvases)
        entries = METHODS[method].entries(recipe(method))
        sources = Sources(canvases, canvases[:, 2] > 0, list("abcd"), [0] * 4)
        if method == "bbdm":
            bridge = BridgeGenerator(made.weights(), BridgeSpec.from_manifest(entries), CPU)
            painted = bridge.using(made.config.sampling).generate(sources)  # type: ignore[attr-defined]
        else:
            spec = CycleganSpec.from_manifest(entries)
            painted = CycleganGenerator(made.weights(), spec, CPU).generate(sources)

        np.testing.assert_array_equal(made.sample(sources), painted)

    def test_halved_weights_are_read_again(self, method: str, canvases: NDArray[np.uint8]) -> None:
        """They fit the same network, and differ by rounding."""
        made = trainer(method, canvases)
        half = METHODS[method].halved(made.weights())
        spec = METHODS[method].entries(recipe(method))
        full = safetensors.torch.load(made.weights())
        rounded = safetensors.torch.load(half)

        assert len(half) < 0.55 * len(made.weights())
        assert set(full) == set(rounded)
        if method == "bbdm":
            BridgeGenerator(half, BridgeSpec.from_manifest(spec), CPU)
        else:
            CycleganGenerator(half, CycleganSpec.from_manifest(spec), CPU)


class TestValidationLoss:
    def test_of_a_bridge_is_the_mean_over_canvases(
        self, canvases: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many fit in a batch."""
        monkeypatch.setattr(generator_methods, "_VALIDATION_BATCH", 2)
        made = trainer("bbdm", canvases)

        assert isinstance(made, BridgeTrainer)
        parts = [made.validation_loss(canvases[:2]), made.validation_loss(canvases[2:3])]
        assert pytest.approx((2 * parts[0] + parts[1]) / 3) == validation_loss_of(made, canvases[:3])

    def test_is_none_where_it_would_tell_nothing(self, canvases: NDArray[np.uint8]) -> None:
        """Without a canvas, and for a contest of two networks."""
        assert validation_loss_of(trainer("bbdm", canvases), canvases[:0]) is None
        assert validation_loss_of(trainer("cyclegan", canvases), canvases) is None


class TestRecordEvery:
    @pytest.mark.parametrize(("steps", "every"), [(1, 1), (99, 1), (1000, 10), (25_400, 50)])
    def test_keeps_curves_smooth_and_short_trainings_visible(self, steps: int, every: int) -> None:
        """A hundred records or more, as long as there are steps."""
        assert every == record_every(steps)
