"""Fitting a filter: map, rule, level, and a report of what it lets through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats, row_means
from models.filtering.errors import FilterFitError
from models.filtering.filter import Filter, FilterSpec
from models.filtering.fit_types import FitData, FitParams, FittedFilter, Told, tell_nobody
from models.filtering.levels import choose_level
from models.filtering.mixture_fitting import MIN_PER_COMPONENT
from models.filtering.rule_fitting import FittedRule, fit_rule
from models.filtering.scores import FilterScores
from models.manifold.fitting import fit_manifold
from models.manifold.manifold import Manifold
from models.quality.stopping import Check, never_stop

__all__ = ["CURVE_LEVELS", "FilterFitError", "FitData", "FitParams", "FittedFilter", "fit_filter"]

CURVE_LEVELS: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 21))
BEYOND_PERCENTILE = 99.0
_NEEDS_ABERRATIONS = ("umap", "mahalanobis", "knn")
_STEPS = 4


def fit_filter(
    data: FitData,
    params: FitParams,
    *,
    classifier: str,
    classifier_sha256: str,
    threads: int = 1,
    told: Told = tell_nobody,
    check: Check = never_stop,
) -> FittedFilter:
    """Fit a filter to the embeddings of real crops.

    Parameters
    ----------
    classifier, classifier_sha256
        Which made the embeddings: ``name/version`` and the sha256 of its weights.
    threads
        Of projections; they change nothing but the time.
    told
        Called with steps done, steps in all and what comes next.
    check
        Called now and then; may raise to stop.

    Raises
    ------
    FilterFitError
        The crops do not suffice; the message says what would.
    """
    _check_enough(data, params)
    told(0, _STEPS, f"laying out {len(data.embeddings):,} embeddings")
    check()
    manifold = fit_manifold(
        np.ascontiguousarray(data.embeddings, np.float32),
        n_neighbors=params.n_neighbors,
        min_dist=params.min_dist,
        seed=params.seed,
    )
    told(1, _STEPS, f"fitting the rule to {len(data.aberrations):,} aberrations")
    fitted = fit_rule(data, params, manifold, threads=threads, check=check)
    told(2, _STEPS, "measuring distances between the training crops")
    own_distances = own_distances_of(manifold, threads=threads, check=check)
    spec = FilterSpec(params.method, 1.0, "", params.max_percentile, classifier, classifier_sha256)
    draft = Filter(spec, manifold, fitted.rule, own_distances, np.asarray(data.labels) == 1)
    told(3, _STEPS, f"scoring {len(data.val_embeddings):,} validation crops")
    scores = draft.score(np.ascontiguousarray(data.val_embeddings, np.float32), threads=threads, check=check)
    truth = np.asarray(data.val_labels) == 1
    level = choose_level(params, draft.mixture, scores.needed_level[truth], scores.needed_level[~truth])
    spec = replace(spec, level=level.value, level_reason=level.reason)
    told(_STEPS, _STEPS, "done")
    return FittedFilter(
        Filter(spec, manifold, fitted.rule, own_distances, draft.labels),
        _report(data, spec, fitted, scores, truth),
    )


def own_distances_of(manifold: Manifold, *, threads: int = 1, check: Check = never_stop) -> Floats:
    """Each training row's mean distance to its k nearest others, ascending: (N,) float64."""
    rows = np.arange(len(manifold.embeddings))
    _, distances = manifold.nearest(manifold.embeddings, excluded=rows, threads=threads, check=check)
    return np.sort(row_means(distances))


def _check_enough(data: FitData, params: FitParams) -> None:
    rows, aberrations = len(data.embeddings), len(data.aberrations)
    if rows <= params.n_neighbors:
        raise FilterFitError(
            f"A map of {params.n_neighbors} neighbours needs more than {params.n_neighbors} training crops, "
            f"not {rows}: annotate or import more, or set n_neighbors to {max(rows - 1, 2)} or less."
        )
    if params.method in _NEEDS_ABERRATIONS and aberrations < MIN_PER_COMPONENT:
        raise FilterFitError(
            f"The training split has {aberrations} aberrations, this method needs {MIN_PER_COMPONENT}: "
            f"annotate or import at least {MIN_PER_COMPONENT - aberrations} more, or use probability alone."
        )


def _report(
    data: FitData, spec: FilterSpec, fitted: FittedRule, scores: FilterScores, truth: NDArray[np.bool_]
) -> dict[str, Any]:
    """What is known of a filter, as plain numbers; a share of nothing is None."""
    needed = {"val_aberrations": scores.needed_level[truth], "val_normals": scores.needed_level[~truth]}
    gated = scores.kept(spec.level, spec.max_percentile)
    beyond = scores.knn_percentile > BEYOND_PERCENTILE
    own = {"train_aberrations": fitted.own_levels} | needed
    aberrations = len(data.aberrations)
    return {
        "rows": {
            "train": {"aberration": aberrations, "normal": len(data.embeddings) - aberrations},
            "validation": {"aberration": int(truth.sum()), "normal": int((~truth).sum())},
        },
        "coordinates": None,
        "mixture": None,
        "bic": None,
        "folds": None,
        **fitted.report,
        "acceptance": {
            "train_aberrations_fitted": _share(fitted.fitted_levels <= spec.level),
            "train_aberrations_out_of_sample": None
            if fitted.own_levels is None
            else _share(fitted.own_levels <= spec.level),
            **{name: _share(levels <= spec.level) for name, levels in needed.items()},
            "val_aberrations_with_gate": _share(gated[truth]),
            "val_normals_with_gate": _share(gated[~truth]),
        },
        "curve": {"level": list(CURVE_LEVELS)}
        | {name: None if levels is None else _curve(levels) for name, levels in own.items()},
        "beyond_p99": {"val_aberrations": _share(beyond[truth]), "val_normals": _share(beyond[~truth])},
        "notes": list(fitted.notes),
    }


def _curve(needed: Floats) -> list[float] | None:
    """Share kept at each of `CURVE_LEVELS`."""
    return [float((needed <= level).mean()) for level in CURVE_LEVELS] if len(needed) else None


def _share(chosen: NDArray[np.bool_]) -> float | None:
    return float(chosen.mean()) if len(chosen) else None
