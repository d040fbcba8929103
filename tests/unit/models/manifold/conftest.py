"""One map that umap-learn fitted, as its own object and as ours, with rows that are new to both."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifold.fitting import fit_manifold
from models.manifold.manifold import Manifold

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # it tells that there is no tensorflow
    import umap

DIMENSIONS = 32
NUM_EMBEDDINGS = 500  # so few that umap-learn looks for exact neighbours
NUM_ROWS = 150  # more than a block, and no multiple of the lanes
SEED = 3


def blobs(num_rows: int, seed: int) -> NDArray[np.float32]:
    """Rows around five centres, some of them between two."""
    centres = np.random.default_rng(0).normal(size=(5, DIMENSIONS)) * 1.5
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, (2, num_rows))
    share = np.where(rng.random(num_rows) < 0.3, rng.random(num_rows), 0.0)[:, None]
    middle = centres[first] * (1.0 - share) + centres[second] * share
    return (middle + rng.normal(size=(num_rows, DIMENSIONS))).astype(np.float32)


@pytest.fixture(scope="session")
def embeddings() -> NDArray[np.float32]:
    return blobs(NUM_EMBEDDINGS, 1)


@pytest.fixture(scope="session")
def rows() -> NDArray[np.float32]:
    """New rows: among the embeddings, equal to one of them, and far from all."""
    fresh = blobs(NUM_ROWS, 2)
    fresh[5] = blobs(NUM_EMBEDDINGS, 1)[17]
    fresh[6] *= 30.0
    return fresh


@pytest.fixture(scope="session")
def manifold(embeddings: NDArray[np.float32]) -> Manifold:
    return fit_manifold(embeddings, seed=SEED)


@pytest.fixture(scope="session")
def reducer(embeddings: NDArray[np.float32]) -> Any:
    """umap-learn's own map of the same embeddings, made with its defaults."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        return umap.UMAP(random_state=SEED).fit(embeddings)
