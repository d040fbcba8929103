"""Pictures of a filter on the development set: the map, acceptance by level, crops that are kept and not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.filtering.workload import Embedded, Synthetic
from models.filtering.filter import Filter
from models.filtering.scores import FilterScores
from services.pipelines.filter_map_data import MapData, Series
from services.pipelines.filter_map_series import real_series, training_scores
from services.pipelines.filter_pictures import plot
from services.pipelines.quality_pictures import strips_png

SHOWN = 24
_GATE = 99.0
_COLOURS = {
    "real aberrations": "#d55e00",
    "real normals": "#7a7a7a",
    "bridge": "#0072b2",
    "painted": "#009e73",
}


def write_pictures(folder: Path, found: Filter, val: Embedded, made: Mapping[str, Synthetic]) -> None:
    """Draw everything into a folder.

    Parameters
    ----------
    found
        The filter.
    made
        Synthetic crops by generator.
    """
    scores = {name: found.score(crops.embeddings) for name, crops in made.items()}
    real = real_series("Real", training_scores(found), found.labels)
    for name, one in scores.items():
        series = [*real, Series(f"Synthetic ({name})", "candidate", one)]
        data = MapData(
            f"Real and {name} crops on the filter's map",
            "figure 6 of the paper on the development set",
            found.spec.level,
            None,
            series,
            found.mixture,
        )
        (folder / f"map_{name}.png").write_bytes(plot(data))
        (folder / f"crops_{name}.png").write_bytes(_strip(made[name], one, found.spec.level, name))
    held = {
        "real aberrations": found.score(val.embeddings[val.labels == 1]),
        "real normals": found.score(val.embeddings[val.labels == 0]),
    }
    _draw_curves(held | scores, found.spec.level).savefig(folder / "acceptance.png", dpi=110)


def _strip(crops: Synthetic, scores: FilterScores, level: float, name: str) -> bytes:
    """Kept crops, evenly through the ellipse, beside rejected ones, evenly up to the farthest."""
    kept = scores.kept(level)
    columns = {"kept": _spread(scores, kept), "rejected": _spread(scores, ~kept)}
    captions = [
        f"level {scores.needed_level[k]:.2f}, {scores.knn_percentile[k]:.0f} %\n"
        f"level {scores.needed_level[r]:.2f}, {scores.knn_percentile[r]:.0f} %"
        for k, r in zip(columns["kept"], columns["rejected"], strict=True)
    ]
    title = (
        f"{name}: {kept.sum():,} of {len(kept):,} kept at level {level:.2f}; level and distance percentile"
    )
    return strips_png({column: crops.canvases[rows] for column, rows in columns.items()}, captions, title)


def _spread(scores: FilterScores, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """As many of the chosen rows as are shown, evenly by the distance from the middle."""
    distance = np.where(np.isnan(scores.mahalanobis2), scores.needed_level, scores.mahalanobis2)
    rows = np.flatnonzero(chosen)
    ordered = rows[np.argsort(distance[rows], kind="stable")]
    return ordered[np.linspace(0, len(ordered) - 1, SHOWN).astype(np.int64)]


def _draw_curves(scores: Mapping[str, FilterScores], level: float) -> Figure:
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    at = np.linspace(0, 1, 501)
    for name, one in scores.items():
        kept = (one.needed_level[:, None] <= at).mean(axis=0)
        gated = ((one.needed_level[:, None] <= at) & (one.knn_percentile[:, None] <= _GATE)).mean(axis=0)
        axes.plot(at, kept, color=_COLOURS[name], label=name)
        axes.plot(at, gated, color=_COLOURS[name], linestyle=":", linewidth=1)
    axes.axvline(level, color="black", linewidth=0.8)
    axes.annotate(" the filter's level", (level, 0.96), fontsize=8)
    axes.set(xlabel="level of the ellipse", ylabel="share kept", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(
        "Held-out real crops and synthetic ones; dotted: with the distance gate at 99 %", fontsize=10
    )
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    return figure
