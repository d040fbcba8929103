"""Making a rule from the arrays of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.filtering.rules.ellipse import EllipseRule
from models.filtering.rules.face import Method, Rule
from models.filtering.rules.keep_all import KeepAllRule
from models.filtering.rules.knn import KnnRule
from models.filtering.rules.mahalanobis import MahalanobisRule
from models.filtering.rules.probability import ProbabilityRule

Arrays = dict[str, NDArray[Any]]

ARRAY_DTYPES: Final[Mapping[Method, Mapping[str, type[np.generic]]]] = {
    "umap": {"weights": np.float64, "means": np.float64, "covariances": np.float64},
    "mahalanobis": {"mean": np.float64, "whitening": np.float64, "references": np.float64},
    "knn": {"references": np.float64, "num_neighbours": np.int64},
    "probability": {"head_weight": np.float32, "head_bias": np.float32, "temperature": np.float64},
    "none": {},
}


def rule_from(method: Method, arrays: Arrays, aberrations: NDArray[np.float32]) -> Rule:
    """Make a rule.

    Parameters
    ----------
    arrays
        With the names and dtypes of `ARRAY_DTYPES`.
    aberrations : (A, D) float32
        The map's rows that are aberrations.

    Raises
    ------
    FilterError
        The arrays make no such rule.
    """
    makers: Mapping[Method, Callable[[], Rule]] = {
        "umap": lambda: EllipseRule.from_arrays(arrays),
        "mahalanobis": lambda: MahalanobisRule.from_arrays(arrays),
        "knn": lambda: KnnRule.from_arrays(arrays, aberrations),
        "probability": lambda: ProbabilityRule.from_arrays(arrays),
        "none": KeepAllRule,
    }
    return makers[method]()
