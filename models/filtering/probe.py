"""A few rows with the scores that a filter gave them when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.filtering.errors import FilterFileError
from models.filtering.filter import Filter
from models.filtering.scores import FilterScores

MAX_ROWS: Final = 32
_AT_ONCE: Final = 16  # an index, which a search for more rows begins with, takes longer than they do
TOLERANCE: Final = 1e-6
PROBE_DTYPES: Final[Mapping[str, type[np.generic]]] = {
    "rows": np.float32,
    "coordinates": np.float32,
    "component": np.int32,
    "mahalanobis2": np.float64,
    "needed_level": np.float64,
    "knn_distance": np.float64,
    "knn_percentile": np.float64,
}
_ROWS = "rows"


def make_probe(filter: Filter) -> dict[str, NDArray[Any]]:  # noqa: A002 - it is one
    """Score training rows and points half-way between them, up to `MAX_ROWS`.

    Aberrations and others are there in equal numbers, as far as there are any, spread evenly.
    """
    quarter = MAX_ROWS // 4
    kinds = (filter.aberrations, np.flatnonzero(~filter.labels))
    chosen = np.concatenate([_spread(rows, quarter) for rows in kinds])
    rows = filter.manifold.embeddings[chosen]
    between = np.float32(0.5) * (rows + np.roll(rows, 1, axis=0))
    rows = np.concatenate([rows, between])
    scores = _score(filter, rows)
    return {_ROWS: rows} | {field.name: getattr(scores, field.name) for field in fields(scores)}


def check_probe(filter: Filter, expected: dict[str, NDArray[Any]]) -> None:  # noqa: A002
    """Score the rows again and compare.

    Raises
    ------
    FilterFileError
        A score differs by more than `TOLERANCE`, relative or absolute; a verdict flips; or there are no rows.
    """
    rows = expected[_ROWS]
    told = FilterScores(**{field.name: expected[field.name] for field in fields(FilterScores)})
    if rows.ndim != 2 or not 1 <= len(rows) <= MAX_ROWS:  # noqa: PLR2004 - rows and columns
        raise FilterFileError(f"A filter's probe has 1 to {MAX_ROWS} rows.")
    found = _score(filter, rows)
    for field in fields(FilterScores):
        now, then = getattr(found, field.name), getattr(told, field.name)
        if now.shape != then.shape:
            raise FilterFileError(f"The probe's {field.name} does not belong to {len(rows)} rows.")
        if not np.allclose(now, then, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            raise FilterFileError(
                f"The filter scores its probe differently than promised ({field.name}): its file was "
                "changed, or an incompatible version wrote it; fit it again."
            )
    level, gate = filter.spec.level, filter.spec.max_percentile
    if (found.kept(level, gate) != told.kept(level, gate)).any():
        raise FilterFileError("The filter decides otherwise on its probe than promised; fit it again.")


def _score(filter: Filter, rows: NDArray[np.float32]) -> FilterScores:  # noqa: A002
    """Score some rows at a time, which changes nothing but the time."""
    parts = [filter.score(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
    return FilterScores(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(FilterScores)
        }
    )


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly spread."""
    if not len(rows):
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))]
