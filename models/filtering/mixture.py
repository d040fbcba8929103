"""A Gaussian mixture on the map, and the ellipses of its components.

The level of an ellipse is the share of its component's mass inside it: of a normal distribution in the
plane, the rows within a Mahalanobis distance m are the share 1 - exp(-m² / 2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats, each
from models.filtering.errors import FilterError

OUTLINE_POINTS = 181
MAX_COMPONENTS = 32
_PLANE = 2
_SUM_TOLERANCE = 1e-6

Coordinates = NDArray[np.floating[Any]]


class Mixture:
    """A mixture of normal distributions in the plane.

    Parameters
    ----------
    weights : (C,)
        Positive, with sum 1.
    means : (C, 2)
    covariances : (C, 2, 2)
        Symmetric and positive definite.

    Raises
    ------
    FilterError
        They are something else.
    """

    def __init__(self, weights: Coordinates, means: Coordinates, covariances: Coordinates) -> None:
        self.weights = np.ascontiguousarray(weights, np.float64)
        self.means = np.ascontiguousarray(means, np.float64)
        self.covariances = np.ascontiguousarray(covariances, np.float64)
        self._check()
        try:
            self._roots = np.linalg.cholesky(self.covariances)
        except np.linalg.LinAlgError as error:
            raise FilterError("A covariance of the mixture is not positive definite.") from error
        determinants = self._roots[:, 0, 0] * self._roots[:, 1, 1]
        # The constant 2π is the same for every component.
        self._log_scales = np.log(self.weights) - np.log(determinants)

    def _check(self) -> None:
        count = len(self.weights)
        if self.weights.ndim != 1 or not 1 <= count <= MAX_COMPONENTS:
            raise FilterError(f"A mixture has 1 to {MAX_COMPONENTS} components.")
        if self.means.shape != (count, _PLANE) or self.covariances.shape != (count, _PLANE, _PLANE):
            raise FilterError(
                f"A mixture of {count} components needs means ({count}, 2) and covariances ({count}, 2, 2), "
                f"not {self.means.shape} and {self.covariances.shape}."
            )
        if not all(np.isfinite(part).all() for part in (self.weights, self.means, self.covariances)):
            raise FilterError("A number of the mixture is not finite.")
        if (self.weights <= 0.0).any() or abs(float(self.weights.sum()) - 1.0) > _SUM_TOLERANCE:
            raise FilterError("The weights of the mixture must be positive and add up to 1.")
        if not np.allclose(self.covariances, self.covariances.transpose(0, 2, 1), rtol=1e-9, atol=0.0):
            raise FilterError("A covariance of the mixture is not symmetric.")

    def __len__(self) -> int:
        """Return the number of components."""
        return len(self.weights)

    @property
    def dominant(self) -> int:
        """The component of largest weight; of equal ones the first."""
        return int(np.argmax(self.weights))

    def mahalanobis2(self, coordinates: Coordinates, component: int) -> Floats:
        """Squared Mahalanobis distance to a component's mean.

        Parameters
        ----------
        coordinates : (M, 2)

        Returns
        -------
        (M,) float64
        """
        across, up = self._whitened(coordinates, component)
        return np.asarray(across * across + up * up)

    def component_of(self, coordinates: Coordinates) -> NDArray[np.int32]:
        """The component that each point most probably comes from: (M, 2) to (M,) int32."""
        log_densities = [
            self._log_scales[component] - 0.5 * self.mahalanobis2(coordinates, component)
            for component in range(len(self))
        ]
        return np.asarray(np.argmax(log_densities, axis=0), np.int32)

    def outline(self, level: float, component: int, num_points: int = OUTLINE_POINTS) -> Floats:
        """The ellipse that holds a share of a component's mass.

        Parameters
        ----------
        level
            In [0, 1].

        Returns
        -------
        (P, 2) float64
            A closed line; of level 1, which holds the whole plane, (0, 2).
        """
        radius = math.sqrt(m2_of(level))
        if math.isinf(radius):
            return np.empty((0, _PLANE))
        angles = np.linspace(0.0, 2.0 * np.pi, num_points)
        circle = np.stack([np.cos(angles), np.sin(angles)])
        line: Floats = self.means[component] + radius * (self._roots[component] @ circle).T
        return line

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that `from_arrays` needs, float64."""
        return {"weights": self.weights, "means": self.means, "covariances": self.covariances}

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers for a manifest."""
        return {name: array.tolist() for name, array in self.arrays().items()} | {"dominant": self.dominant}

    def _whitened(self, coordinates: Coordinates, component: int) -> tuple[Floats, Floats]:
        """Both (M,) coordinates in which the component is a unit circle."""
        offset = np.asarray(coordinates, np.float64) - self.means[component]
        root = self._roots[component]
        across = offset[:, 0] / root[0, 0]
        return across, (offset[:, 1] - root[1, 0] * across) / root[1, 1]


def level_of(mahalanobis2: Floats) -> Floats:
    """Level of the ellipse through points at these squared distances: (M,) float64 to (M,) in [0, 1]."""
    return each(lambda squared: -math.expm1(-0.5 * squared), mahalanobis2)


def m2_of(level: float) -> float:
    """Squared Mahalanobis distance of the ellipse of a level; infinite for level 1.

    Raises
    ------
    FilterError
        The level is not in [0, 1].
    """
    if not 0.0 <= level <= 1.0:
        raise FilterError(f"A level lies between 0 and 1, not at {level}.")
    return math.inf if level == 1.0 else -2.0 * math.log1p(-level)
