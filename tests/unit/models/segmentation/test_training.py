from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.segmentation import network
from models.segmentation.augmentation import AugmentationRanges
from models.segmentation.metrics import Counts, count_matches, overlap_of
from models.segmentation.network import NetworkSpec
from models.segmentation.segmenter import CellposeSegmenter
from models.segmentation.training import (
    LabelledImage,
    SegmenterTrainer,
    TrainingConfig,
    new_network,
    segmentation_loss,
)
from tests.support.stopping import StoppedError, stop_after

CPU = torch.device("cpu")
SPEC = NetworkSpec(channels=(4, 8, 8, 8), diam_mean_px=20.0)
QUICK = TrainingConfig(
    epochs=2, crops_per_image=2, crop_px=32, batch_size=2, diameter_px=20.0, precision="float32"
)


def labelled(masks: NDArray[np.int32]) -> LabelledImage:
    noise = np.random.default_rng(0).normal(0.0, 3.0, masks.shape)
    return LabelledImage((20 + 150 * (masks > 0) + noise).astype(np.uint8), masks)


def trained(masks: NDArray[np.int32], config: TrainingConfig, epochs: int) -> SegmenterTrainer:
    trainer = SegmenterTrainer(new_network(config, SPEC), [labelled(masks)], config, CPU)
    for _ in range(epochs):
        trainer.run_epoch()
    return trainer


class TestSegmenterTrainer:
    def test_tiny_network_learns_two_discs(self, two_discs: NDArray[np.int32]) -> None:
        """Seconds of training are enough for a network of four channels to find both discs."""
        config = TrainingConfig(
            epochs=24,  # half as many do on some processors
            crops_per_image=16,
            crop_px=32,
            batch_size=2,
            learning_rate=1e-2,
            diameter_px=20.0,
            precision="float32",
            ranges=AugmentationRanges(scale=(0.9, 1.1), max_blur_px=0.0, max_noise=0.0, max_haze=0.0),
        )
        trainer = trained(two_discs, config, config.epochs)

        segmenter = CellposeSegmenter(network.to_safetensors(trainer.net), CPU)
        found = segmenter.segment(labelled(two_discs).dapi)

        counts = count_matches(overlap_of(two_discs, found.masks), 0.7)
        assert Counts(2, 0, 0) == counts
        assert trainer.losses[-1] < 0.5 * trainer.losses[0]

    def test_resumed_run_equals_an_unbroken_one(self, two_discs: NDArray[np.int32]) -> None:
        """A checkpoint restores everything that matters: the weights end up bit-identical."""
        unbroken = trained(two_discs, QUICK, 2)
        checkpoint = trained(two_discs, QUICK, 1).checkpoint()

        resumed = SegmenterTrainer(network.build(SPEC), [labelled(two_discs)], QUICK, CPU)
        resumed.resume(checkpoint)
        resumed.run_epoch()

        assert network.to_safetensors(unbroken.net) == network.to_safetensors(resumed.net)
        assert unbroken.losses == resumed.losses
        assert resumed.epoch == 2

    @pytest.mark.parametrize("batches", [1, 2])
    def test_stopped_amid_an_epoch_it_goes_on_as_an_unbroken_one(
        self, two_discs: NDArray[np.int32], batches: int
    ) -> None:
        """A checkpoint keeps the batches that were done, and their losses."""
        config = replace(QUICK, epochs=1, crops_per_image=5)
        unbroken = trained(two_discs, config, 1)
        cut, resumed = trained(two_discs, config, 0), trained(two_discs, config, 0)

        with pytest.raises(StoppedError):
            cut.run_epoch(check=stop_after(batches))
        resumed.resume(cut.checkpoint())
        before = resumed.position
        resumed.run_epoch()

        assert (0, batches) == before
        assert network.to_safetensors(unbroken.net) == network.to_safetensors(resumed.net)
        assert (unbroken.losses, (1, 0)) == (resumed.losses, resumed.position)

    def test_same_seed_gives_the_same_weights(self, two_discs: NDArray[np.int32]) -> None:
        """Training follows from seed, data and configuration."""
        first, second = (trained(two_discs, QUICK, 1) for _ in range(2))

        assert network.to_safetensors(first.net) == network.to_safetensors(second.net)

    def test_other_seed_gives_other_weights(self) -> None:
        """The seed is really used, from the first weights on."""
        other = TrainingConfig(seed=1)

        first, second = new_network(QUICK, SPEC), new_network(other, SPEC)

        assert network.to_safetensors(first) != network.to_safetensors(second)

    def test_diameter_of_the_images_is_stored_in_the_weights(self, two_discs: NDArray[np.int32]) -> None:
        """The segmenter later takes it as the default, so no one has to remember it."""
        trainer = trained(two_discs, QUICK, 0)

        segmenter = CellposeSegmenter(network.to_safetensors(trainer.net), CPU)

        assert segmenter.default_diameter_px == 20.0

    def test_check_is_called_before_every_batch(self, two_discs: NDArray[np.int32]) -> None:
        """A caller can stop between batches; what it raises comes through."""
        trainer = trained(two_discs, QUICK, 0)

        with pytest.raises(StoppedError):
            trainer.run_epoch(check=stop_after(0))

        assert trainer.position == (0, 0)

    def test_no_images_is_an_error(self) -> None:
        """Nothing can be learned from nothing."""
        with pytest.raises(ValueError, match="at least one"):
            SegmenterTrainer(network.build(SPEC), [], QUICK, CPU)

    def test_unknown_precision_lists_the_known_ones(self, two_discs: NDArray[np.int32]) -> None:
        """A misspelt option is an error, not a default."""
        config = TrainingConfig(precision="half")

        with pytest.raises(ValueError, match="'auto', 'float32' or 'bfloat16'"):
            SegmenterTrainer(network.build(SPEC), [labelled(two_discs)], config, CPU)

    def test_learning_rate_warms_up_and_falls_to_almost_nothing(self, two_discs: NDArray[np.int32]) -> None:
        """The rate rises over the first epochs and ends near zero."""
        config = TrainingConfig(epochs=20, warmup_epochs=3, learning_rate=1.0, diameter_px=20.0)
        trainer = SegmenterTrainer(new_network(config, SPEC), [labelled(two_discs)], config, CPU)
        rates = []
        for epoch in range(20):
            trainer.epoch = epoch
            rates.append(trainer._learning_rate())

        assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
        assert rates[3:] == sorted(rates[3:], reverse=True)
        assert rates[-1] < 0.05


class TestSegmentationLoss:
    def test_perfect_output_has_no_loss(self) -> None:
        """Flows times five and a certain foreground cost nothing."""
        target = torch.zeros(1, 3, 4, 4)
        target[:, 0], target[:, 1] = 1.0, 1.0
        output = torch.stack([5.0 * target[:, 1], 5.0 * target[:, 2], torch.full((1, 4, 4), 50.0)], dim=1)

        loss = segmentation_loss(output, target, torch.ones(1, 4, 4))

        assert loss.item() == pytest.approx(0.0, abs=1e-6)

    def test_pixels_without_weight_do_not_count(self) -> None:
        """What lies outside the image has no say."""
        target, output = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
        output[..., 0, 0] = 100.0
        weight = torch.ones(1, 4, 4)
        weight[0, 0, 0] = 0.0

        loss = segmentation_loss(output, target, weight)

        assert loss.item() == pytest.approx(np.log(2.0))
