"""Coordinates of the training aberrations as if they were new: without themselves on the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from models.filtering.errors import FilterFitError
from models.filtering.fit_types import FitData, FitParams
from models.manifold.fitting import fit_manifold
from models.manifold.manifold import Manifold
from models.quality.stopping import Check

Coordinates = NDArray[np.float32]


@dataclass(frozen=True)
class Folds:
    """Aberrations in parts.

    Attributes
    ----------
    parts
        Each (a,) int64: positions among the A aberrations.
    by_group
        Whether no group is in two parts.
    """

    parts: tuple[NDArray[np.int64], ...]
    by_group: bool


def folds_of(groups: Sequence[str], num_folds: int, seed: int) -> Folds:
    """Share aberrations out evenly, by whole groups where there are as many groups as folds.

    Parameters
    ----------
    groups : (A,)
    seed
        Of the parts where groups do not decide them.
    """
    by_group = len(set(groups)) >= num_folds
    rows = np.arange(len(groups))
    if by_group:
        splits = GroupKFold(num_folds).split(rows, groups=np.asarray(groups))
    else:
        splits = KFold(min(num_folds, len(rows)), shuffle=True, random_state=seed).split(rows)
    return Folds(tuple(held.astype(np.int64) for _, held in splits), by_group)


def leave_one_out(manifold: Manifold, rows: NDArray[np.int64], threads: int, check: Check) -> Coordinates:
    """Project training rows, each without itself among its neighbours: (A,) to (A, 2) float32."""
    embeddings = manifold.embeddings[rows]
    return manifold.project(embeddings, excluded=rows, threads=threads, check=check).coordinates


def k_fold(
    data: FitData, params: FitParams, manifold: Manifold, threads: int, check: Check
) -> tuple[Coordinates, dict[str, Any]]:
    """Project every fold of aberrations on a map that was fitted without their groups.

    Each map starts from the final one's coordinates and is laid on it as well as a turn, a scale and a
    shift allow. Parts of a map still drift from one fit to the next, so every row then moves as its
    neighbours do between the two maps.

    Returns
    -------
    coordinates : (A, 2) float32
    report
        Folds, whether they are whole groups, and by how much the maps differ: root mean square distance
        of the shared rows over the final map's spread.

    Raises
    ------
    FilterFitError
        Without a fold's groups too few rows are left for a map.
    """
    aberrations = data.aberrations
    groups = np.asarray(data.groups)
    folds = folds_of(groups[aberrations].tolist(), params.num_folds, params.seed)
    coordinates = np.empty((len(aberrations), 2), np.float32)
    apart = []
    for part in folds.parts:
        check()
        held = aberrations[part]
        away = np.isin(groups, groups[held]) if folds.by_group else np.isin(np.arange(len(groups)), held)
        left = np.flatnonzero(~away)
        without = _map_without(data, params, manifold, left)
        frame = Frame.between(without.coordinates, manifold.coordinates[left])
        placed = without.project(data.embeddings[held], threads=threads, check=check)
        drift = manifold.coordinates[left] - frame.apply(without.coordinates)
        coordinates[part] = frame.apply(placed.coordinates) + drift[placed.neighbours].mean(axis=1)
        apart.append(frame.error)
    report = {"num_folds": len(folds.parts), "by_group": folds.by_group, "frame_error": float(np.mean(apart))}
    return coordinates, report


def _map_without(data: FitData, params: FitParams, manifold: Manifold, left: NDArray[np.int64]) -> Manifold:
    """Fit a map to the rows that are left, from where they lie on the final map."""
    if len(left) <= params.n_neighbors:
        raise FilterFitError(
            f"Without one fold {len(left)} rows are left, too few for a map of {params.n_neighbors} "
            "neighbours: use leave_one_out, or import more slides."
        )
    return fit_manifold(
        data.embeddings[left],
        n_neighbors=params.n_neighbors,
        min_dist=params.min_dist,
        seed=params.seed,
        start=manifold.coordinates[left],
    )


@dataclass(frozen=True)
class Frame:
    """A rotation or reflection, a scale and a shift that lay one map on another (Procrustes).

    Attributes
    ----------
    turn : (2, 2) float64
        With the scale.
    source, target : (2,) float64
        Centres.
    error
        Root mean square distance that remains, over the target's spread.
    """

    turn: NDArray[np.float64]
    source: NDArray[np.float64]
    target: NDArray[np.float64]
    error: float

    @classmethod
    def between(cls, source: Coordinates, target: Coordinates) -> Frame:
        """Find the frame of least squares: (N, 2) and (N, 2) float32."""
        a, b = source.astype(np.float64), target.astype(np.float64)
        centres = a.mean(axis=0), b.mean(axis=0)
        a, b = a - centres[0], b - centres[1]
        left, strengths, right = np.linalg.svd(a.T @ b)
        turn = left @ right * (strengths.sum() / max(float((a * a).sum()), float(np.finfo(np.float64).tiny)))
        spread = max(float(np.sqrt((b * b).sum(axis=1).mean())), float(np.finfo(np.float64).tiny))
        error = float(np.sqrt(((a @ turn - b) ** 2).sum(axis=1).mean())) / spread
        return cls(turn, centres[0], centres[1], error)

    def apply(self, coordinates: Coordinates) -> Coordinates:
        """Lay coordinates of the source on the target: (M, 2) float32 to (M, 2) float32."""
        moved = (coordinates.astype(np.float64) - self.source) @ self.turn + self.target
        return np.asarray(moved, np.float32)
