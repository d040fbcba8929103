"""Grey levels of synthetic and real crops, channel by channel, inside the chromosomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS = ("red", "green", "dapi")
LEVELS = 256


@dataclass(frozen=True)
class Histograms:
    """Shares of the grey levels of both.

    Attributes
    ----------
    generated, real : (3, 256) float64
        Each row sums to 1; zeros where there is no pixel.
    wasserstein : (3,) float64
        Grey levels by which pixels would have to move on average; NaN where there is no pixel.
    """

    generated: NDArray[np.float64]
    real: NDArray[np.float64]
    wasserstein: NDArray[np.float64]

    def distances(self) -> dict[str, float | None]:
        """Wasserstein distance of each channel; None where there is no pixel."""
        return {
            name: float(value) if np.isfinite(value) else None
            for name, value in zip(CHANNELS, self.wasserstein, strict=True)
        }


def histograms(
    generated: tuple[NDArray[np.uint8], NDArray[np.bool_]], real: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> Histograms:
    """Count the grey levels inside the masks.

    Parameters
    ----------
    generated, real
        Canvases (N, 3, S, S) uint8 and masks (N, S, S) bool of each. Every pixel counts alike, so a large
        chromosome counts more than a small one.
    """
    first, second = _shares(*generated), _shares(*real)
    # In one dimension the distance is the area between the cumulative shares.
    apart = np.abs(first.cumsum(axis=1) - second.cumsum(axis=1)).sum(axis=1)
    filled = (first.sum(axis=1) > 0) & (second.sum(axis=1) > 0)
    return Histograms(first, second, np.where(filled, apart, np.nan))


def _shares(canvases: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    counts = np.stack(
        [np.bincount(canvases[:, channel][masks], minlength=LEVELS) for channel in range(len(CHANNELS))]
    )
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
