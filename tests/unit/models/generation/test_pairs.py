from __future__ import annotations

import numpy as np
import pytest
import torch

from models.generation.pairs import UNCHANGED, PairedCanvases, source_of, to_bytes, to_signed

CANVASES = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16), np.uint8)


class TestPairedCanvases:
    def test_source_is_the_targets_own_dapi(self) -> None:
        """Whatever augmentation did to a crop, it did to both."""
        batch = PairedCanvases(CANVASES, seed=1).batch(5, 4)

        assert (4, 3, 16, 16) == tuple(batch.targets.shape)
        assert torch.equal(batch.sources, batch.targets[:, 2:].expand(-1, 3, -1, -1))
        assert batch.targets.min() >= -1.0
        assert batch.targets.max() <= 1.0

    def test_every_crop_comes_once_per_epoch(self) -> None:
        """Also where batches do not divide the crops."""
        pairs = PairedCanvases(CANVASES, seed=1)
        rows = np.concatenate([pairs.batch(step, 3).rows for step in range(14)])
        epochs = rows.reshape(6, 7)

        assert all(list(range(7)) == sorted(epoch) for epoch in epochs.tolist())
        assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1

    def test_a_batch_follows_from_seed_and_step(self) -> None:
        """Steps may be drawn in any order, as after a resume."""
        first = PairedCanvases(CANVASES, seed=1)
        expected = [first.batch(step, 3) for step in range(6)]
        for step in (5, 0, 3):
            found = PairedCanvases(CANVASES, seed=1).batch(step, 3)

            assert torch.equal(expected[step].targets, found.targets)
        assert not torch.equal(expected[0].targets, PairedCanvases(CANVASES, seed=2).batch(0, 3).targets)

    def test_unchanged_pairs_are_the_canvases(self) -> None:
        """Without augmentation a target is its canvas in [-1, 1]."""
        batch = PairedCanvases(CANVASES, seed=1, augmentation=UNCHANGED).batch(0, 7)

        assert np.array_equal(CANVASES[batch.rows], to_bytes(batch.targets))

    def test_refuses_to_learn_from_nothing(self) -> None:
        """The message says what is missing."""
        with pytest.raises(ValueError, match="no aberration"):
            PairedCanvases(CANVASES[:0], seed=1)


class TestConversion:
    def test_bytes_survive(self) -> None:
        """To [-1, 1] and back is exact for every value."""
        every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, 1)

        assert np.array_equal(every, to_bytes(to_signed(every)))

    def test_values_beyond_are_clipped(self) -> None:
        """No overflow turns white into black."""
        assert [0, 255] == to_bytes(torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2)).flatten().tolist()

    def test_source_repeats_dapi(self) -> None:
        """A network that takes three channels is shown DAPI three times."""
        images = to_signed(CANVASES)

        assert torch.equal(images[:, 2], source_of(images)[:, 0])
        assert torch.equal(images[:, 2], source_of(images)[:, 1])
