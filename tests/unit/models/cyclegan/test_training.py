"""Training: it learns, it repeats, and it goes on where it was cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.classification.augmentation import Augmentation
from models.classification.preprocessing import Preprocessing
from models.cyclegan.config import CycleganConfig
from models.cyclegan.data import CycleganData, UnpairedBatch
from models.cyclegan.errors import TrainingError
from models.cyclegan.generator import CycleganGenerator, CycleganSpec
from models.cyclegan.training import RECORD, CycleganTrainer
from models.generation.sources import Sources

Make = Callable[..., CycleganTrainer]


class TestCycleganTrainer:
    def test_learns_a_simple_colouring(self) -> None:
        """All aberrations are magenta: green goes out of DAPI, the rest stays."""
        canvases = np.zeros((8, 3, 24, 24), np.uint8)
        for index, canvas in enumerate(canvases):
            canvas[[0, 2], 3 + index % 4 : 16 + index % 4, 3:21] = 255
        config = CycleganConfig(
            steps=40, batch_size=1, learning_rate=4e-3, generator_width=8, discriminator_width=8, blocks=1
        )
        data = CycleganData(canvases, seed=0, augmentation=Augmentation())
        one = CycleganTrainer(data, config, torch.device("cpu"))
        one.run(config.steps)
        masks = canvases[:, 2] > 0
        made = one.sample(Sources(canvases, masks, list("abcdefgh"), [0] * 8))
        red, green, dapi = (float(made[:, channel][masks].mean()) for channel in range(3))

        assert green < 20
        assert min(red, dapi) > 220

    def test_never_goes_beyond_the_plan(self, trainer: Make) -> None:
        """And tells where it is."""
        one = trainer()
        one.run(4)
        assert (4, 6) == (one.step, one.planned_steps)
        one.run(100)

        assert 6 == one.step

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_repeats_under_a_seed(self, trainer: Make, small: CycleganConfig, precision: str) -> None:
        """Bit for bit; another seed is another experiment."""
        runs = [trainer(replace(small, precision=precision, seed=seed)) for seed in (5, 5, 6)]
        for one in runs:
            one.run(2)
        first, again, other = (one.weights() for one in runs)

        assert first == again
        assert first != other

    @pytest.mark.parametrize("cuts", [[1], [2, 3], [3, 1, 1]])
    def test_cut_and_resumed_ends_as_an_unbroken_run(self, trainer: Make, cuts: list[int]) -> None:
        """Networks, optimisers, pools, means since the last record and history go on, bit for bit."""
        unbroken = trainer()
        unbroken.run(6)
        one = trainer()
        for steps in cuts:
            one.run(steps)
            successor = trainer()
            successor.resume(one.checkpoint())
            one = successor
        one.run(6)

        assert one.checkpoint() == unbroken.checkpoint()
        assert one.weights() == unbroken.weights()
        assert one.history == unbroken.history

    def test_all_four_networks_learn(self, trainer: Make) -> None:
        """A step changes every convolution, by about the learning rate."""
        one = trainer()
        before = {name: tensor.clone() for name, tensor in one._nets.state_dict().items()}
        one.run(1)
        moved = {
            name: float((tensor - before[name]).abs().max())
            for name, tensor in one._nets.state_dict().items()
            if name.endswith("weight")
        }

        assert all(1e-4 < distance < 3e-4 for distance in moved.values()), moved

    def test_follows_the_plan_of_the_learning_rate(self, trainer: Make) -> None:
        """The last step is small, whether the run was cut or not."""
        one = trainer()
        one.run(6)

        assert [2e-4, 2e-4, 2e-4 / 3] == pytest.approx([record["learning_rate"] for record in one.history])

    def test_records_what_happened(self, trainer: Make, small: CycleganConfig) -> None:
        """Means since the last record, and a last record at the end."""
        every, pairs = trainer(replace(small, record_every=1)), trainer(replace(small, record_every=4))
        every.run(6)
        pairs.run(6)
        single = [record["loss_generator"] for record in every.history]

        assert [4.0, 6.0] == [record["step"] for record in pairs.history]
        assert set(RECORD) == set(pairs.history[0])
        assert [np.mean(single[:4]), np.mean(single[4:])] == pytest.approx(
            [record["loss_generator"] for record in pairs.history]
        )

    def test_total_is_the_weighted_sum(self, trainer: Make) -> None:
        """So that curves can be compared across runs."""
        one = trainer()
        one.run(2)
        record = one.history[0]
        cycles = record["loss_cycle_a"] + record["loss_cycle_b"]
        identities = record["loss_identity_a"] + record["loss_identity_b"]
        total = record["loss_gan_a"] + record["loss_gan_b"] + 10.0 * (cycles + 0.5 * identities)

        assert total == pytest.approx(record["loss_generator"])

    def test_checks_before_every_step(self, trainer: Make) -> None:
        """A cancelled job ends within a step, which is not half done."""
        one = trainer()

        def stop() -> None:
            if one.step == 2:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            one.run(6, check=stop)

        assert 2 == one.step

    def test_weights_are_of_the_generator_of_colours(self, trainer: Make, sources: Sources) -> None:
        """What an artifact holds gives the same pictures as the trainer's samples."""
        one = trainer()
        one.run(2)
        spec = CycleganSpec(Preprocessing(canvas_px=32), one.network_config)
        artifact = CycleganGenerator(one.weights(), spec, torch.device("cpu"))

        assert np.array_equal(artifact.generate(sources), one.sample(sources))

    def test_divergence_is_told(self, trainer: Make, small: CycleganConfig) -> None:
        """Before an artifact is made of it."""
        one = trainer(replace(small, learning_rate=1e30))

        with pytest.raises(TrainingError, match="lower learning_rate"):
            one.run(6)

    def test_too_little_memory_names_the_batch_size(
        self, aberrations: NDArray[np.uint8], small: CycleganConfig
    ) -> None:
        """What the user can change."""

        class Greedy(CycleganData):
            """Asks for more memory than there is."""

            def batch(self, step: int, size: int) -> UnpairedBatch:
                raise torch.OutOfMemoryError(step, size)

        one = CycleganTrainer(Greedy(aberrations, seed=0), small, torch.device("cpu"))

        with pytest.raises(TrainingError, match=r"batch_size 2 at 32 px.*smaller batch_size"):
            one.run(1)

    def test_canvases_of_a_strange_size_are_refused(self, small: CycleganConfig) -> None:
        """At once."""
        data = CycleganData(np.zeros((2, 3, 30, 30), np.uint8), seed=0)

        with pytest.raises(ValueError, match="canvas_px is 30"):
            CycleganTrainer(data, small, torch.device("cpu"))
