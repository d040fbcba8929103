from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifold.rowwise import affine

Case = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


@pytest.fixture(scope="module", params=[(37, 1), (512, 2), (3, 9)], ids=["37-1", "512-2", "3-9"])
def case(request: pytest.FixtureRequest) -> Case:
    width, outputs = request.param
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(203, width)).astype(np.float32)
    return rows, rng.normal(size=(width, outputs)), rng.normal(size=outputs)


class TestAffine:
    def test_results_are_those_of_numpy_within_rounding(self, case: Case) -> None:
        """A product and a sum in 64 bits."""
        rows, matrix, offset = case

        result = affine(rows, matrix, offset)

        assert result.dtype == np.float64
        assert np.allclose(rows.astype(np.float64) @ matrix + offset, result, rtol=1e-13, atol=1e-12)

    def test_whole_numbers_are_exact(self) -> None:
        """Where no rounding happens, nothing else differs."""
        rows = np.arange(12, dtype=np.float32).reshape(4, 3)
        matrix = np.array([[1.0, -2.0], [3.0, 0.0], [0.0, 5.0]])

        assert (rows @ matrix + [10.0, 20.0] == affine(rows, matrix, np.array([10.0, 20.0]))).all()

    @pytest.mark.parametrize("size", [1, 2, 7, 64])
    def test_a_row_has_the_same_bits_in_any_batch(self, case: Case, size: int) -> None:
        """Alone, in blocks and in another order."""
        rows, matrix, offset = case
        expected = affine(rows, matrix, offset)
        order = np.random.default_rng(1).permutation(len(rows))

        blocks = [affine(rows[order][i : i + size], matrix, offset) for i in range(0, len(rows), size)]

        assert (expected[order] == np.concatenate(blocks)).all()

    def test_memory_layout_does_not_matter(self, case: Case) -> None:
        """Views, transposes and other number types are brought into order first."""
        rows, matrix, offset = case

        turned = affine(np.asfortranarray(rows), np.asfortranarray(matrix), np.repeat(offset, 2)[::2])

        assert (affine(rows, matrix, offset) == turned).all()

    def test_no_rows_give_no_rows(self, case: Case) -> None:
        """An empty batch keeps its number of columns."""
        rows, matrix, offset = case

        assert affine(rows[:0], matrix, offset).shape == (0, matrix.shape[1])

    def test_inputs_stay_as_they_are(self, case: Case) -> None:
        """The offset is not added to in place."""
        rows, matrix, offset = case
        before = [array.copy() for array in case]

        affine(rows, matrix, offset)

        assert all((old == new).all() for old, new in zip(before, case, strict=True))
