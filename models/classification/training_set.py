"""Labelled canvases, and what is told from them before a training. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelledCanvases:
    """Crops with their classes.

    Attributes
    ----------
    canvases : (N, 3, S, S) uint8
    labels : (N,) int64
        0 normal, 1 aberration.
    """

    canvases: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        if len(self.canvases) != len(self.labels):
            raise ValueError(f"{len(self.canvases)} canvases have {len(self.labels)} labels.")

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.labels)


def normalisation_of(canvases: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of training canvases in [0, 1].

    Parameters
    ----------
    canvases : (N, 3, S, S) uint8

    Returns
    -------
    mean, std
        Three numbers each, rounded to four digits; a channel without contrast gets std 1.
    """
    planes = np.moveaxis(canvases, 1, 0).reshape(canvases.shape[1], -1)
    mean = [round(float(plane.mean(dtype=np.float64)) / 255.0, 4) for plane in planes]
    std = [round(float(plane.std(dtype=np.float64)) / 255.0, 4) or 1.0 for plane in planes]
    return mean, std


def thinned(labels: NDArray[np.int64], normal_ratio: float | None, seed: int) -> NDArray[np.int64]:
    """Rows of all aberrations and of at most `normal_ratio` normals for each, ascending.

    Parameters
    ----------
    labels : (N,) int64
    """
    normals = np.nonzero(labels == 0)[0]
    aberrations = np.nonzero(labels == 1)[0]
    wanted = (
        len(normals) if normal_ratio is None else min(len(normals), round(normal_ratio * len(aberrations)))
    )
    kept = np.random.default_rng(seed).permutation(normals)[:wanted]
    return np.sort(np.concatenate([kept, aberrations]))


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Inverse frequencies of the two classes; the mean over crops is 1.

    Parameters
    ----------
    labels : (N,) int64
    """
    counts = np.bincount(labels, minlength=2)
    return np.asarray(len(labels) / (2 * counts), np.float64)
