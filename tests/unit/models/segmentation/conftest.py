"""Small inputs that the tests of the segmenter share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from skimage.draw import disk, polygon

from models.segmentation import network
from models.segmentation.training import TrainingConfig, new_network

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def shipped_weights() -> bytes:
    """Weights that the repository ships."""
    return (ROOT / "models" / "weights" / "segmenter_chromosome.safetensors").read_bytes()


@pytest.fixture(scope="session")
def sample_dapi() -> NDArray[np.uint8]:
    """DAPI plane of a bundled metaphase, (517, 645)."""
    return np.asarray(tifffile.imread(ROOT / "samples" / "A230150_dapi.tif"))


@pytest.fixture(scope="session")
def tiny_weights() -> bytes:
    """Weights of a network that is real but small and untrained."""
    spec = network.NetworkSpec(channels=(2, 2, 2, 4), diam_mean_px=20.0)
    return network.to_safetensors(new_network(TrainingConfig(seed=3), spec))


@pytest.fixture
def two_discs() -> NDArray[np.int32]:
    """Label image (64, 64) with two discs of radius 10 that lie apart."""
    masks = np.zeros((64, 64), np.int32)
    masks[disk((18, 18), 10)] = 1
    masks[disk((44, 44), 10)] = 2
    return masks


@pytest.fixture
def crossing_bars() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Two bars of 61 x 11 px that cross at right angles: masks without, and map of, the overlap."""
    masks = np.zeros((81, 81), np.int32)
    overlaps = np.zeros_like(masks)
    masks[polygon([35, 35, 45, 45], [10, 70, 70, 10])] = 1
    masks[polygon([10, 10, 70, 70], [35, 45, 45, 35])] = 2
    overlaps[35:46, 35:46] = 1
    masks[overlaps > 0] = 0
    return masks, overlaps
