"""Fitting each rule to the training aberrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from sklearn.covariance import LedoitWolf

from models.filtering.elementwise import Floats, share_below
from models.filtering.errors import FilterError, FilterFitError
from models.filtering.fit_types import FitData, FitParams
from models.filtering.mixture_fitting import fit_mixture, mixture_table
from models.filtering.out_of_sample import folds_of, k_fold, leave_one_out
from models.filtering.rules.ellipse import EllipseRule
from models.filtering.rules.face import Method, Rule
from models.filtering.rules.keep_all import KeepAllRule
from models.filtering.rules.knn import KnnRule
from models.filtering.rules.mahalanobis import MahalanobisRule, Whitening
from models.filtering.rules.probability import ProbabilityRule
from models.manifold.manifold import Manifold
from models.quality.stopping import Check


@dataclass(frozen=True)
class FittedRule:
    """A rule, and what it says of the aberrations that it was fitted to.

    Attributes
    ----------
    fitted_levels : (A,) float64
        Needed levels of the training aberrations where they take part in the fit.
    own_levels : (A,) float64 or None
        The same of each as if it were new; None where the rule learns nothing from them.
    report
        Plain numbers.
    notes
        Sentences for whoever reads the report.
    """

    rule: Rule
    fitted_levels: Floats
    own_levels: Floats | None
    report: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Fit:
    """One fit's parts, the same for every rule."""

    data: FitData
    params: FitParams
    manifold: Manifold
    threads: int
    check: Check

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """(A, D) float32: of the aberrations."""
        return np.ascontiguousarray(self.data.embeddings[self.data.aberrations])

    def levels_of(self, rule: Rule) -> Floats:
        """Needed levels of the aberrations where UMAP laid them out."""
        laid = self.manifold.coordinates[self.data.aberrations]
        return rule.judge(self.embeddings, laid, threads=self.threads, check=self.check).needed_level


def fit_rule(
    data: FitData, params: FitParams, manifold: Manifold, *, threads: int, check: Check
) -> FittedRule:
    """Fit the rule of `params.method`.

    Raises
    ------
    FilterFitError
        The aberrations do not suffice for it.
    """
    makers: Mapping[Method, Callable[[_Fit], FittedRule]] = {
        "umap": _ellipse,
        "mahalanobis": _mahalanobis,
        "knn": _knn,
        "probability": _probability,
        "none": _keep_all,
    }
    return makers[params.method](_Fit(data, params, manifold, threads, check))


def _ellipse(fit: _Fit) -> FittedRule:
    params, aberrations = fit.params, fit.data.aberrations
    told: dict[str, Any] = {"construction": params.coordinates}
    if params.coordinates == "k_fold":
        own, folds = k_fold(fit.data, params, fit.manifold, fit.threads, fit.check)
        told |= folds
    else:
        own = leave_one_out(fit.manifold, aberrations, fit.threads, fit.check)
    laid = fit.manifold.coordinates[aberrations] if params.coordinates == "fitted" else own
    fit.check()
    fitted = fit_mixture(laid, params.num_components, num_inits=params.num_inits, seed=params.seed)
    rule = EllipseRule(fitted.mixture)
    report = {
        "coordinates": told,
        "mixture": mixture_table(fitted.mixture),
        "bic": {str(count): value for count, value in fitted.bic.items()},
    }
    own_levels = rule.judge(fit.embeddings, own).needed_level
    return FittedRule(rule, fit.levels_of(rule), own_levels, report, fitted.notes)


def _mahalanobis(fit: _Fit) -> FittedRule:
    rows, aberrations = fit.embeddings, fit.data.aberrations
    folds = folds_of([fit.data.groups[row] for row in aberrations], fit.params.num_folds, fit.params.seed)
    own = np.empty(len(rows))
    for part in folds.parts:
        fit.check()
        own[part] = whitening_of(np.delete(rows, part, axis=0)).mahalanobis2(rows[part], fit.check)
    rule = MahalanobisRule(whitening_of(rows), np.sort(own))
    report = {"folds": {"num_folds": len(folds.parts), "by_group": folds.by_group}}
    return FittedRule(rule, fit.levels_of(rule), share_below(rule.references, own), report)


def whitening_of(rows: NDArray[np.float32]) -> Whitening:
    """Fit a normal distribution whose covariance is shrunk to a sphere (Ledoit and Wolf, 2004).

    Parameters
    ----------
    rows : (A, D) float32

    Raises
    ------
    FilterFitError
        The rows vary too little.
    """
    fitted = LedoitWolf().fit(rows.astype(np.float64))
    try:
        root = np.linalg.cholesky(fitted.covariance_)
        inverse = solve_triangular(root, np.eye(len(root)), lower=True)
        return Whitening(fitted.location_, np.triu(inverse.T))
    except (np.linalg.LinAlgError, FilterError) as error:
        raise FilterFitError(
            f"{len(rows)} aberrations do not vary enough for a covariance: are they copies of few crops? "
            "Annotate or import more, or use the method umap or knn."
        ) from error


def _knn(fit: _Fit) -> FittedRule:
    rows = fit.embeddings
    num_neighbours = min(fit.params.n_neighbors, len(rows) - 1)
    own = KnnRule.own_distances(rows, num_neighbours, threads=fit.threads, check=fit.check)
    rule = KnnRule(rows, num_neighbours, np.sort(own))
    return FittedRule(rule, fit.levels_of(rule), share_below(rule.references, own))


def _probability(fit: _Fit) -> FittedRule:
    rule = ProbabilityRule(fit.data.head_weight, fit.data.head_bias, fit.data.temperature)
    return FittedRule(rule, fit.levels_of(rule), None)


def _keep_all(fit: _Fit) -> FittedRule:
    rule = KeepAllRule()
    return FittedRule(rule, fit.levels_of(rule), None)
