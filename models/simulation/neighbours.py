"""A second chromosome that lies on the first: what makes a normal one look two-coloured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEP_PX = 1
_WHITE = 255.0
# Where two chromosomes lie on each other, both shine; the upper one hides some of the lower.
_SEEN_THROUGH = 0.5

_Floats = NDArray[np.float64]


def lay_over(
    scene: _Floats,
    mask: NDArray[np.bool_],
    other: _Floats,
    other_mask: NDArray[np.bool_],
    *,
    share: float,
    rng: np.random.Generator,
) -> tuple[_Floats, float]:
    """Push a neighbour over a chromosome from a random side until it covers as much as is wanted.

    Parameters
    ----------
    scene, other : (3, S, S) float64
        Grey levels of the chromosome and of its neighbour, both in the middle of their scenes.
    mask, other_mask : (S, S) bool
    share
        What shall be covered of the chromosome's mask.

    Returns
    -------
    (3, S, S) float64
        Both together.
    float
        The share that is covered, as near to what was wanted as steps of a pixel come.
    """
    angle = float(rng.uniform(0, 2 * np.pi))
    direction = np.array([np.sin(angle), np.cos(angle)])
    pixels = np.argwhere(other_mask)
    best, best_share = (0, 0), float((mask & other_mask).sum() / mask.sum())
    for distance in range(0, max(mask.shape), _STEP_PX):
        shift = np.rint(distance * direction).astype(np.intp)
        covered = _covered(mask, pixels + shift)
        if abs(covered - share) < abs(best_share - share):
            best, best_share = (int(shift[0]), int(shift[1])), covered
    upper, cover = _moved(other, best), _moved(other_mask[None].astype(np.float64), best)[0] > 0
    together = np.clip(upper + _SEEN_THROUGH * scene, 0, _WHITE)
    return np.where(cover, together, scene), best_share


def _covered(mask: NDArray[np.bool_], pixels: NDArray[np.intp]) -> float:
    """Share of a mask that (n, 2) pixels cover; those beyond the scene cover nothing."""
    inside = ((pixels >= 0) & (pixels < np.array(mask.shape))).all(axis=1)
    return float(mask[tuple(pixels[inside].T)].sum() / mask.sum())


def _moved(planes: _Floats, shift: tuple[int, int]) -> _Floats:
    """Shift (C, S, S) by whole pixels; what comes in is 0."""
    moved = np.zeros_like(planes)
    height, width = planes.shape[1:]
    (to_y, from_y), (to_x, from_x) = (_spans(shift[0], height), _spans(shift[1], width))
    moved[:, to_y, to_x] = planes[:, from_y, from_x]
    return moved


def _spans(shift: int, size: int) -> tuple[slice, slice]:
    """Where a shifted line of pixels goes to and comes from."""
    return (
        slice(max(shift, 0), max(min(size + shift, size), 0)),
        slice(max(-shift, 0), max(min(size - shift, size), 0)),
    )
