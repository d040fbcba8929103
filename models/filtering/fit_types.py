"""What a fit starts from, how it is done, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.filtering.errors import FilterFitError
from models.filtering.filter import MAX_PERCENTILE, Filter
from models.filtering.rules.face import METHODS, Method
from models.manifold.manifold import MAX_VALUE

Construction = Literal["leave_one_out", "k_fold", "fitted"]
CONSTRUCTIONS: tuple[Construction, ...] = ("leave_one_out", "k_fold", "fitted")
MAX_TRIED_COMPONENTS = 5
_MIN_FOLDS, _MAX_FOLDS = 2, 50
_MAX_COMPONENTS = 10
_MIN_NEIGHBOURS, _MAX_NEIGHBOURS = 2, 1000

Told = Callable[[int, int, str], None]


def tell_nobody(done: int, total: int, message: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class FitData:
    """Embeddings of real crops, and the last layer of the classifier that made them.

    Attributes
    ----------
    embeddings : (N, D) float32
        Of the training split.
    labels : (N,) int
        1 = aberration, 0 = normal.
    groups : (N,)
        Slide or subject of each row: what lies in one group is never on both sides of a fold.
    val_embeddings : (V, D) float32
        Of the validation split; V may be 0.
    val_labels : (V,) int
    head_weight : (2, D) float32
    head_bias : (2,) float32
    temperature
        Of the classifier's calibration.

    Raises
    ------
    FilterFitError
        Lengths or widths differ, a label is something else, or a number is not finite.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.integer[Any]]
    groups: Sequence[str]
    val_embeddings: NDArray[np.float32]
    val_labels: NDArray[np.integer[Any]]
    head_weight: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    temperature: float

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        rows, val_rows = self.embeddings, self.val_embeddings
        if rows.ndim != 2 or val_rows.ndim != 2 or rows.shape[1:] != val_rows.shape[1:]:  # noqa: PLR2004
            raise FilterFitError(
                f"Embeddings of one classifier are (N, D) and (V, D), not {rows.shape} and {val_rows.shape}."
            )
        if not len(rows) == len(self.labels) == len(self.groups) or len(val_rows) != len(self.val_labels):
            raise FilterFitError("Every embedding needs a label and, of the training split, a group.")
        if not all(np.isin(labels, (0, 1)).all() for labels in (self.labels, self.val_labels)):
            raise FilterFitError("Labels are 0 (normal) and 1 (aberration).")
        if not all((np.abs(embedded) <= MAX_VALUE).all() for embedded in (rows, val_rows)):
            raise FilterFitError("Some embeddings are not finite, or absurdly large; embed the crops again.")

    @property
    def aberrations(self) -> NDArray[np.int64]:
        """(A,) int64: training rows that are aberrations."""
        return np.flatnonzero(np.asarray(self.labels) == 1)


@dataclass(frozen=True)
class FitParams:
    """How a filter is fitted.

    Attributes
    ----------
    method
        Which rule.
    n_neighbors, min_dist
        Of UMAP; the neighbours also of the distances in the embedding.
    coordinates
        Where the aberrations lie for the mixture: each projected without itself (``leave_one_out``),
        projected on maps of other groups (``k_fold``), or as UMAP laid them out (``fitted``, the paper).
    num_folds
        Of ``k_fold``, and of the method ``mahalanobis``.
    num_components
        Of the mixture; ``bic`` chooses 1 to 5.
    num_inits
        Starts of the mixture's fit; the likeliest is kept.
    level
        A number in (0, 1]; ``weight`` of the dominant component; chosen on ``validation``; None: the
        method's own.
    max_percentile
        Of the second gate; None: off.
    seed
        Of UMAP, the mixture and the folds.

    Raises
    ------
    FilterFitError
        A value is out of range.
    """

    method: Method = "umap"
    n_neighbors: int = 15
    min_dist: float = 0.1
    coordinates: Construction = "leave_one_out"
    num_folds: int = 5
    num_components: int | Literal["bic"] = 2
    num_inits: int = 10
    level: float | Literal["weight", "validation"] | None = None
    max_percentile: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.method not in METHODS:
            raise FilterFitError(f"A filter's method is one of {', '.join(METHODS)}, not {self.method!r}.")
        if self.coordinates not in CONSTRUCTIONS:
            raise FilterFitError(f"Coordinates are {', '.join(CONSTRUCTIONS)}, not {self.coordinates!r}.")
        self._check_numbers()
        self._check_level()

    def _check_numbers(self) -> None:
        if not _MIN_NEIGHBOURS <= self.n_neighbors <= _MAX_NEIGHBOURS:
            raise FilterFitError(f"A map has {_MIN_NEIGHBOURS} to {_MAX_NEIGHBOURS:,} neighbours.")
        if not 0.0 <= self.min_dist <= 1.0:
            raise FilterFitError(f"min_dist lies between 0 and 1, not at {self.min_dist}.")
        if not _MIN_FOLDS <= self.num_folds <= _MAX_FOLDS:
            raise FilterFitError(f"There are {_MIN_FOLDS} to {_MAX_FOLDS} folds, not {self.num_folds}.")
        if self.num_components != "bic" and not 1 <= self.num_components <= _MAX_COMPONENTS:
            raise FilterFitError(f"A mixture has 1 to {_MAX_COMPONENTS} components, or 'bic' chooses.")
        if self.num_inits < 1:
            raise FilterFitError("A mixture's fit needs one start at least.")
        if self.max_percentile is not None and not 0.0 <= self.max_percentile <= MAX_PERCENTILE:
            raise FilterFitError(f"A percentile lies between 0 and 100, not at {self.max_percentile}.")

    def _check_level(self) -> None:
        if self.level == "weight" and self.method != "umap":
            raise FilterFitError(
                f"Only the method umap has a mixture whose weight is a level; give {self.method} a number, "
                "'validation' or nothing."
            )
        if self.level == "validation" and self.method == "none":
            raise FilterFitError("The method none keeps everything at any level; leave the level out.")
        if isinstance(self.level, str):
            if self.level not in ("weight", "validation"):
                raise FilterFitError(f"A level is a number, 'weight' or 'validation', not {self.level!r}.")
        elif self.level is not None and not 0.0 < self.level <= 1.0:
            raise FilterFitError(f"A level lies above 0 and not above 1, not at {self.level}.")


@dataclass(frozen=True)
class FittedFilter:
    """A filter, and what is known of it.

    Attributes
    ----------
    report
        Plain numbers and sentences for a manifest and a card.
    """

    filter: Filter
    report: dict[str, Any]
