from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.segmentation.augmentation import AugmentationRanges, disturb, random_crop
from models.segmentation.flows import flow_targets

PLAIN = AugmentationRanges((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), 0.0, 0.0, 0.0)


def crop_of(
    masks: NDArray[np.int32], seed: int, ranges: AugmentationRanges = PLAIN
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    image = (masks > 0).astype(np.float32)
    return random_crop(
        image, flow_targets(masks), np.ones_like(image), 96, rng=np.random.default_rng(seed), ranges=ranges
    )


class TestRandomCrop:
    def test_flows_turn_with_the_image(self) -> None:
        """Flows of a turned and mirrored crop are those computed from its own turned foreground."""
        masks = np.zeros((80, 80), np.int32)
        masks[20:60, 32:46] = 1
        targets = [crop_of(masks, seed)[1] for seed in range(12)]
        whole = [target for target in targets if target[0].sum() > 0.95 * masks.sum()]

        cosines = []
        for target in whole:
            expected = flow_targets((target[0] > 0).astype(np.int32))
            cosines.append(np.median((expected[1:] * target[1:]).sum(axis=0)[target[0] > 0]))

        assert len(cosines) >= 4
        assert min(cosines) > 0.97

    def test_same_generator_gives_the_same_crop(self, two_discs: NDArray[np.int32]) -> None:
        """A crop follows from its seed alone."""
        first = crop_of(two_discs, 5, AugmentationRanges())
        second = crop_of(two_discs, 5, AugmentationRanges())

        for expected, actual in zip(first, second, strict=True):
            np.testing.assert_array_equal(expected, actual)

    def test_nothing_is_learned_outside_the_image(self, two_discs: NDArray[np.int32]) -> None:
        """Where a crop reaches beyond the image its weight is zero, and it holds no foreground."""
        _, target, weight = crop_of(two_discs, 1)

        assert weight.min() == 0.0
        assert (target[0][weight == 0.0] == 0.0).all()

    def test_image_without_labels_still_gives_a_crop(self) -> None:
        """An image that holds no instance is cut anywhere."""
        image, target, _ = crop_of(np.zeros((50, 40), np.int32), 0)

        assert image.shape == (96, 96)
        assert target.max() == 0.0


class TestDisturb:
    def test_neutral_ranges_change_nothing(self) -> None:
        """With every step switched off, an image stays what it is."""
        crop = np.random.default_rng(0).random((16, 16), np.float32)

        disturbed = disturb(crop, np.random.default_rng(1), PLAIN)

        np.testing.assert_allclose(crop, disturbed, atol=1e-6)

    def test_default_ranges_keep_values_finite(self) -> None:
        """Values beyond [0, 1], which normalisation leaves, survive every step."""
        crop = np.linspace(-0.5, 3.0, 256, dtype=np.float32).reshape(16, 16)

        disturbed = [disturb(crop, np.random.default_rng(s), AugmentationRanges()) for s in range(20)]

        assert np.isfinite(disturbed).all()
        assert {d.dtype for d in disturbed} == {np.dtype(np.float32)}
