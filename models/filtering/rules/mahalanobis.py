"""Mahalanobis distance to the aberrations in all dimensions of the embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import (
    Floats,
    blocks,
    checked_references,
    joined,
    row_sums,
    share_below,
)
from models.filtering.errors import FilterError
from models.filtering.rules.face import Method
from models.filtering.scores import NO_COMPONENT, Judgement
from models.manifold.rowwise import affine
from models.quality.stopping import Check, never_stop


class Whitening:
    """A normal distribution, as the map that turns it into the standard one.

    Parameters
    ----------
    mean : (D,)
    matrix : (D, D)
        Upper triangular, with a positive diagonal: (x - mean) @ matrix has unit covariance.

    Raises
    ------
    FilterError
        They are something else.
    """

    def __init__(self, mean: Floats, matrix: Floats) -> None:
        self.mean = np.ascontiguousarray(mean, np.float64)
        self.matrix = np.ascontiguousarray(matrix, np.float64)
        if self.mean.ndim != 1 or self.matrix.shape != (len(self.mean), len(self.mean)):
            raise FilterError(f"A mean {mean.shape} does not fit a whitening matrix {matrix.shape}.")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.matrix).all()):
            raise FilterError("A number of the whitening is not finite.")
        if np.tril(self.matrix, -1).any() or (np.diag(self.matrix) <= 0.0).any():
            raise FilterError("The whitening matrix must be upper triangular with a positive diagonal.")
        # Added row by row: a matrix product's bits depend on its threads.
        self._offset = -np.add.reduce(self.mean[:, None] * self.matrix, axis=0)

    def mahalanobis2(self, rows: NDArray[np.float32], check: Check = never_stop) -> Floats:
        """Squared Mahalanobis distance to the mean: (M, D) float32 to (M,) float64."""
        return joined(self._squared(rows[part], check) for part in blocks(len(rows)))

    def _squared(self, rows: NDArray[np.float32], check: Check) -> Floats:
        check()
        white = affine(rows, self.matrix, self._offset)
        return row_sums(white * white)


class MahalanobisRule:
    """Keeps rows no farther from the mean aberration than a share of the aberrations are.

    Parameters
    ----------
    whitening
        Of all training aberrations.
    references : (A,)
        Squared distances of the training aberrations, each to a distribution fitted without it; ascending.

    Raises
    ------
    FilterError
        The references are something else.
    """

    method: Method = "mahalanobis"

    def __init__(self, whitening: Whitening, references: Floats) -> None:
        self.whitening = whitening
        self.references = checked_references(references, "reference distances")

    @property
    def dimensions(self) -> int:
        """Values of an embedding."""
        return len(self.whitening.mean)

    def judge(
        self,
        rows: NDArray[np.float32],
        coordinates: NDArray[np.float32],  # noqa: ARG002 - the map is for other rules
        *,
        threads: int = 1,  # noqa: ARG002 - compiled, and quick on one
        check: Check = never_stop,
    ) -> Judgement:
        """Judge rows by their distance to the mean; see `Rule.judge`."""
        squared = self.whitening.mahalanobis2(rows, check)
        component = np.full(len(rows), NO_COMPONENT, np.int32)
        return Judgement(component, squared, share_below(self.references, squared))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the distribution and the references."""
        return {
            "mean": self.whitening.mean,
            "whitening": self.whitening.matrix,
            "references": self.references,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> MahalanobisRule:
        """Make the rule of `arrays()`; raises `FilterError`."""
        return cls(Whitening(arrays["mean"], arrays["whitening"]), arrays["references"])

    def to_json(self) -> dict[str, Any]:
        """Return how many aberrations it compares with, and their median."""
        return {"references": len(self.references), "median": float(np.median(self.references))}
