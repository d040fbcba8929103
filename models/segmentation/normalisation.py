"""One intensity normalisation for training and inference, so that they cannot drift apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.0
MIN_RANGE = 1e-3  # a plane with less contrast is constant
SAMPLED_PX = 1 << 24  # of larger planes a regular grid of pixels is enough for two percentiles


def levels(plane: NDArray[np.generic]) -> tuple[float, float]:
    """Return the intensities that become 0 and 1; equal if the plane is constant.

    Parameters
    ----------
    plane : (H, W) any real dtype
    """
    stride = max(1, math.ceil(math.sqrt(plane.size / SAMPLED_PX)))
    sample = plane[::stride, ::stride].astype(np.float32)
    low, high = np.percentile(sample, [LOW_PERCENTILE, HIGH_PERCENTILE])
    return (float(low), float(high)) if high - low > MIN_RANGE else (float(low), float(low))


def rescaled(plane: NDArray[np.generic], low: float, high: float) -> NDArray[np.float32]:
    """Map `low` to 0 and `high` to 1, float32; zeros if they are equal."""
    values = plane.astype(np.float32)
    if high == low:
        return np.zeros_like(values)
    return ((values - np.float32(low)) / np.float32(high - low)).astype(np.float32)


def normalise(plane: NDArray[np.generic]) -> NDArray[np.float32]:
    """Map the 1st percentile to 0 and the 99th to 1 (Cellpose's `normalize99`).

    Parameters
    ----------
    plane : (H, W) any real dtype

    Returns
    -------
    (H, W) float32; values beyond the percentiles are kept. A constant plane becomes zeros.
    """
    return rescaled(plane, *levels(plane))
