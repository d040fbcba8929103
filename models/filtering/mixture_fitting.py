"""Fitting the mixture to the coordinates of the aberrations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from models.filtering.errors import FilterFitError
from models.filtering.fit_types import MAX_TRIED_COMPONENTS
from models.filtering.mixture import Coordinates, Mixture

MIN_PER_COMPONENT = 10
_MAX_ITERATIONS = 500


@dataclass(frozen=True)
class FittedMixture:
    """A mixture, and how it came about.

    Attributes
    ----------
    bic
        Bayesian information criterion by number of components; the least is best.
    notes
        Sentences for whoever reads the report.
    """

    mixture: Mixture
    bic: dict[int, float]
    notes: tuple[str, ...]


def fit_mixture(
    coordinates: Coordinates, num_components: int | Literal["bic"], *, num_inits: int, seed: int
) -> FittedMixture:
    """Fit a mixture with full covariances.

    Parameters
    ----------
    coordinates : (A, 2)
    num_components
        Fewer are taken where less than `MIN_PER_COMPONENT` different points are there for each.

    Raises
    ------
    FilterFitError
        There are fewer than `MIN_PER_COMPONENT` different points, or they lie on a line.
    """
    points = np.asarray(coordinates, np.float64)
    most = _most_components(points)
    wanted = MAX_TRIED_COMPONENTS if num_components == "bic" else num_components
    tried = range(1 if num_components == "bic" else min(wanted, most), min(wanted, most) + 1)
    fits = {count: _fit(points, count, num_inits, seed) for count in tried}
    bic = {count: float(fit.bic(points)) for count, fit in fits.items()}
    best = fits[min(bic, key=lambda count: (bic[count], count))]
    notes = []
    if most < wanted:
        notes.append(
            f"{len(points)} aberrations suffice for {most} component{'s' * (most > 1)} of the mixture, "
            f"not for {wanted}: each needs {MIN_PER_COMPONENT} different points."
        )
    if not best.converged_:
        notes.append(f"The mixture still changed after {_MAX_ITERATIONS} iterations.")
    return FittedMixture(_plain(best), bic, tuple(notes))


def mixture_table(mixture: Mixture) -> list[dict[str, Any]]:
    """One entry per component: weight, mean, and the standard deviations along the ellipse's axes."""
    axes = np.sqrt(np.linalg.eigvalsh(mixture.covariances))
    return [
        {
            "weight": float(mixture.weights[component]),
            "mean": mixture.means[component].tolist(),
            "axes": axes[component][::-1].tolist(),
            "dominant": component == mixture.dominant,
        }
        for component in range(len(mixture))
    ]


def _most_components(points: Coordinates) -> int:
    different = len(np.unique(points, axis=0))
    if different < MIN_PER_COMPONENT:
        raise FilterFitError(
            f"{len(points)} aberrations lie at {different} different places of the map, a mixture needs "
            f"{MIN_PER_COMPONENT}: are they copies of few crops? Annotate or import more."
        )
    return different // MIN_PER_COMPONENT


def _fit(points: Coordinates, count: int, num_inits: int, seed: int) -> GaussianMixture:
    fit = GaussianMixture(
        count, covariance_type="full", n_init=num_inits, max_iter=_MAX_ITERATIONS, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the notes
        try:
            return fit.fit(points)
        except ValueError as error:  # a covariance that is none, even after regularisation
            raise FilterFitError(
                "The aberrations lie on a line on the map, which has no ellipse: annotate or import more."
            ) from error


def _plain(fit: GaussianMixture) -> Mixture:
    """Make a mixture without what rounding left of asymmetry and of the weights' sum."""
    covariances = 0.5 * (fit.covariances_ + fit.covariances_.transpose(0, 2, 1))
    return Mixture(fit.weights_ / fit.weights_.sum(), fit.means_, covariances)
