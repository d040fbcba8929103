"""What changed from one filter to another, and which verdicts flip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.filtering.errors import ComparisonError
from models.filtering.filter import Filter
from models.filtering.scores import FilterScores
from models.quality.stopping import Check, never_stop


def compare(
    first: Filter,
    second: Filter,
    rows: NDArray[np.float32],
    *,
    threads: int = 1,
    check: Check = never_stop,
) -> dict[str, Any]:
    """Compare two filters on the same embeddings.

    Parameters
    ----------
    rows : (M, D) float32
        Of the classifier of both; M may be 0.
    check
        Called now and then; may raise to stop.

    Returns
    -------
    dict
        Plain numbers: ``parameters`` that differ, as [first, second]; ``level``; ``ellipse`` where both have
        one; ``same_map``; ``verdicts`` on the rows; ``moved``, where both have the same map.

    Raises
    ------
    ComparisonError
        The filters belong to different classifiers.
    """
    if first.spec.classifier_sha256 != second.spec.classifier_sha256:
        raise ComparisonError(
            f"The filters belong to different classifiers, {first.spec.classifier} and "
            f"{second.spec.classifier}: the same embedding means different crops to them."
        )
    scores = (
        first.score(rows, threads=threads, check=check),
        second.score(rows, threads=threads, check=check),
    )
    same_map = _same_map(first, second)
    return {
        "parameters": _parameters(first, second),
        "level": {
            "first": first.spec.level,
            "second": second.spec.level,
            "shift": second.spec.level - first.spec.level,
        },
        "ellipse": _ellipse(first, second) if same_map else None,
        "same_map": same_map,
        "verdicts": _verdicts(first, second, scores),
        "moved": _moved(scores) if same_map and len(rows) else None,
    }


def _parameters(first: Filter, second: Filter) -> dict[str, list[Any]]:
    """Parameters that differ, as [first, second]; None where one has no such parameter."""
    told = [_told(first), _told(second)]
    names = sorted(told[0].keys() | told[1].keys())
    pairs = {name: [side.get(name) for side in told] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _told(filter: Filter) -> dict[str, Any]:  # noqa: A002 - it is one
    counts = {"rows": len(filter.labels), "aberrations": len(filter.aberrations)}
    manifold = {f"manifold.{name}": value for name, value in filter.manifold.spec.to_json().items()}
    rule = {f"rule.{name}": value for name, value in filter.rule.to_json().items()}
    return filter.spec.to_json() | manifold | rule | counts


def _same_map(first: Filter, second: Filter) -> bool:
    a, b = first.manifold, second.manifold
    return a.spec == b.spec and all(np.array_equal(a.arrays()[name], b.arrays()[name]) for name in a.arrays())


def _ellipse(first: Filter, second: Filter) -> dict[str, Any] | None:
    """Where the ellipses lie; None where a filter has none. Areas are in squared units of the map."""
    if first.mixture is None or second.mixture is None:
        return None
    means = [mixture.means[mixture.dominant] for mixture in (first.mixture, second.mixture)]
    areas = [_area(side) for side in (first, second)]
    return {
        "means": [mean.tolist() for mean in means],
        "centre_shift": float(np.hypot(*(means[1] - means[0]))),
        "areas": areas,
        "num_components": [len(first.mixture), len(second.mixture)],
    }


def _area(filter: Filter) -> float | None:  # noqa: A002 - it is one
    """Area inside a filter's ellipse; None where it holds the whole plane."""
    if filter.mixture is None:
        return None
    outline = filter.mixture.outline(filter.spec.level, filter.mixture.dominant)
    x, y = outline[:, 0], outline[:, 1]
    # The shoelace formula; the outline is a closed line.
    return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2.0) if len(outline) else None


def _verdicts(first: Filter, second: Filter, scores: tuple[FilterScores, FilterScores]) -> dict[str, Any]:
    """How many rows each filter keeps, and how many change sides."""
    kept = [
        score.kept(side.spec.level, side.spec.max_percentile)
        for side, score in zip((first, second), scores, strict=True)
    ]
    count = len(kept[0])

    def share(chosen: NDArray[np.bool_]) -> float | None:
        return float(chosen.mean()) if count else None

    return {
        "rows": count,
        "kept": [share(kept[0]), share(kept[1])],
        "newly_kept": share(~kept[0] & kept[1]),
        "newly_rejected": share(kept[0] & ~kept[1]),
    }


def _moved(scores: tuple[FilterScores, FilterScores]) -> dict[str, float]:
    """Distances between both coordinates of the rows, in units of the map."""
    offset = scores[1].coordinates.astype(np.float64) - scores[0].coordinates
    distance = np.hypot(offset[:, 0], offset[:, 1])
    return {"median": float(np.median(distance)), "largest": float(distance.max())}
