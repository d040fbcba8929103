"""What a study's figures are drawn from, besides its results: crops, maps, similarities, curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

REAL_VALIDATION = "real, validation"

Canvases = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Gallery:
    """Some crops that a generator made, beside what it made them from.

    Attributes
    ----------
    sources, made : (K, 3, S, S) uint8
        Red, green, DAPI.
    kept : (K,) bool
        Whether the UMAP filter lets them in; None where none was fitted.
    needed_level : (K,) float64
        Least level at which it does.
    """

    sources: Canvases
    made: Canvases
    kept: NDArray[np.bool_] | None = None
    needed_level: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Map:
    """The UMAP filter's map of the training crops, and where candidates fall.

    Attributes
    ----------
    train : (N, 2) float32
    labels : (N,) int64
        0 normal, 1 aberration.
    candidates : generator to (M, 2) float32
    kept : generator to (M,) bool
    contour : (P, 2) float64
        The ellipse at the filter's level; None where it has none.
    """

    train: NDArray[np.float32]
    labels: NDArray[np.int64]
    candidates: Mapping[str, NDArray[np.float32]]
    kept: Mapping[str, NDArray[np.bool_]]
    contour: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class StudyPictures:
    """Everything of the condition ``all`` that figures show.

    Attributes
    ----------
    aberrations, normals : (K, 3, S, S) uint8
        Real training crops.
    galleries
        By generator.
    max_ssim
        By generator, and for real validation aberrations under `REAL_VALIDATION`: each crop's highest SSIM
        with a real training aberration.
    curves
        By arm: recall and precision of the test crops, all seeds' verdicts together.
    """

    aberrations: Canvases
    normals: Canvases
    galleries: Mapping[str, Gallery] = field(default_factory=dict)
    map: Map | None = None
    max_ssim: Mapping[str, Floats] = field(default_factory=dict)
    curves: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
