"""Choosing a filter's level, and saying why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats
from models.filtering.errors import FilterFitError
from models.filtering.fit_types import FitParams
from models.filtering.mixture import Mixture

MIN_PER_CLASS = 10
DEFAULT_SHARE = 0.9
DEFAULT_PROBABILITY = 0.5
SINGLE_COMPONENT_LEVEL = 0.95
_DECIMALS = 1e6


@dataclass(frozen=True)
class ChosenLevel:
    """A level in [0, 1], and the reason in a sentence."""

    value: float
    reason: str


def choose_level(
    params: FitParams, mixture: Mixture | None, aberrations: Floats, normals: Floats
) -> ChosenLevel:
    """Choose the level as `params.level` says.

    Parameters
    ----------
    mixture
        Of the method umap.
    aberrations, normals : (a,), (n,) float64
        Needed levels of the validation crops.

    Raises
    ------
    FilterFitError
        It is to be chosen on validation, and that has too few crops, or no level tells both classes apart.
    """
    if params.level == "validation":
        return youden_level(aberrations, normals)
    if mixture is not None and (params.level is None or params.level == "weight"):
        return _weight_level(mixture)
    if isinstance(params.level, int | float):
        return ChosenLevel(float(params.level), "Given with the request.")
    if params.method == "probability":
        return ChosenLevel(
            DEFAULT_PROBABILITY, "The classifier finds an aberration at least as probable as a normal crop."
        )
    if params.method == "none":
        return ChosenLevel(1.0, "Everything is kept.")
    return ChosenLevel(
        DEFAULT_SHARE,
        f"About {DEFAULT_SHARE:.0%} of the training aberrations would be kept if they were new.",
    )


def youden_level(aberrations: Floats, normals: Floats) -> ChosenLevel:
    """Level of the largest Youden index: share of aberrations kept less share of normal crops kept.

    Of equally good ones it is the smallest, rounded up to six decimals where that changes no verdict.

    Parameters
    ----------
    aberrations, normals : (a,), (n,) float64
        Needed levels.

    Raises
    ------
    FilterFitError
        There are fewer than `MIN_PER_CLASS` of either, or no level keeps a larger share of aberrations.
    """
    if min(len(aberrations), len(normals)) < MIN_PER_CLASS:
        raise FilterFitError(
            f"A level chosen on validation needs {MIN_PER_CLASS} crops of either class there, not "
            f"{len(aberrations)} aberrations and {len(normals)} normal ones: put more crops into the "
            "validation split, or give a number."
        )
    candidates = np.unique(aberrations)
    index = _share_kept(aberrations, candidates) - _share_kept(normals, candidates)
    best = int(np.argmax(index))
    if index[best] <= 0.0:
        raise FilterFitError(
            "On validation no level keeps a larger share of the aberrations than of the normal crops: "
            "give a number, use another method, or train the classifier on more crops first."
        )
    level = _rounded(float(candidates[best]), np.concatenate([aberrations, normals]))
    kept = [float(_share_kept(levels, np.array([level]))[0]) for levels in (aberrations, normals)]
    return ChosenLevel(
        level,
        f"Chosen on validation, where it keeps {kept[0]:.1%} of {len(aberrations):,} aberrations and "
        f"{kept[1]:.1%} of {len(normals):,} normal crops: the largest difference of any level.",
    )


def _weight_level(mixture: Mixture) -> ChosenLevel:
    if len(mixture) == 1:
        return ChosenLevel(
            SINGLE_COMPONENT_LEVEL,
            "The mixture has one component, and its weight of 1 would keep everything.",
        )
    return ChosenLevel(
        float(mixture.weights[mixture.dominant]), "The weight of the dominant component, as in the paper."
    )


def _share_kept(needed: Floats, levels: NDArray[np.float64]) -> Floats:
    """Share of crops kept at each level."""
    return np.asarray(np.searchsorted(np.sort(needed), levels, side="right") / len(needed))


def _rounded(level: float, needed: Floats) -> float:
    """Round a level up, unless something else would be kept then."""
    up = min(math.ceil(level * _DECIMALS) / _DECIMALS, 1.0)
    return level if ((needed > level) & (needed <= up)).any() else up
