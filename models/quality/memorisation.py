"""Copies: synthetic crops that are a real crop once more, however it was turned or mirrored.

Generators learn from flipped and turned crops, so a copy may lie at any angle. Both are therefore set
upright along the chromosome's longest axis, and compared in the four ways in which an upright one may be
mirrored. How alike two *different* real chromosomes get gives the threshold; beyond it lies a copy.
On the development set this finds all training aberrations that were turned by any angle, mirrored and
given noise, and none of the validation ones; without setting upright it finds 3 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.quality.ssim import MaxSsim, max_ssim
from models.quality.stopping import Check, never_stop

THRESHOLD_PERCENTILE = 99.0  # of the real ones: one in a hundred of them looks like a copy
_MIRRORINGS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Memorisation:
    """The nearest real crop of each synthetic one, and which of them are copies.

    Attributes
    ----------
    likeness, nearest : (N,)
        Highest SSIM over the mirrorings, and the row of that real crop.
    real_likeness : (M,) float64
        The same of each real crop and the other real ones.
    threshold
        NaN where there are too few real crops to set one; then nothing is flagged.
    copies : (N,) bool
    from_training_source : (N,) bool
        Whether it was generated from the DAPI of a crop that the generator learned from: a copy of that
        one's colours is what it was asked for.
    """

    likeness: NDArray[np.float64]
    nearest: NDArray[np.int64]
    real_likeness: NDArray[np.float64]
    threshold: float
    copies: NDArray[np.bool_]
    from_training_source: NDArray[np.bool_]

    def shares(self) -> dict[str, float | int | None]:
        """Copies among all, and among those that did not start from a training crop."""
        others = ~self.from_training_source
        return {
            "threshold": None if np.isnan(self.threshold) else self.threshold,
            "copies": int(self.copies.sum()),
            "copies_share": _share(self.copies),
            "from_training_source": int(self.from_training_source.sum()),
            "copies_from_training_source": int((self.copies & self.from_training_source).sum()),
            "copies_share_other_sources": _share(self.copies[others]),
        }


def memorisation(
    generated: tuple[NDArray[np.uint8], NDArray[np.bool_]],
    source_ids: Sequence[str],
    real: tuple[NDArray[np.uint8], NDArray[np.bool_]],
    real_ids: Sequence[str],
    *,
    real_names: Sequence[str] | None = None,
    check: Check = never_stop,
) -> Memorisation:
    """Look for copies of real crops among synthetic ones.

    Parameters
    ----------
    generated, real
        Canvases (N, 3, S, S) uint8 and masks (N, S, S) bool of each.
    source_ids : (N,)
        The crops whose DAPI the synthetic ones were made from.
    real_ids : (M,)
        Of the crops that the generator learned from.
    real_names : (M,)
        Of their chromosomes: two pictures of one chromosome do not set the threshold.
    """
    upright_real = upright(*real)
    names = real_ids if real_names is None else real_names
    own = _nearest(upright_real, upright_real, check, apart=(names, names)).values
    found = _nearest(upright(*generated), upright_real, check)
    known = own[np.isfinite(own)]
    threshold = float(np.percentile(known, THRESHOLD_PERCENTILE)) if known.size else float("nan")
    trained_on = set(real_ids)
    return Memorisation(
        likeness=found.values,
        nearest=found.nearest,
        real_likeness=own,
        threshold=threshold,
        copies=found.values > threshold,
        from_training_source=np.array([one in trained_on for one in source_ids], bool),
    )


def upright(canvases: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Turn each chromosome's longest axis upright and its centre of area to the middle.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
    masks : (N, S, S) bool
        A canvas with an empty mask stays as it is.
    """
    turned = canvases.copy()
    middle = (canvases.shape[-1] - 1) / 2.0
    for row, mask in enumerate(masks):
        ys, xs = np.nonzero(mask)
        if ys.size < 2:  # noqa: PLR2004 - one point has no axis
            continue
        (a, b), (_, c) = np.cov(np.stack([xs, ys]))
        angle = 0.5 * np.degrees(np.arctan2(2 * b, a - c))
        centre = (float(xs.mean()), float(ys.mean()))
        affine = np.asarray(cv2.getRotationMatrix2D(centre, angle + 90.0, 1.0), np.float64)
        affine[:, 2] += middle - np.array(centre)
        planes = np.ascontiguousarray(canvases[row].transpose(1, 2, 0))
        turned[row] = cv2.warpAffine(planes, affine, canvases.shape[-1:-3:-1]).transpose(2, 0, 1)
    return turned


def _nearest(
    canvases: NDArray[np.uint8],
    real: NDArray[np.uint8],
    check: Check,
    apart: tuple[Sequence[str], Sequence[str]] | None = None,
) -> MaxSsim:
    """Nearest real one over the mirrorings."""
    values = np.full(len(canvases), np.nan)
    nearest = np.full(len(canvases), -1, np.int64)
    for down, across in _MIRRORINGS:
        found = max_ssim(canvases[:, :, ::down, ::across], real, apart=apart, check=check)
        better = (found.nearest >= 0) & ~(values >= found.values)
        values[better], nearest[better] = found.values[better], found.nearest[better]
    return MaxSsim(values, nearest)


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None
