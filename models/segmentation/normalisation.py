"""One intensity normalisation for training and inference, so that they cannot drift apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.0


def normalise(plane: NDArray[np.generic]) -> NDArray[np.float32]:
    """Map the 1st percentile to 0 and the 99th to 1 (Cellpose's `normalize99`).

    Parameters
    ----------
    plane : (H, W) any real dtype

    Returns
    -------
    (H, W) float32; values beyond the percentiles are kept. A constant plane becomes zeros.
    """
    values = plane.astype(np.float32)
    low, high = np.percentile(values, [LOW_PERCENTILE, HIGH_PERCENTILE])
    if high - low <= 1e-3:
        return np.zeros_like(values)
    return ((values - np.float32(low)) / np.float32(high - low)).astype(np.float32)
