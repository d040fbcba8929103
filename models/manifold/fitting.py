"""Fitting a map with umap-learn; the only file that needs it."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.manifold.errors import ManifoldError
from models.manifold.manifold import Manifold, ManifoldSpec

TRANSFORM_SEED: Final = 42  # umap-learn's default


def fit_manifold(
    embeddings: NDArray[np.float32],
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    start: NDArray[np.float32] | None = None,
) -> Manifold:
    """Fit UMAP (McInnes et al., 2018) with two components and Euclidean distances, as the paper does.

    Parameters
    ----------
    embeddings : (N, D) float32
    seed
        The same one gives the same map on the same machine with the same number of threads of BLAS; it makes
        umap-learn itself use one thread.
    start : (N, 2) float32
        Where the rows begin, so that the new map lies as an earlier one; by default a spectral embedding.

    Raises
    ------
    ManifoldError
        There are too few rows, or they are not finite.
    """
    if embeddings.ndim != 2 or len(embeddings) <= n_neighbors:  # noqa: PLR2004 - rows and columns
        raise ManifoldError(
            f"{len(embeddings)} rows cannot be laid on a map with {n_neighbors} neighbours: give more rows, "
            "or set n_neighbors lower."
        )
    if not np.isfinite(embeddings).all():
        raise ManifoldError("The rows hold numbers that are not finite.")
    rows = np.ascontiguousarray(embeddings, np.float32)
    reducer = _fitted(rows, n_neighbors, min_dist, seed, start)
    spec = ManifoldSpec(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        a=float(reducer._a),  # noqa: SLF001 - umap-learn keeps what it fitted under private names
        b=float(reducer._b),  # noqa: SLF001
        seed=seed,
        rng_state=_rng_state(TRANSFORM_SEED),
    )
    return Manifold(spec, rows, np.asarray(reducer.embedding_, np.float32))


def _fitted(
    rows: NDArray[np.float32], n_neighbors: int, min_dist: float, seed: int, start: NDArray[np.float32] | None
) -> Any:
    with warnings.catch_warnings():
        # It tells that there is no tensorflow, and that a seed means one thread, which is what a seed is for.
        warnings.simplefilter("ignore", ImportWarning)
        import umap  # noqa: PLC0415 - takes seconds, and nothing else needs it

        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        reducer = umap.UMAP(
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            n_components=2,
            metric="euclidean",
            init="spectral" if start is None else start,
            random_state=seed,
            transform_seed=TRANSFORM_SEED,
        )
        return reducer.fit(rows)


def _rng_state(seed: int) -> tuple[int, int, int]:
    """Where `transform` begins its random numbers."""
    limits = np.iinfo(np.int32)
    # The bounds are umap-learn's INT32_MIN and INT32_MAX.
    drawn = np.random.RandomState(seed).randint(limits.min + 1, limits.max - 1, 3)
    return int(drawn[0]), int(drawn[1]), int(drawn[2])
