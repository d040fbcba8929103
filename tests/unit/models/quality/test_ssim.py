from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from models.quality.ssim import max_ssim, max_ssim_among, ssim_of_pairs

Make = Callable[[int, int], NDArray[np.uint8]]


def reference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the index of scikit-image for each pair, (N, M)."""
    return np.array(
        [[structural_similarity(a, b, channel_axis=0, data_range=255) for b in second] for a in first]
    )


def noisy(count: int, seed: int, side: int = 20) -> NDArray[np.uint8]:
    """Noise over the whole canvas."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side)).astype(np.uint8)


def on_black(count: int, seed: int) -> NDArray[np.uint8]:
    """Noise in a small part of each canvas, somewhere else every time."""
    rng = np.random.default_rng(seed)
    canvases = np.zeros((count, 3, 24, 24), np.uint8)
    for canvas in canvases:
        y, x = rng.integers(0, 18, 2)
        canvas[:, y : y + 6, x : x + 9] = rng.integers(0, 256, (3, 1, 1)) * rng.random((3, 6, min(9, 24 - x)))
    return canvases


class TestMaxSsim:
    @pytest.mark.parametrize("make", [noisy, on_black])
    @pytest.mark.parametrize("block", [3, 128])
    def test_is_the_highest_index_of_scikit_image(self, make: Make, block: int) -> None:
        """The best of all pairs and its row, whatever the size of a block."""
        generated, real = make(6, 1), make(10, 2)
        expected = reference(generated, real)

        found = max_ssim(generated, real, block=block)

        assert expected.max(axis=1) == pytest.approx(found.values, abs=1e-6)
        assert expected.argmax(axis=1).tolist() == found.nearest.tolist()

    def test_near_copies_in_bright_light_lose_no_digits(self) -> None:
        """Grey levels of 250 and more leave tiny variances between huge sums."""
        rng = np.random.default_rng(3)
        bright = rng.integers(250, 256, (5, 3, 64, 64)).astype(np.uint8)
        near = rng.integers(250, 256, bright.shape).astype(np.uint8)

        assert reference(bright, near).max(axis=1) == pytest.approx(max_ssim(bright, near).values, abs=1e-6)

    def test_names_keep_pairs_apart(self) -> None:
        """A crop is not compared with one of its own name."""
        canvases = noisy(3, 4)

        found = max_ssim(canvases, canvases, apart=(["a", "b", "c"], ["a", "a", "c"]))

        assert [2, 1] == found.nearest[:2].tolist()
        assert found.nearest[2] in {0, 1}
        assert pytest.approx(1.0) == found.values[1]

    def test_nothing_to_compare_with_is_not_a_number(self) -> None:
        """Without a real crop, or with none of another name, there is no value and no row."""
        canvases = noisy(2, 5)

        without = max_ssim(canvases, canvases[:0])
        same = max_ssim(canvases, canvases, apart=("aa", "aa"))

        assert np.isnan(without.values).all()
        assert np.isnan(same.values).all()
        assert [-1, -1] == without.nearest.tolist() == same.nearest.tolist()

    def test_black_canvases_are_alike(self) -> None:
        """Two black canvases agree everywhere; a black and a bright one in no channel."""
        black = np.zeros((1, 3, 16, 16), np.uint8)
        bright = np.full_like(black, 255)
        expected = reference(black, bright)[0, 0]

        assert pytest.approx(1.0) == max_ssim(black, black).values[0]
        assert pytest.approx(expected, abs=1e-6) == max_ssim(black, bright).values[0]

    def test_check_can_stop(self) -> None:
        """What the callback raises ends the comparison."""

        def stop() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            max_ssim(noisy(1, 0), noisy(1, 1), check=stop)

    @pytest.mark.parametrize(
        ("generated", "real", "told"),
        [
            (noisy(1, 0), noisy(1, 0, side=24), "different sizes"),
            (noisy(1, 0).astype(np.float32), noisy(1, 0), "uint8"),
            (noisy(1, 0, side=6), noisy(1, 0, side=6), "7 px"),
        ],
    )
    def test_other_arrays_are_refused(
        self, generated: NDArray[np.uint8], real: NDArray[np.uint8], told: str
    ) -> None:
        """Sizes that differ, another type and canvases smaller than a window are named."""
        with pytest.raises(ValueError, match=told):
            max_ssim(generated, real)

    def test_too_few_names_are_refused(self) -> None:
        """Every crop needs a name once names are given."""
        with pytest.raises(ValueError, match="1 and 2 names"):
            max_ssim(noisy(2, 0), noisy(2, 1), apart=("a", "ab"))


class TestMaxSsimAmong:
    def test_a_crop_is_not_its_own_neighbour(self) -> None:
        """The highest index off the diagonal."""
        canvases = on_black(6, 6)
        expected = reference(canvases, canvases)
        np.fill_diagonal(expected, -1.0)

        found = max_ssim_among(canvases)

        assert expected.max(axis=1) == pytest.approx(found.values, abs=1e-6)

    def test_pictures_of_one_chromosome_are_left_out(self) -> None:
        """Of two equal crops of one name, the third is the nearest."""
        first, third = noisy(2, 7)

        found = max_ssim_among(np.stack([first, first, third]), ["a", "a", "b"])

        assert [2, 2, 0] == found.nearest.tolist()


class TestSsimOfPairs:
    def test_compares_row_by_row(self) -> None:
        """The diagonal of the full matrix."""
        first, second = noisy(4, 8), noisy(4, 9)

        assert np.diag(reference(first, second)) == pytest.approx(ssim_of_pairs(first, second), abs=1e-6)

    def test_rows_without_a_partner_are_refused(self) -> None:
        """Both need as many rows."""
        with pytest.raises(ValueError, match="2 images cannot be paired with 1"):
            ssim_of_pairs(noisy(2, 0), noisy(1, 0))
