"""A filter: a map of the training embeddings, and a rule that tells which crops look like aberrations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.elementwise import Floats, checked_references, row_means, share_below
from models.filtering.errors import FilterError
from models.filtering.mixture import Mixture
from models.filtering.rules.ellipse import EllipseRule
from models.filtering.rules.face import METHODS, Method, Rule
from models.filtering.scores import FilterScores
from models.manifold.manifold import Manifold
from models.quality.stopping import Check, never_stop

MAX_PERCENTILE = 100.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FilterSpec:
    """What belongs to a filter besides its arrays.

    Attributes
    ----------
    method
        Which rule.
    level
        In [0, 1]: of the ellipse or, for other rules, how much of the class of aberrations is let in.
    level_reason
        Why this level, in a sentence.
    max_percentile
        The second gate, in [0, 100]: rows beyond this percentile of distance to the training rows are
        rejected too. None: off.
    classifier
        ``name/version`` of the classifier that made the embeddings.
    classifier_sha256
        Of its weights.

    Raises
    ------
    FilterError
        A value is out of range.
    """

    method: Method
    level: float
    level_reason: str
    max_percentile: float | None
    classifier: str
    classifier_sha256: str

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.method not in METHODS:
            raise FilterError(f"A filter's method is one of {', '.join(METHODS)}, not {self.method!r}.")
        _check_gates(self.level, self.max_percentile)
        if not _SHA256.fullmatch(self.classifier_sha256):
            raise FilterError("A filter names the sha256 of its classifier's weights: 64 hexadecimal digits.")

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entry."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> FilterSpec:
        """Read what `to_json` made.

        Raises
        ------
        FilterError
            An entry is missing, unknown, or of another type.
        """
        names = {field.name for field in fields(cls)}
        if set(told) != names:
            raise FilterError(f"A filter's spec has the entries {', '.join(sorted(names))}.")
        texts = ("method", "level_reason", "classifier", "classifier_sha256")
        if not all(isinstance(told[name], str) for name in texts):
            raise FilterError(f"The entries {', '.join(texts)} of a filter's spec are texts.")
        gate = told["max_percentile"]
        return cls(
            method=told["method"],
            level=_number(told["level"]),
            level_reason=told["level_reason"],
            max_percentile=None if gate is None else _number(gate),
            classifier=told["classifier"],
            classifier_sha256=told["classifier_sha256"],
        )


class Filter:
    """A map and a rule, ready to score embeddings of one classifier.

    A row's scores are the same bits alone or in any batch, order and number of threads.

    Parameters
    ----------
    spec, manifold, rule
        Of the same method, and of the same number of dimensions.
    own_distances : (N,) float64
        Each training row's mean distance to its k nearest others, ascending.
    labels : (N,) bool or uint8
        Which training rows are aberrations.

    Raises
    ------
    FilterError
        The parts do not fit together.
    """

    def __init__(
        self,
        spec: FilterSpec,
        manifold: Manifold,
        rule: Rule,
        own_distances: Floats,
        labels: NDArray[np.bool_] | NDArray[np.uint8],
    ) -> None:
        self.spec = spec
        self.manifold = manifold
        self.rule = rule
        self.own_distances = checked_references(own_distances, "distances of the training rows")
        self.labels = np.asarray(labels).astype(np.bool_)
        rows = len(manifold.embeddings)
        if rule.method != spec.method:
            raise FilterError(f"The spec says {spec.method}, the rule is {rule.method}.")
        if rule.dimensions not in (None, manifold.dimensions):
            raise FilterError(
                f"The rule takes embeddings of {rule.dimensions} values, the map of {manifold.dimensions}."
            )
        if self.own_distances.shape != (rows,) or self.labels.shape != (rows,):
            raise FilterError(f"A map of {rows} rows needs {rows} distances and {rows} labels.")

    @property
    def mixture(self) -> Mixture | None:
        """The mixture on the map; None where the rule has none."""
        return self.rule.mixture if isinstance(self.rule, EllipseRule) else None

    @cached_property
    def aberrations(self) -> NDArray[np.int64]:
        """(A,) int64: training rows that are aberrations."""
        return np.flatnonzero(self.labels)

    def score(
        self, rows: NDArray[np.float32], *, threads: int = 1, check: Check = never_stop
    ) -> FilterScores:
        """Project rows, judge them, and measure how far they lie from the training rows.

        Parameters
        ----------
        rows : (M, D) float32
            Embeddings of `spec.classifier`; M may be 0.
        check
            Called now and then; may raise to stop.

        Raises
        ------
        ManifoldError
            The rows have another width, or are not finite.
        """
        projection = self.manifold.project(rows, threads=threads, check=check)
        judged = self.rule.judge(rows, projection.coordinates, threads=threads, check=check)
        distance, percentile = self._distances(projection.distances)
        return FilterScores(
            coordinates=projection.coordinates,
            component=judged.component,
            mahalanobis2=judged.mahalanobis2,
            needed_level=judged.needed_level,
            knn_distance=distance,
            knn_percentile=percentile,
        )

    def knn(
        self, rows: NDArray[np.float32], *, threads: int = 1, check: Check = never_stop
    ) -> tuple[Floats, Floats]:
        """Measure only how far rows lie from the training rows; nothing is projected.

        Returns
        -------
        knn_distance, knn_percentile : (M,) float64
            As in `FilterScores`.

        Raises
        ------
        ManifoldError
            As `score`.
        """
        return self._distances(self.manifold.nearest(rows, threads=threads, check=check)[1])

    def _distances(self, distances: Floats) -> tuple[Floats, Floats]:
        """Mean distance to the neighbours, and its percentile among the training rows."""
        mean = row_means(distances)
        return mean, MAX_PERCENTILE * share_below(self.own_distances, mean)


def _check_gates(level: float, max_percentile: float | None) -> None:
    """Refuse a level or a second gate out of range.

    Raises
    ------
    FilterError
        The level is not in [0, 1], or the gate not in [0, 100].
    """
    if not 0.0 <= level <= 1.0:
        raise FilterError(f"A level lies between 0 and 1, not at {level}.")
    if max_percentile is not None and not 0.0 <= max_percentile <= MAX_PERCENTILE:
        raise FilterError(f"A percentile lies between 0 and 100, not at {max_percentile}.")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError(f"Levels and percentiles are numbers, not {value!r}.")
    return float(value)
