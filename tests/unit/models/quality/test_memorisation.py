from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.memorisation import memorisation, upright


def chromosomes(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Ellipses of different sizes, smoothly coloured."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:32, :32] - 15.5
    masks = np.stack(
        [(ys / rng.uniform(9, 14)) ** 2 + (xs / rng.uniform(3, 6)) ** 2 < 1 for _ in range(count)]
    )
    noise = rng.integers(0, 256, (count, 3, 5, 5)).astype(np.float32)
    colours = np.stack(
        [cv2.resize(one.transpose(1, 2, 0), (32, 32), interpolation=cv2.INTER_CUBIC) for one in noise]
    )
    canvases = np.clip(colours, 0, 255).transpose(0, 3, 1, 2) * masks[:, None]
    return canvases.astype(np.uint8), masks


def turned(
    canvases: NDArray[np.uint8], masks: NDArray[np.bool_], angle: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Turn every crop by the same angle, then mirror it."""
    matrix = cv2.getRotationMatrix2D((15.5, 15.5), angle, 1)
    together = np.concatenate([canvases, masks[:, None] * np.uint8(255)], axis=1)
    moved = np.stack([cv2.warpAffine(one.transpose(1, 2, 0), matrix, (32, 32)) for one in together])
    mirrored = moved.transpose(0, 3, 1, 2)[..., ::-1].astype(np.uint8)
    return mirrored[:, :3], mirrored[:, 3] > 127


class TestMemorisation:
    def test_turned_and_mirrored_copies_are_found(self) -> None:
        """Each copy is flagged and names its original; new chromosomes are not flagged."""
        real = chromosomes(12, 0)
        copies, new = turned(real[0][:5], real[1][:5], 35.0), chromosomes(6, 9)
        both = (np.concatenate([copies[0], new[0]]), np.concatenate([copies[1], new[1]]))

        found = memorisation(both, [f"s{i}" for i in range(11)], real, [f"r{i}" for i in range(12)])

        assert [True] * 5 + [False] * 6 == found.copies.tolist()
        assert [0, 1, 2, 3, 4] == found.nearest[:5].tolist()
        assert (5, 5 / 11) == (found.shares()["copies"], found.shares()["copies_share"])

    def test_copies_of_the_own_source_are_told_apart(self) -> None:
        """A sample made from a training crop's DAPI is expected to resemble it."""
        real = chromosomes(6, 1)

        shares = memorisation(
            real, ["r0", "r1", "x", "y", "z", "w"], real, [f"r{i}" for i in range(6)]
        ).shares()

        assert (2, 2) == (shares["from_training_source"], shares["copies_from_training_source"])
        assert 1.0 == shares["copies_share_other_sources"]

    def test_pictures_of_one_chromosome_do_not_raise_the_threshold(self) -> None:
        """With names, only different chromosomes say what is usual."""
        canvases, masks = chromosomes(6, 2)
        real = (np.concatenate([canvases, canvases]), np.concatenate([masks, masks]))
        ids, names = [f"r{i}" for i in range(12)], [str(i % 6) for i in range(12)]

        named = memorisation(real, ids, real, ids, real_names=names)
        unnamed = memorisation(real, ids, real, ids)

        assert pytest.approx(1.0) == unnamed.threshold
        assert named.threshold < 0.95

    def test_one_real_crop_sets_no_threshold(self) -> None:
        """Nothing is flagged where nothing is known of different chromosomes."""
        real = chromosomes(1, 3)

        found = memorisation(real, ["s"], real, ["r"])

        assert [False] == found.copies.tolist()
        assert found.shares()["threshold"] is None


class TestUpright:
    def test_the_longest_axis_stands_up(self) -> None:
        """A lying chromosome is as tall as an upright one, in the middle, with its colours."""
        canvases, masks = chromosomes(3, 4)
        lying = upright(np.rot90(canvases, axes=(2, 3)).copy(), np.rot90(masks, axes=(1, 2)).copy())

        tall = lying.any(axis=(1, 3)).sum(axis=1)
        wide = lying.any(axis=(1, 2)).sum(axis=1)

        assert (tall > wide).all()
        assert canvases.mean() == pytest.approx(lying.mean(), rel=0.05)

    def test_an_empty_mask_changes_nothing(self) -> None:
        """A canvas without a chromosome stays as it is."""
        canvases = np.random.default_rng(5).integers(0, 256, (1, 3, 16, 16)).astype(np.uint8)

        assert (canvases == upright(canvases, np.zeros((1, 16, 16), bool))).all()
