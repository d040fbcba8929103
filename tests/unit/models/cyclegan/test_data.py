"""Unpaired batches: what is in them, and that chance repeats."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.classification.augmentation import Augmentation
from models.cyclegan.data import CycleganData


@pytest.fixture
def numbered() -> NDArray[np.uint8]:
    """Canvases whose DAPI tells which one it is."""
    canvases = np.zeros((20, 3, 8, 8), np.uint8)
    canvases[:, 2] = np.arange(20, dtype=np.uint8)[:, None, None] * 10
    canvases[:, 0] = 255
    return canvases


def rows_of(dapi: torch.Tensor) -> list[int]:
    """Which canvases' DAPI these are."""
    return [round(float(value + 1.0) * 12.75) for value in dapi[:, 2, 0, 0]]


class TestCycleganData:
    def test_domains_are_dapi_and_colours(self, numbered: NDArray[np.uint8]) -> None:
        """DAPI three times; red, green, DAPI."""
        batch = CycleganData(numbered, seed=0, augmentation=Augmentation()).batch(0, 4)

        assert (4, 3, 8, 8) == tuple(batch.dapi.shape) == tuple(batch.colours.shape)
        assert torch.equal(batch.dapi[:, 0], batch.dapi[:, 2])
        assert bool((batch.colours[:, 0] == 1.0).all())
        assert bool((batch.colours[:, 1] == -1.0).all())

    def test_domains_are_drawn_independently(self, numbered: NDArray[np.uint8]) -> None:
        """A row of one domain seldom meets its own chromosome, and each order shows all of them."""
        data = CycleganData(numbered, seed=0, augmentation=Augmentation())
        batch = data.batch(0, 20)
        dapi, colours = rows_of(batch.dapi), rows_of(batch.colours)

        assert list(range(20)) == sorted(dapi) == sorted(colours)
        assert sum(a == b for a, b in zip(dapi, colours, strict=True)) < 5

    def test_domains_are_varied_independently(self, aberrations: NDArray[np.uint8]) -> None:
        """One canvas alone, turned and mirrored, does not lie alike in both domains."""
        batch = CycleganData(aberrations[:1], seed=0).batch(0, 1)

        assert not torch.equal(batch.dapi[:, 2], batch.colours[:, 2])

    def test_repeats_under_a_seed(self, aberrations: NDArray[np.uint8]) -> None:
        """A step's batch does not depend on which steps were drawn before."""
        first = CycleganData(aberrations, seed=3)
        first.batch(0, 2)
        again, other = CycleganData(aberrations, seed=3), CycleganData(aberrations, seed=4)

        assert torch.equal(first.batch(5, 2).colours, again.batch(5, 2).colours)
        assert not torch.equal(first.batch(5, 2).colours, other.batch(5, 2).colours)

    def test_needs_an_aberration(self, aberrations: NDArray[np.uint8]) -> None:
        """There is nothing to learn from nothing."""
        with pytest.raises(ValueError, match="no aberration"):
            CycleganData(aberrations[:0], seed=0)

    def test_counts_its_canvases(self, aberrations: NDArray[np.uint8]) -> None:
        """An epoch is so many pictures."""
        assert 6 == len(CycleganData(aberrations, seed=0))
