"""Maximum structural similarity of each synthetic crop over the real ones (figure 5 of the paper).

The index is that of `skimage.metrics.structural_similarity(a, b, channel_axis=0, data_range=255)`:
uniform windows of 7 x 7, sample covariance, mean over all whole windows, then over channels (Wang et
al., IEEE TIP 2004). `ssim_windows.py` says what makes it a hundred times faster here.

On canvases that are black off the chromosome, most windows agree because both are black: values are
high, and only differences between them tell something. The yardstick is `max_ssim_among` real crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.quality.ssim_windows import WINDOW, Moments, index_against
from models.quality.stopping import Check, never_stop

BLOCK = 128  # real images compared at a time; their moments fill about 30 MB at 64 px


@dataclass(frozen=True)
class MaxSsim:
    """The most similar real image of each of N images.

    Attributes
    ----------
    values : (N,) float64
        SSIM, at most 1; NaN where there was nothing to compare with.
    nearest : (N,) int64
        Row of that image; -1 where there was none.
    """

    values: NDArray[np.float64]
    nearest: NDArray[np.int64]


def max_ssim(
    generated: NDArray[np.uint8],
    real: NDArray[np.uint8],
    *,
    apart: tuple[Sequence[object], Sequence[object]] | None = None,
    block: int = BLOCK,
    check: Check = never_stop,
) -> MaxSsim:
    """Find the most similar real image of each generated one. Memory does not grow with N or M.

    Parameters
    ----------
    generated : (N, 3, S, S) uint8
    real : (M, 3, S, S) uint8
    apart : (N,), (M,)
        Names of both, for instance of their chromosomes: two with the same name are not compared.
    block
        Real images compared at a time.
    check
        Called now and then; may raise to stop.

    Raises
    ------
    ValueError
        The arrays are no canvases of one size of 7 px or more.
    """
    _refuse_others(generated, real)
    names, others = _coded(apart, len(generated), len(real))
    values = np.full(len(generated), -np.inf)
    nearest = np.full(len(generated), -1, np.int64)
    for start in range(0, len(real), block):
        moments = Moments.of(real[start : start + block])
        table = moments.area_table()
        for row, canvas in enumerate(generated):
            if row % block == 0:
                check()
            scores = index_against(canvas, moments, table)
            scores[others[start : start + block] == names[row]] = -np.inf
            best = int(scores.argmax())
            if scores[best] > values[row]:
                values[row], nearest[row] = scores[best], start + best
    return MaxSsim(np.where(nearest < 0, np.nan, values), nearest)


def max_ssim_among(
    canvases: NDArray[np.uint8],
    names: Sequence[object] | None = None,
    *,
    check: Check = never_stop,
) -> MaxSsim:
    """Find the most similar *other* image of each of N: the yardstick that real images set.

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8
    names : (N,)
        Two with the same name (of one chromosome, say) are not compared; else only an image with itself.
    check
        Called now and then; may raise to stop.
    """
    own = range(len(canvases)) if names is None else names
    return max_ssim(canvases, canvases, apart=(own, own), check=check)


def ssim_of_pairs(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) float64: the index of each row of `first` and the same row of `second`, (N, 3, S, S) uint8."""
    _refuse_others(first, second)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} images cannot be paired with {len(second)}.")
    values = np.empty(len(first))
    for row, canvas in enumerate(first):
        moments = Moments.of(second[row : row + 1])
        values[row] = index_against(canvas, moments, moments.area_table())[0]
    return values


def _refuse_others(*arrays: NDArray[np.uint8]) -> None:
    sizes = {canvases.shape[2:] for canvases in arrays}
    for canvases in arrays:
        if canvases.dtype != np.uint8 or canvases.ndim != 4 or min(canvases.shape[2:]) < WINDOW:  # noqa: PLR2004
            raise ValueError(f"Give (N, 3, S, S) uint8 of {WINDOW} px or more, not {canvases.shape}.")
    if len(sizes) > 1:
        raise ValueError(f"Canvases of different sizes cannot be compared: {sorted(sizes)}.")


def _coded(
    apart: tuple[Sequence[object], Sequence[object]] | None, count: int, real: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Names as numbers; without names, numbers that never meet."""
    if apart is None:
        return np.full(count, -1, np.int64), np.arange(real, dtype=np.int64)
    if (len(apart[0]), len(apart[1])) != (count, real):
        raise ValueError(f"{count} and {real} images have {len(apart[0])} and {len(apart[1])} names.")
    codes: dict[object, int] = {}
    first, second = ([codes.setdefault(name, len(codes)) for name in names] for names in apart)
    return np.array(first, np.int64), np.array(second, np.int64)
