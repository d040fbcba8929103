"""Distances between the embeddings of synthetic and of real crops.

Fréchet distance (Heusel et al., 2017), kernel distance (Bińkowski et al., 2018), and what the nearest
neighbours say: precision and recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al.,
2020). Embeddings are our classifier's, so values compare with each other and with no published FID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

NUM_SUBSETS = 50
NEIGHBOURS = 5
_MIN_ROWS = 2

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class KernelDistance:
    """Unbiased squared maximum mean discrepancy.

    Attributes
    ----------
    value
        Of all rows; may be slightly negative where both are alike.
    std
        Of the values of `NUM_SUBSETS` random subsets, each half as large as the smaller of both sets.
        It is wider than the error of `value`, by about the root of two.
    """

    value: float
    std: float


@dataclass(frozen=True)
class Neighbourhood:
    """What the k nearest neighbours say; k is `NEIGHBOURS`.

    Attributes
    ----------
    precision
        Share of synthetic rows within the reach of a real one (its distance to its k-th neighbour).
    recall
        Share of real rows within the reach of a synthetic one.
    density
        Mean number of real reaches around a synthetic row, over k: not bound by 1.
    coverage
        Share of real rows that have a synthetic one within their reach.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(generated: Floats, real: Floats) -> float:
    """Squared Fréchet distance of the normal distributions through two sets of embeddings.

    Computed in float64 as tr √(A½ B A½) over symmetric matrices, which are never indefinite: with fewer
    rows than dimensions the covariances are singular, and this still holds, without added constants or
    shrinkage. The *estimate* is then too large, the more so the fewer the rows: compare distances of equal
    N and M only, and with the distance between two halves of the real ones.

    Parameters
    ----------
    generated : (N, D)
    real : (M, D)

    Raises
    ------
    ValueError
        Fewer than two rows, another number of columns, or a value that is not finite.
    """
    first, second = _checked(generated, real)
    offset = first.mean(axis=0) - second.mean(axis=0)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    root = _root(a)
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ b @ root), 0.0, None)).sum()
    return max(float(offset @ offset + np.trace(a) + np.trace(b) - 2.0 * shared), 0.0)


def kernel_distance(
    generated: Floats, real: Floats, *, seed: int, num_subsets: int = NUM_SUBSETS
) -> KernelDistance:
    """Kernel distance with the cubic polynomial kernel (x·y / D + 1)³; unbiased, whatever N and M.

    Parameters
    ----------
    generated : (N, D)
    real : (M, D)
    seed
        Of the subsets.

    Raises
    ------
    ValueError
        As `frechet_distance`.
    """
    first, second = _checked(generated, real)
    own, other, crossed = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    value = _discrepancy(own, other, crossed)
    size = min(len(first), len(second)) // 2
    if size < _MIN_ROWS:
        return KernelDistance(value, float("nan"))
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(num_subsets):
        rows = rng.choice(len(first), size, replace=False)
        cols = rng.choice(len(second), size, replace=False)
        values.append(
            _discrepancy(own[np.ix_(rows, rows)], other[np.ix_(cols, cols)], crossed[np.ix_(rows, cols)])
        )
    return KernelDistance(value, float(np.std(values, ddof=1)))


def neighbourhood(generated: Floats, real: Floats) -> Neighbourhood:
    """Precision, recall, density and coverage, by Euclidean distance.

    Parameters
    ----------
    generated : (N, D)
    real : (M, D)

    Raises
    ------
    ValueError
        As `frechet_distance`, or not more than `NEIGHBOURS` rows in either.
    """
    first, second = _checked(generated, real)
    if min(len(first), len(second)) <= NEIGHBOURS:
        raise ValueError(f"{NEIGHBOURS} neighbours need more rows than {len(first)} and {len(second)}.")
    apart = cdist(first, second)
    within_real = apart <= _reach(second)[None, :]
    within_generated = apart <= _reach(first)[:, None]
    return Neighbourhood(
        precision=float(within_real.any(axis=1).mean()),
        recall=float(within_generated.any(axis=0).mean()),
        density=float(within_real.sum() / (NEIGHBOURS * len(first))),
        coverage=float(within_real.any(axis=0).mean()),
    )


def nearest_other(embeddings: Floats) -> NDArray[np.float64]:
    """(N,) float64: Euclidean distance of each row to the nearest other one; empty for fewer than two."""
    if len(embeddings) < _MIN_ROWS:
        return np.empty(0)
    apart = cdist(np.asarray(embeddings, np.float64), np.asarray(embeddings, np.float64))
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def _checked(generated: Floats, real: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(generated, np.float64), np.asarray(real, np.float64)
    if first.ndim != _MIN_ROWS or second.ndim != first.ndim or first.shape[1] != second.shape[1]:
        raise ValueError(f"Embeddings must be (N, D) and (M, D), not {first.shape} and {second.shape}.")
    if min(len(first), len(second)) < _MIN_ROWS:
        raise ValueError(f"Distances need two rows of each, not {len(first)} and {len(second)}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Some embeddings are not finite.")
    return first, second


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root of a symmetric matrix that is positive but for rounding."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T)


def _kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((first @ second.T / first.shape[1] + 1.0) ** 3)


def _discrepancy(own: NDArray[np.float64], other: NDArray[np.float64], crossed: NDArray[np.float64]) -> float:
    """Mean within each set without the diagonals, less twice the mean between them."""
    within = sum(
        (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in (own, other)
    )
    return float(within - 2.0 * crossed.mean())


def _reach(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each row to its k-th neighbour, itself not counted."""
    return np.asarray(np.partition(cdist(rows, rows), NEIGHBOURS, axis=1)[:, NEIGHBOURS])
